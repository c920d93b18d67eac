"""Bulk-loads studies for the worklist's measurement: `python -m benchmarks.fill COUNT SITE`."""

from __future__ import annotations

import random
import sys
from datetime import timedelta

import django

django.setup()

from django.utils import timezone  # noqa: E402

from pacs.accounts.models import Site  # noqa: E402
from studies.dicom.charset import search_key  # noqa: E402
from studies.models import Arrival, Patient, ReadingState, Study  # noqa: E402

LAST = (
    "Meyer",
    "Okafor",
    "Nguyen",
    "García",
    "Rossi",
    "Novák",
    "Yamada",
    "Müller",
    "Kowalski",
    "Haddad",
)
FIRST = ("Anna", "Ben", "Clara", "David", "Elif", "Farid", "Grace", "Hugo", "Inès", "Jan")
KINDS = (("CT", "CT chest"), ("MR", "MR knee left"), ("CR", "Chest PA"), ("US", "US abdomen"))


def fill(count: int, site: Site, first: int = 0) -> None:
    """`count` studies over three years; one in fifty is unread, one in a thousand STAT.

    Their numbers begin at `first`.
    """
    dice = random.Random(20)
    now = timezone.now()
    for start in range(0, count, 5000):
        numbers = range(first + start, first + min(start + 5000, count))
        patients = Patient.objects.bulk_create(
            Patient(
                site=site,
                patient_id=f"B{n:07d}",
                patient_name=f"{dice.choice(LAST)}^{dice.choice(FIRST)}",
            )
            for n in numbers
        )
        studies = []
        for n, patient in zip(numbers, patients, strict=True):
            modality, description = dice.choice(KINDS)
            at = now - timedelta(minutes=dice.randrange(3 * 365 * 1440))
            studies.append(
                Study(
                    site=site,
                    patient_ref=patient,
                    study_instance_uid=f"2.25.{10**20 + n}",
                    study_date=f"{at:%Y%m%d}",
                    study_time=f"{at:%H%M%S}",
                    study_day=at.date(),
                    accession_number=f"A{n:07d}",
                    study_description=description,
                    modalities=modality,
                    patient_name=patient.patient_name,
                    patient_id=patient.patient_id,
                    patient_sex=dice.choice("FM"),
                    patient_age=f"{dice.randrange(1, 95):03d}Y",
                    search_text=search_key(
                        f"{patient.patient_name.replace('^', ' ')} {patient.patient_id}"
                        f" A{n:07d} {description}"
                    ),
                    number_of_series=2,
                    number_of_instances=dice.randrange(1, 900),
                    arrival=Arrival.COMPLETE,
                    reading_state=ReadingState.UNREAD if n % 50 == 0 else ReadingState.FINAL,
                    priority=0 if n % 1000 == 0 else 2,
                    received_at=at,
                    last_received_at=at,
                    quiet_at=at,
                )
            )
        Study.objects.bulk_create(studies, batch_size=1000)


if __name__ == "__main__":
    fill(int(sys.argv[1]), Site.objects.get(slug=sys.argv[2]))
