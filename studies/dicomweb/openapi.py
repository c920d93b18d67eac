"""The data plane for the OpenAPI description: DICOMweb, WADO-URI and uploads."""

from __future__ import annotations

from typing import Any

from studies.dicomweb.negotiation import DICOM, DICOM_JSON, MULTIPART, OCTET_STREAM, ZIP
from studies.dicomweb.picture_forms import PDF, PICTURES, REPORTS

Schema = dict[str, Any]

BINARY: Schema = {"type": "string", "format": "binary"}
SECURITY: list[Schema] = [{"bearer": []}, {"session": []}]
DATA_SETS: Schema = {"type": "array", "items": {"$ref": "#/components/schemas/DicomJson"}}

SCHEMAS: Schema = {
    "DicomJson": {
        "type": "object",
        "description": "A data set in the DICOM JSON model (PS3.18 F): tag to attribute.",
        "additionalProperties": {
            "type": "object",
            "properties": {"vr": {"type": "string"}},
            "additionalProperties": True,
        },
    },
    "Uploaded": {
        "type": "object",
        "required": ["outcome", "reason", "words", "instance"],
        "properties": {
            "outcome": {"type": "string", "enum": ["stored", "duplicate", "quarantined"]},
            "reason": {"type": ["string", "null"]},
            "words": {"type": "string"},
            "instance": {"type": ["string", "null"], "description": "SOPInstanceUID"},
        },
    },
}


def _text(words: str) -> Schema:
    return {"description": words, "content": {"text/plain": {"schema": {"type": "string"}}}}


PROBLEMS: Schema = {
    "400": _text("The request is malformed."),
    "401": _text("No session and no valid token."),
    "403": _text("Role or token do not allow this."),
    "404": _text("There is no such thing, or it is hidden from you."),
    "406": _text("None of the media types in Accept can be made of this."),
    "503": _text("The server is busy: try again, as Retry-After says."),
}
STORE_PROBLEMS: Schema = {
    **PROBLEMS,
    "408": _text("The body came too slowly."),
    "413": _text("The file is larger than this server takes."),
    "415": _text("This address does not take that Content-Type."),
}


def _content(*media_types: str, schema: Schema | None = None) -> Schema:
    return {media_type: {"schema": schema or BINARY} for media_type in media_types}


def _uid(name: str) -> Schema:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9.]{1,64}$"},
    }


def _query(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema}


UIDS = {name: _uid(name) for name in ("study", "series", "instance")}
FRAMES: Schema = {
    "name": "frames",
    "in": "path",
    "required": True,
    "description": "Numbers from 1, separated by commas.",
    "schema": {"type": "string", "pattern": "^[1-9][0-9]{0,4}(,[1-9][0-9]{0,4}){0,5}$"},
}
SEARCHING = [
    _query("limit", {"type": "integer", "minimum": 0, "maximum": 1000}),
    _query("offset", {"type": "integer", "minimum": 0, "maximum": 100000}),
    _query("includefield", {"type": "string", "enum": ["all", "StudyDescription", "00081030"]}),
    _query("fuzzymatching", {"type": "string", "enum": ["true", "false"]}),
    _query("PatientID", {"type": "string", "maxLength": 64}),
    _query("PatientName", {"type": "string", "maxLength": 64}),
]
RENDERING = [
    _query("window", {"type": "string", "description": "centre,width,function"}),
    _query("viewport", {"type": "string", "description": "width,height,..."}),
    _query("quality", {"type": "integer", "minimum": 1, "maximum": 100}),
]


def _get(name: str, words: str, content: Schema, parameters: list[Schema], **more: Any) -> Schema:
    return {
        "operationId": name,
        "tags": ["dicom-web"],
        "summary": words,
        "security": SECURITY,
        "parameters": parameters,
        "responses": {"200": {"description": words, "content": content}, **more, **PROBLEMS},
    }


NOT_MODIFIED: Schema = {"304": {"description": "What If-None-Match names is still right."}}
RANGED: Schema = {
    "206": {"description": "The bytes that Range names.", "content": _content("*/*")},
    "416": _text("The range lies outside."),
    **NOT_MODIFIED,
}


def _search(name: str, parameters: list[Schema]) -> Schema:
    content = _content(DICOM_JSON, "application/json", schema=DATA_SETS)
    return _get(f"search_{name}", "Search (QIDO-RS)", content, [*parameters, *SEARCHING])


def _store(name: str, parameters: list[Schema]) -> Schema:
    stored = {"schema": {"$ref": "#/components/schemas/DicomJson"}}
    answer = {DICOM_JSON: stored, "application/json": stored}
    return {
        "operationId": name,
        "tags": ["dicom-web"],
        "summary": "Store instances (STOW-RS)",
        "security": SECURITY,
        "parameters": parameters,
        "requestBody": {"required": True, "content": _content(MULTIPART, DICOM)},
        "responses": {
            "200": {"description": "All are stored.", "content": answer},
            "202": {"description": "Some are stored, or with a warning.", "content": answer},
            "409": {"description": "None is stored.", "content": answer},
            **STORE_PROBLEMS,
        },
    }


def _paths() -> Schema:
    study, series, instance = UIDS["study"], UIDS["series"], UIDS["instance"]
    root = "/dicom-web"
    levels = {
        "study": (f"{root}/studies/{{study}}", [study]),
        "series": (f"{root}/studies/{{study}}/series/{{series}}", [study, series]),
        "instance": (
            f"{root}/studies/{{study}}/series/{{series}}/instances/{{instance}}",
            [study, series, instance],
        ),
    }
    at_study, at_series, at_instance = (levels[level][0] for level in levels)
    paths: Schema = {
        f"{root}/": {
            "get": _get(
                "capabilities",
                "What the service can do",
                _content("application/json", schema={"type": "object"}),
                [],
            )
        },
        f"{root}/studies": {
            "get": _search("studies", []),
            "post": _store("store", []),
        },
        f"{root}/series": {"get": _search("series", [])},
        f"{root}/instances": {"get": _search("instances", [])},
        f"{at_study}/series": {"get": _search("series_of_study", [study])},
        f"{at_study}/instances": {"get": _search("instances_of_study", [study])},
        f"{at_series}/instances": {"get": _search("instances_of_series", [study, series])},
    }
    for level, (path, parameters) in levels.items():
        files = _content(MULTIPART, ZIP, DICOM) if level == "instance" else _content(MULTIPART, ZIP)
        paths[path] = {"get": _get(f"retrieve_{level}", "Instances", files, parameters, **RANGED)}
        paths[f"{path}/metadata"] = {
            "get": _get(
                f"retrieve_{level}_metadata",
                "Metadata",
                _content(DICOM_JSON, "application/json", schema=DATA_SETS),
                parameters,
                **NOT_MODIFIED,
            )
        }
        pictures = _content(*PICTURES, PDF, *REPORTS, MULTIPART)
        paths[f"{path}/rendered"] = {
            "get": _get(
                f"render_{level}", "Pictures", pictures, [*parameters, *RENDERING], **NOT_MODIFIED
            )
        }
        paths[f"{path}/thumbnail"] = {
            "get": _get(
                f"thumbnail_of_{level}",
                "A small picture",
                _content(*PICTURES),
                parameters,
                **NOT_MODIFIED,
            )
        }
    paths[at_study]["post"] = _store("store_in_study", [study])
    one = [study, series, instance]
    paths[f"{at_instance}/frames/{{frames}}"] = {
        "get": _get(
            "retrieve_frames",
            "Frames",
            _content(MULTIPART, OCTET_STREAM, "image/*"),
            [*one, FRAMES],
            **RANGED,
        )
    }
    paths[f"{at_instance}/bulkdata/{{path}}"] = {
        "get": _get(
            "retrieve_bulkdata",
            "The value of an attribute",
            _content(MULTIPART, OCTET_STREAM, "*/*"),
            [
                *one,
                {
                    "name": "path",
                    "in": "path",
                    "required": True,
                    "schema": {"type": "string", "pattern": "^[0-9A-F]{8}$"},
                },
            ],
            **RANGED,
        )
    }
    paths["/wado"] = {
        "get": _get(
            "wado_uri",
            "One object (WADO-URI, PS3.18 9)",
            _content(DICOM, *PICTURES, PDF, *REPORTS),
            [
                {**_query("requestType", {"type": "string", "enum": ["WADO"]}), "required": True},
                *(
                    {**one_uid, "name": name, "in": "query"}
                    for name, one_uid in zip(
                        ("studyUID", "seriesUID", "objectUID"), UIDS.values(), strict=True
                    )
                ),
                _query(
                    "contentType", {"type": "string", "enum": [DICOM, *PICTURES, PDF, *REPORTS]}
                ),
            ],
            **RANGED,
        )
    }
    uploaded = {"application/json": {"schema": {"$ref": "#/components/schemas/Uploaded"}}}
    paths["/api/dicom/upload"] = {
        "post": {
            "operationId": "upload",
            "tags": ["api"],
            "summary": "Store one DICOM file",
            "security": SECURITY,
            "parameters": [
                {
                    "name": "X-Content-SHA256",
                    "in": "header",
                    "required": False,
                    "schema": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"},
                },
                {
                    "name": "X-Lightbox-Site",
                    "in": "header",
                    "required": False,
                    "description": "Short name of the site, where you store at several.",
                    "schema": {"type": "string", "pattern": "^[-a-zA-Z0-9_]{1,60}$"},
                },
                {
                    "name": "X-Lightbox-As-Prior",
                    "in": "header",
                    "required": False,
                    "description": "1: a study that is new with this file needs no reading.",
                    "schema": {"type": "string", "enum": ["0", "1"], "default": "0"},
                },
            ],
            "requestBody": {"required": True, "content": _content(DICOM)},
            "responses": {
                "201": {"description": "Stored.", "content": uploaded},
                "200": {"description": "It was there already.", "content": uploaded},
                "202": {"description": "In quarantine, with the reason.", "content": uploaded},
                **{status: STORE_PROBLEMS[status] for status in STORE_PROBLEMS if status != "406"},
            },
        }
    }
    return paths


PATHS = _paths()
