"""`GET /dicom-web/`: what this service can do (PS3.18 8.9), as JSON, told by the code itself."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from pacs.accounts.models import Site
from pacs.accounts.principal import Principal
from studies.dicom.pixels.rendering import MAX_PIXELS, MAX_SIDE
from studies.dicomweb.authority import dicomweb_root
from studies.dicomweb.errors import NotFoundError
from studies.dicomweb.negotiation import (
    DICOM,
    DICOM_JSON,
    MADE,
    MEDIA_TYPES,
    MULTIPART,
    OCTET_STREAM,
    ZIP,
)
from studies.dicomweb.picture_forms import PDFS, PICTURES, REPORTS, THUMBNAILS
from studies.dicomweb.search.keys import BY_KEYWORD, Level
from studies.dicomweb.search.parse import MAX_PARAMETERS, MAX_RESULTS
from studies.dicomweb.stow import MAX_PARTS

STUDY = "/studies/{study}"
SERIES = f"{STUDY}/series/{{series}}"
INSTANCE = f"{SERIES}/instances/{{instance}}"
FRAMES = f"{INSTANCE}/frames/{{frames}}"
FILES = [f'{MULTIPART}; type="{DICOM}"', ZIP]
JSON = [DICOM_JSON, "application/json"]
PICTURE_TYPES = list(PICTURES)
DOCUMENT_TYPES = [*PDFS, *REPORTS]
THUMBNAIL_TYPES = list(THUMBNAILS)
STORED = [DICOM, f'{MULTIPART}; type="{DICOM}"', f'{MULTIPART}; type="{DICOM_JSON}"']
RENDERING = ["accept", "annotation", "iccprofile", "quality", "viewport", "window"]


def _resource(path: str, get: str, media_types: list[str], **more: Any) -> dict[str, Any]:
    return {"path": path, "methods": {"GET": {"transaction": get, "accept": media_types, **more}}}


def _searches() -> list[dict[str, Any]]:
    places = {
        "/studies": Level.STUDY,
        "/series": Level.SERIES,
        f"{STUDY}/series": Level.SERIES,
        "/instances": Level.INSTANCE,
        f"{STUDY}/instances": Level.INSTANCE,
        f"{SERIES}/instances": Level.INSTANCE,
    }
    found = []
    for path, level in places.items():
        indexed = sorted(keyword for keyword, key in BY_KEYWORD.items() if key.level <= level)
        found.append(
            _resource(
                path,
                "search",
                JSON,
                parameters=["fuzzymatching", "includefield", "limit", "offset"],
                indexedAttributes=indexed,
                otherAttributes=True,
            )
        )
    return found


def _resources() -> list[dict[str, Any]]:
    found = _searches()
    found[0]["methods"]["POST"] = {"transaction": "store", "contentTypes": STORED, "answer": JSON}
    study = _resource(STUDY, "retrieve", FILES)
    study["methods"]["POST"] = found[0]["methods"]["POST"]
    found += [study, _resource(SERIES, "retrieve", FILES)]
    found.append(_resource(INSTANCE, "retrieve", [*FILES, DICOM]))
    for path in (STUDY, SERIES, INSTANCE):
        found.append(_resource(f"{path}/metadata", "retrieve metadata", JSON))
        pictures = [*PICTURE_TYPES, *DOCUMENT_TYPES] if path == INSTANCE else PICTURE_TYPES
        found.append(
            _resource(f"{path}/rendered", "retrieve rendered", pictures, parameters=RENDERING)
        )
        found.append(
            _resource(f"{path}/thumbnail", "thumbnail", THUMBNAIL_TYPES, parameters=["viewport"])
        )
    frames = sorted({OCTET_STREAM, *MEDIA_TYPES.values()})
    found += [
        _resource(FRAMES, "retrieve frames", frames, multipart=True, byteRanges=True),
        _resource(f"{FRAMES}/rendered", "retrieve rendered", PICTURE_TYPES, parameters=RENDERING),
        _resource(f"{FRAMES}/thumbnail", "thumbnail", THUMBNAIL_TYPES, parameters=["viewport"]),
        _resource(f"{INSTANCE}/bulkdata/{{path}}", "retrieve bulkdata", [OCTET_STREAM, "*/*"]),
    ]
    return found


def describe(principal: Principal, slug: str | None) -> dict[str, Any]:
    """The capabilities of the whole service, or of one site's. NotFoundError for a hidden site."""
    if slug is None:
        root = f"{settings.PUBLIC_URL.rstrip('/')}/dicom-web"
    else:
        site = Site.objects.filter(slug=slug).first()
        if site is None or not (principal.is_superuser or site.pk in principal.sites):
            raise NotFoundError
        root = dicomweb_root(slug)
    return {
        "name": "Lightbox PACS",
        "standard": "DICOM PS3.18",
        "root": root,
        "authentication": ["Bearer", "Basic with the token as password", "session"],
        "characterSets": ["utf-8"],
        "transferSyntaxes": {
            "stored": "all of PS3.6 that a file may have",
            "sentAsStored": True,
            "madeOnRequest": sorted(MADE),
        },
        "limits": {
            "instanceBytes": settings.MAX_INSTANCE_BYTES,
            "searchResults": MAX_RESULTS,
            "searchParameters": MAX_PARAMETERS,
            "storeParts": MAX_PARTS,
            "renderedSide": MAX_SIDE,
            "renderedPixels": MAX_PIXELS,
        },
        "resources": _resources(),
        "wadoUri": {"path": f"{root}/wado", "accept": [DICOM, *PICTURE_TYPES, *DOCUMENT_TYPES]},
    }
