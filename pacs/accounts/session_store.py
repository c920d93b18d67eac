"""Sessions in the database. A lock stays, whoever writes the session after it."""

from __future__ import annotations

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import router, transaction

from pacs.accounts import sessions


class SessionStore(DatabaseStore):
    """A request that began before the lock writes back what it read: all but the lock."""

    def save(self, must_create: bool = False) -> None:
        """As Django's; only `sessions.unlock`, which counts, takes a lock away."""
        if must_create or self.session_key is None:
            super().save(must_create)
            return
        using = router.db_for_write(self.model)
        with transaction.atomic(using=using):
            rows = self.model.objects.using(using).select_for_update()
            row = rows.filter(session_key=self.session_key).first()
            kept = self.decode(row.session_data) if row is not None else {}
            if kept.get(sessions.LOCKED) and sessions.unlocks(kept) == sessions.unlocks(self):
                sessions.lock(self)
            super().save()
