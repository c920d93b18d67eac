"""WADO-URI: one object by parameters in the query (PS3.18 9).

Served are DICOM files, pictures, the PDF of encapsulated documents, and structured reports as text.
Nothing is anonymised here: a request for it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from studies.dicom.structured.classes import is_report
from studies.dicomweb import encapsulated, pictures, rendering_parameters
from studies.dicomweb.authority import Authority, Identity, StudyRef
from studies.dicomweb.errors import BadRequestError, NotFoundError
from studies.dicomweb.exchange import Exchange
from studies.dicomweb.instances import Instances, Location
from studies.dicomweb.negotiation import DICOM
from studies.dicomweb.picture_forms import GIF, PDF, PICTURES, REPORTS, picture_form
from studies.dicomweb.pictures import Picture
from studies.dicomweb.rendered import Rendered
from studies.dicomweb.wado import Wado

UID = re.compile(r"[0-9.]{1,64}")
OBJECT = ("studyUID", "seriesUID", "objectUID")
STATE = ("presentationSeriesUID", "presentationUID")


class WadoUri:
    """Answers `/wado?requestType=WADO&studyUID=...`."""

    def __init__(
        self, authority: Authority, instances: Instances, wado: Wado, rendered: Rendered
    ) -> None:
        self._authority = authority
        self._instances = instances
        self._wado = wado
        self._rendered = rendered

    async def retrieve(self, exchange: Exchange, identity: Identity, site: str | None) -> None:
        """The object in the form that contentType, or else Accept, likes best."""
        values = rendering_parameters.read(exchange.scope.get("query_string", b""))
        _check(values)
        study_uid, series_uid, sop_uid = (values[name] for name in OBJECT)
        study = await self._authority.study(identity, site, study_uid, "study.retrieved")
        location = await self._instances.find(study, series_uid, sop_uid)
        number = _frame_number(values, location)
        accept = values.get("contentType") or exchange.headers.get("accept", "")
        form = picture_form(accept, _offered(location, number), False)
        if form.multipart:
            raise BadRequestError("WADO-URI answers in one part.")
        if form.media_type == DICOM:
            await self._file(exchange, study, values)
        elif form.media_type in {PDF, *REPORTS}:
            await self._rendered.send_document(exchange, location, form.media_type)
        else:
            wanted = rendering_parameters.uri_rendering(values, form.media_type)
            picture = await self._picture(study, location, number, values, form.media_type)
            await self._rendered.send_picture(exchange, picture, wanted, form.media_type)

    async def _file(self, exchange: Exchange, study: StudyRef, values: Mapping[str, str]) -> None:
        """The file as stored, or in the transfer syntax that is named."""
        syntax = values.get("transferSyntax", "*")
        # What WADO-RS says in Accept, WADO-URI says in the query.
        exchange.headers["accept"] = f"{DICOM}; transfer-syntax={syntax}"
        _, series_uid, sop_uid = (values[name] for name in OBJECT)
        await self._wado.instances(exchange, study, series_uid, sop_uid)

    async def _picture(
        self,
        study: StudyRef,
        location: Location,
        number: int | None,
        values: Mapping[str, str],
        media_type: str,
    ) -> Picture:
        if "presentationUID" not in values:
            if number is None and media_type == GIF:
                return pictures.moving(location)
            return Picture(location, (number or 1,))
        state = await self._instances.find(study, *(values[name] for name in STATE))
        if not pictures.is_state(state):
            raise NotFoundError("presentationUID names no presentation state that can be applied.")
        for picture in await self._rendered.of_state(study, state):
            same = picture.location.pk == location.pk
            if same and (number is None or picture.frames == (number,)):
                return picture
        raise NotFoundError("The presentation state is not about this image.")


def _check(values: Mapping[str, str]) -> None:
    """Refuses what is missing or malformed. BadRequestError."""
    if values.get("requestType") != "WADO":
        raise BadRequestError("requestType is WADO.")
    for name in OBJECT:
        if UID.fullmatch(values.get(name, "")) is None:
            raise BadRequestError(f"{name} is a UID: digits and dots, at most 64.")
    given = [name for name in STATE if name in values]
    if given and len(given) < len(STATE):
        raise BadRequestError("presentationUID and presentationSeriesUID come together.")
    for name in given:
        if UID.fullmatch(values[name]) is None:
            raise BadRequestError(f"{name} is a UID: digits and dots, at most 64.")
    syntax = values.get("transferSyntax", "*")
    if syntax != "*" and UID.fullmatch(syntax) is None:
        raise BadRequestError("transferSyntax is a UID: digits and dots, at most 64.")
    if values.get("anonymize", "no") != "no":
        raise BadRequestError("This server does not anonymise: leave anonymize out.")


def _frame_number(values: Mapping[str, str], location: Location) -> int | None:
    text = values.get("frameNumber")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or int(text) < 1:
        raise BadRequestError("frameNumber is one number from 1.")
    if int(text) > location.number_of_frames:
        raise NotFoundError(f"This instance has {location.number_of_frames} frames.")
    return int(text)


def _offered(location: Location, number: int | None) -> tuple[str, ...]:
    """Media types of an object, its default first (PS3.18 9.4.1.1, table 8.7.4-1)."""
    if location.sop_class_uid == encapsulated.ENCAPSULATED_PDF:
        return (PDF, DICOM)
    if is_report(location.sop_class_uid):
        return (DICOM, *REPORTS)
    if location.number_of_frames == 0:
        return (DICOM,)
    if location.number_of_frames > 1 and number is None:
        return (DICOM, *PICTURES)
    return (*PICTURES, DICOM)
