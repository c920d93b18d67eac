from __future__ import annotations

from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    name = "tests.servers.documents"
    label = "fixture_documents"

    def ready(self) -> None:
        from agents.printing import documents
        from tests.servers.documents import data_dir, from_file

        documents.register(documents.REPORT, from_file(data_dir))
