"""Who is telling a critical result now, and until when, so that it is told once."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reports", "0030_signing")]

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
    ]
