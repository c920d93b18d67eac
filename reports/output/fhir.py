"""FHIR R4 (4.0.1): DiagnosticReport of a version, ImagingStudy of a study, as JSON.

Every code is of the value set that R4 binds it to; the tests hold them against it.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from reports.models import Report, ReportVersion, VersionKind
from reports.output import markup, plain, shown
from reports.output.shown import facts_now
from studies.dicom.charset import display_name
from studies.models import Study

REGISTERED, PRELIMINARY, FINAL, AMENDED = "registered", "preliminary", "final", "amended"
ENTERED_IN_ERROR = "entered-in-error"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
LOINC = "http://loinc.org"
SECTION = "http://terminology.hl7.org/CodeSystem/v2-0074"
IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"
STATUSES = {
    VersionKind.PRELIMINARY: PRELIMINARY,
    VersionKind.FINAL: FINAL,
    VersionKind.ADDENDUM: AMENDED,
    VersionKind.WITHDRAWAL: ENTERED_IN_ERROR,
}


def diagnostic_report(version: ReportVersion) -> dict[str, Any]:
    """The DiagnosticReport of a report in this version; its id is the report's.

    One that was withdrawn is entered-in-error and says nothing of what it said.
    """
    found = shown.of_version(version)
    content = version.content
    report = _report(version.report, content, STATUSES[VersionKind(version.kind)])
    report["meta"] = {
        "versionId": str(version.number),
        "lastUpdated": instant(version.signed_at),
    }
    report["issued"] = instant(version.signed_at)
    report["resultsInterpreter"] = [
        {"display": name} for name in _interpreters(content) if name
    ] or None
    if version.kind != VersionKind.WITHDRAWAL:
        report["conclusion"] = _conclusion(found) or None
        report["presentedForm"] = [_presented(version, found)]
    return _without_nothing(report)


def registered(report: Report) -> dict[str, Any]:
    """The DiagnosticReport of a report that nobody has signed yet: that there will be one."""
    made = _report(report, facts_now(report.study), REGISTERED)
    made["meta"] = {"versionId": "0", "lastUpdated": instant(report.saved_at)}
    return _without_nothing(made)


def imaging_study(study: Study) -> dict[str, Any]:
    """The ImagingStudy of a study, with its series and without their instances."""
    facts = facts_now(study)
    series = list(study.series.order_by("series_number", "id"))
    return _without_nothing(
        {
            "resourceType": "ImagingStudy",
            "id": str(study.pk),
            "meta": {"lastUpdated": instant(study.last_received_at)},
            "identifier": _study_identifiers(facts["study"]),
            "status": "available" if study.number_of_instances else "registered",
            "modality": [_modality(one) for one in study.modality_list],
            "subject": _subject(facts),
            "started": _started(facts),
            "referrer": _person(study.referring_physician_name),
            "numberOfSeries": study.number_of_series,
            "numberOfInstances": study.number_of_instances,
            "procedureCode": [{"text": study.study_description}]
            if study.study_description
            else None,
            "description": study.study_description,
            "series": [
                {
                    "uid": one.series_instance_uid,
                    "number": one.series_number if (one.series_number or 0) >= 0 else None,
                    "modality": _modality(one.modality or "OT"),
                    "description": one.series_description,
                    "numberOfInstances": one.number_of_instances,
                    "bodySite": {"display": one.body_part_examined}
                    if one.body_part_examined
                    else None,
                }
                for one in series
            ],
        }
    )


def bundle(
    resources: list[dict[str, Any]], *, total: int, link: str, following: str
) -> dict[str, Any]:
    """A searchset. `link`: what was asked; `following`: where it goes on, "" at the end."""
    links = [{"relation": "self", "url": link}]
    if following:
        links.append({"relation": "next", "url": following})
    return _without_nothing(
        {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": total,
            "link": links,
            "entry": [
                {
                    "fullUrl": f"{root()}/{one['resourceType']}/{one['id']}",
                    "resource": one,
                    "search": {"mode": "match"},
                }
                for one in resources
            ],
        }
    )


def outcome(code: str, words: str) -> dict[str, Any]:
    """An OperationOutcome with one error; `code` of the value set issue-type."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": code, "diagnostics": words}],
    }


def capabilities(software: str, released: str) -> dict[str, Any]:
    """What this server does (CapabilityStatement)."""

    def resource(kind: str, *parameters: tuple[str, str]) -> dict[str, Any]:
        interactions = [{"code": "read"}]
        if parameters:
            interactions.append({"code": "search-type"})
        return {
            "type": kind,
            "interaction": interactions,
            "versioning": "no-version",
            "searchParam": [{"name": name, "type": type_} for name, type_ in parameters],
        }

    return _without_nothing(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": released,
            "kind": "instance",
            "software": {"name": "Lightbox PACS", "version": software},
            "implementation": {"description": "Reports of a PACS", "url": root()},
            "fhirVersion": "4.0.1",
            "format": ["json"],
            "rest": [
                {
                    "mode": "server",
                    "security": {
                        "description": "A bearer token of the portal, or its session, for all but"
                        " this statement."
                    },
                    "resource": [
                        resource(
                            "DiagnosticReport", ("patient", "reference"), ("study", "reference")
                        ),
                        resource("ImagingStudy"),
                        resource("Binary"),
                    ],
                }
            ],
        }
    )


def root() -> str:
    """The base URL, absolute where the portal has a public address."""
    return f"{settings.PUBLIC_URL.rstrip('/')}/fhir"


def instant(moment: datetime) -> str:
    """An instant, in UTC to the millisecond."""
    return (
        f"{moment.astimezone(ZoneInfo('UTC')):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
    )


def _report(report: Report, content: dict[str, Any], status: str) -> dict[str, Any]:
    study, site = content["study"], content["site"]
    title = str(content.get("title") or study.get("description") or "")
    return {
        "resourceType": "DiagnosticReport",
        "id": str(report.pk),
        "identifier": [
            {"use": "official", "system": f"{root()}/DiagnosticReport", "value": str(report.pk)}
        ],
        "status": status,
        "category": [{"coding": [{"system": SECTION, "code": "RAD", "display": "Radiology"}]}],
        "code": {
            "coding": [{"system": LOINC, "code": "18748-4", "display": "Diagnostic imaging study"}],
            "text": markup.clean_text(title).strip() or None,
        },
        "subject": _subject(content),
        "effectiveDateTime": _started(content),
        "performer": [{"display": site.get("name")}],
        "basedOn": [{"type": "ServiceRequest", "identifier": _accession(study["accession_number"])}]
        if study.get("accession_number")
        else None,
        "imagingStudy": [
            {
                "reference": f"ImagingStudy/{study['id']}",
                "identifier": _study_identifiers(study)[0],
            }
        ],
    }


def _presented(version: ReportVersion, found: shown.Shown) -> dict[str, Any]:
    return {
        "contentType": "application/pdf",
        "language": str(found.parts[0].content.get("language") or "en"),
        "url": f"{root()}/Binary/{version.pk}",
        "title": f"Report {version.report_id}, version {version.number}",
        "creation": instant(version.signed_at),
    }


def _conclusion(found: shown.Shown) -> str:
    """The impression, and what addenda said."""
    said: list[str] = []
    for part in found.parts:
        for key, _title, lines in plain.sections(part.content):
            if part.is_addendum:
                said += ["Addendum:", *lines]
            elif key == "impression":
                said += lines
    return "\n".join(said)


def _interpreters(content: dict[str, Any]) -> list[str]:
    people = (content.get("signer"), content.get("cosigner"))
    return [
        markup.clean_text(str(one.get("name") or "")) for one in people if isinstance(one, dict)
    ]


def _subject(content: dict[str, Any]) -> dict[str, Any]:
    patient, site = content["patient"], content["site"]
    name = markup.clean_text(display_name(str(patient.get("name") or "")))
    identifier = None
    if patient.get("id"):
        issuer = patient.get("issuer")
        identifier = {
            "type": {"coding": [{"system": IDENTIFIER_TYPE, "code": "MR"}]},
            "system": f"{root()}/sites/{site['slug']}/patients",
            "value": patient["id"],
            "assigner": {"display": issuer} if issuer else None,
        }
    return {"type": "Patient", "identifier": identifier, "display": name or "No name"}


def _study_identifiers(study: dict[str, Any]) -> list[dict[str, Any]]:
    found = [{"use": "official", "system": "urn:dicom:uid", "value": f"urn:oid:{study['uid']}"}]
    if study.get("accession_number"):
        found.append(_accession(study["accession_number"]))
    return found


def _accession(number: str) -> dict[str, Any]:
    return {
        "type": {"coding": [{"system": IDENTIFIER_TYPE, "code": "ACSN"}]},
        "value": number,
    }


def _modality(code: str) -> dict[str, Any]:
    return {"system": DCM, "code": re.sub(r"\s+", "", code) or "OT"}


def _person(name: str) -> dict[str, Any] | None:
    said = markup.clean_text(display_name(name))
    return {"display": said} if said else None


def _started(content: dict[str, Any]) -> str | None:
    """A dateTime of the study: with its time where it has one, in the site's zone."""
    study = content["study"]
    day, time = str(study.get("date") or ""), str(study.get("time") or "")
    try:
        date = datetime.strptime(day[:8], "%Y%m%d")  # noqa: DTZ007 - a DA has no zone
    except ValueError:
        return None
    clock = re.match(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d)?", time)
    if clock is None:
        return f"{date:%Y-%m-%d}"
    try:
        zone = ZoneInfo(str(content["site"].get("timezone") or "UTC"))
    except (KeyError, ValueError, OSError):
        zone = ZoneInfo("UTC")
    hour, minute, second = (int(part or 0) for part in clock.groups())
    return date.replace(hour=hour, minute=minute, second=second, tzinfo=zone).isoformat()


def _without_nothing(value: dict[str, Any]) -> dict[str, Any]:
    """FHIR has no empty values: what is None, "" or empty is left out."""
    kept = {name: _slim(one) for name, one in value.items()}
    return {name: one for name, one in kept.items() if not _is_nothing(one)}


def _slim(value: Any) -> Any:
    if isinstance(value, dict):
        return _without_nothing(value)
    if isinstance(value, list):
        return [one for one in map(_slim, value) if not _is_nothing(one)]
    return value


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)
