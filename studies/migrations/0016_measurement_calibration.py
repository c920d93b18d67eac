import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("studies", "0015_retention"),
    ]

    operations = [
        migrations.AddField(
            model_name="measurement",
            name="calibration",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="measured_by_it",
                to="studies.measurement",
            ),
        ),
    ]
