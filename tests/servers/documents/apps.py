from __future__ import annotations

from importlib.util import find_spec

from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    name = "tests.servers.documents"
    label = "fixture_documents"

    def ready(self) -> None:
        from agents.printing import documents
        from tests.servers.documents import data_dir, from_file

        documents.register(documents.REPORT, from_file(data_dir))
        _stand_in()


def _stand_in() -> None:
    """Formats that reports.output does not have yet."""
    from reports.delivery import renderings
    from tests.reports import factories_delivery

    for module, name in (("keep", "dicom_objects"), ("hl7", "oru"), ("fhir", "diagnostic_report")):
        if find_spec(f"reports.output.{module}") is None:
            setattr(renderings, name, getattr(factories_delivery, name))
