"""A copy of a study that names nobody, as a ZIP: what can be given of it, and the giving."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import structlog
from django.db.models import F
from pydicom import Dataset

from studies.dicom.deidentify import burned
from studies.dicom.deidentify.copy import NotGiven, head, pixels
from studies.dicom.deidentify.pseudonyms import Pseudonyms
from studies.dicom.errors import GateError
from studies.dicom.header import read_open
from studies.errors import PermanentError
from studies.exports.zipped import Member, zip_pieces
from studies.models import Instance, Study
from studies.services.outgoing import Outgoing, dicom_bytes

log = structlog.get_logger(__name__)

UNREADABLE = "it could not be read"
NOTE = "LEFT-OUT.TXT"


@dataclass(frozen=True, slots=True)
class Assessment:
    """Images that can be given, and how many cannot, by their reason."""

    given: list[Instance]
    left_out: Counter[str]

    @property
    def reasons(self) -> list[tuple[str, int]]:
        return sorted(self.left_out.items())

    @property
    def total(self) -> int:
        return len(self.given) + self.left_out.total()


def images_of(study: Study) -> list[Instance]:
    """The images of a study in the order in which they are read."""
    return list(
        Instance.objects.filter(series__study=study)
        .select_related("series__study")
        .order_by(
            F("series__series_number").asc(nulls_last=True),
            "series_id",
            F("instance_number").asc(nulls_last=True),
            "id",
        )
    )


def assess(study: Study) -> tuple[Assessment, Assessment]:
    """What the headers say, image by image: strictly, and with slices that say nothing."""
    strict, lenient = Assessment([], Counter()), Assessment([], Counter())
    for instance in images_of(study):
        header = _header(instance)
        for silent, found in ((False, strict), (True, lenient)):
            why = UNREADABLE if header is None else burned.why_not(header, silent=silent)
            if why:
                found.left_out[why] += 1
            else:
                found.given.append(instance)
    return strict, lenient


def why_not(instance: Instance, *, silent: bool = False) -> str:
    """Why one image cannot be given without names; "" where it can."""
    header = _header(instance)
    return UNREADABLE if header is None else burned.why_not(header, silent=silent)


def _header(instance: Instance) -> Dataset | None:
    try:
        with dicom_bytes(instance).open() as file:
            return read_open(file, burned.KEYWORDS)[0]
    except (GateError, PermanentError, OSError):
        return None


def archive(assessment: Assessment, *, silent: bool) -> Iterator[bytes]:
    """The ZIP. An image that turns out to name somebody all the same is left out and listed."""
    names = Pseudonyms()
    left_out = Counter(assessment.left_out)
    yield from zip_pieces(_members(assessment.given, names, left_out, silent=silent))


def _members(
    given: list[Instance], names: Pseudonyms, left_out: Counter[str], *, silent: bool
) -> Iterator[Member]:
    series: dict[int, int] = {}
    counts: Counter[int] = Counter()
    for instance in given:
        number = series.setdefault(instance.series_id, len(series) + 1)
        outgoing = dicom_bytes(instance)
        try:
            with outgoing.open() as file:
                made, at = head(file, names, silent=silent)
        except NotGiven as error:
            left_out[error.words] += 1
            continue
        except (GateError, PermanentError):
            log.warning("image not de-identified", instance=instance.pk)
            left_out[UNREADABLE] += 1
            continue
        counts[number] += 1
        name = f"series-{number:03}/{counts[number]:05}.dcm"
        yield Member(name, partial(_pieces, made, at, outgoing))
    text = "".join(
        f"{count} left out: {why}.\r\n" for why, count in sorted(left_out.items()) if count
    )
    if text:
        yield Member(NOTE, partial(iter, [text.encode()]))


def _pieces(made: bytes, at: int, outgoing: Outgoing) -> Iterator[bytes]:
    yield made
    with outgoing.open() as file:
        yield from pixels(file, at)
