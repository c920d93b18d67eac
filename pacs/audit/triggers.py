"""The database triggers that keep the audit trail append-only: see pacs.immutable."""

from __future__ import annotations

from pacs.immutable import append_only

REFUSAL = "audit events are append-only"

GUARD = append_only("audit_auditevent", "audit", REFUSAL, subject="the audit trail")
install, remove = GUARD.install, GUARD.remove
