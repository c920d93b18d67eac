import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from reports.search import table


def create(apps, schema_editor):
    table.create(schema_editor.connection)


def drop(apps, schema_editor):
    table.drop(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [
        ("reports", "0005_delivery"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="attachment",
            name="removed_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="attachment",
            name="removed_reason",
            field=models.CharField(blank=True, max_length=400),
        ),
        migrations.AddField(
            model_name="attachment",
            name="replaced_at",
            field=models.DateTimeField(help_text="When the sender sent another version", null=True),
        ),
        migrations.AddField(
            model_name="attachment",
            name="report_key",
            field=models.CharField(
                blank=True, help_text="Versions of one report of one sender share it", max_length=64
            ),
        ),
        migrations.AddField(
            model_name="attachment",
            name="status",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "Unknown"),
                    ("preliminary", "Preliminary"),
                    ("final", "Final"),
                    ("corrected", "Corrected"),
                    ("withdrawn", "Withdrawn by the sender"),
                ],
                default="",
                max_length=12,
            ),
        ),
        migrations.AddIndex(
            model_name="attachment",
            index=models.Index(fields=["site", "report_key"], name="attachment_report"),
        ),
        migrations.RunPython(create, drop),
    ]
