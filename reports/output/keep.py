"""The DICOM objects of a version, put into its study."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import structlog

from reports.errors import PermanentError
from reports.models import ReportVersion
from reports.output import dicom
from studies.models import Instance
from studies.services import ingest

log = structlog.get_logger(__name__)
SOURCE = "report:"


def store_into_study(version: ReportVersion) -> list[Instance]:
    """SR, measurements where there are some, and PDF, through the one door. The instances.

    Safe to repeat: what is there stays, whatever was corrected since. The study's reading state
    and arrival do not change. Raises PermanentError where the door does not take one, and what
    `pdf` raises.
    """
    site_id = version.report.site_id
    kept: list[Instance] = []
    for name, make in _makers().items():
        uid = dicom.uid_of(version, name)
        there = _instance(site_id, uid)
        if there is None:
            made = make(version)
            if made is None:
                continue
            result = ingest.store(
                BytesIO(made), source=f"{SOURCE}{version.report_id}", site=version.report.site
            )
            if result.outcome == "quarantined":
                log.error("a report's object was not taken", version=version.pk, object=name)
                raise PermanentError(
                    f"The study does not take the report: {result.reason}.", code="not-taken"
                )
            there = _instance(site_id, uid)
        if there is not None:
            kept.append(there)
    return kept


def _makers() -> dict[str, Callable[[ReportVersion], bytes | None]]:
    # They bring highdicom, which only the process that delivers needs.
    from reports.output import encapsulated, sr

    return {
        "basic-text": sr.basic_text_sr,
        "measurements": sr.measurement_report,
        "pdf": encapsulated.encapsulated_pdf,
    }


def _instance(site_id: int, uid: str) -> Instance | None:
    return Instance.objects.filter(site_id=site_id, sop_instance_uid=uid).first()
