"""Who is telling a critical result now, and until when, so that it is told once."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reports", "0002_signing")]

    operations = [
        migrations.AddField(
            model_name="criticalresult",
            name="told_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="criticalresult",
            name="lease_until",
            field=models.DateTimeField(
                help_text="Somebody tells it, or waits to try again", null=True
            ),
        ),
        migrations.AlterField(
            model_name="criticalevent",
            name="what",
            field=models.CharField(
                choices=[
                    ("marked", "Marked critical"),
                    ("told", "Told"),
                    ("not_told", "Could not be told"),
                    ("escalated", "Not acknowledged in time: escalated"),
                    ("escalation", "Escalation"),
                    ("acknowledged", "Acknowledged"),
                    ("closed", "Closed"),
                    ("withdrawn", "Report withdrawn"),
                ],
                max_length=20,
            ),
        ),
    ]
