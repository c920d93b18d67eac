from django.db import migrations

from reports.search import table


def create(apps, schema_editor):
    table.create(schema_editor.connection)


def drop(apps, schema_editor):
    table.drop(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [
        ("reports", "0001_initial"),
    ]

    operations = [migrations.RunPython(create, drop)]
