"""Signed versions and the states of signed reports are kept by the database itself."""

from __future__ import annotations

from django.db import migrations

from reports.signing.triggers import GUARDS


def install(apps, schema_editor):
    for guard in GUARDS:
        guard.install(schema_editor.connection)


def remove(apps, schema_editor):
    for guard in GUARDS:
        guard.remove(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("reports", "0001_initial")]

    operations = [migrations.RunPython(install, remove)]
