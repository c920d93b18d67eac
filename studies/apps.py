from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class StudiesConfig(AppConfig):
    name = "studies"
    verbose_name = "Studies"

    def ready(self) -> None:
        from pacs.health import parts
        from studies import archive, searchindex
        from studies.archive import room
        from studies.backup import restore
        from studies.documents import health as documents_health
        from studies.reading import notices
        from studies.status import sources as status

        status.register_all()
        notices.connect()
        archive.fetch_missing_with(restore.fetch)
        parts.add("documents", documents_health.words)
        parts.add("room", room.words)
        post_migrate.connect(
            searchindex.after_migrate, sender=self, dispatch_uid="studies.searchindex"
        )
