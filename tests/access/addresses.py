"""How the addresses of the URLconf are filled in with the rows of the world."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.apps import apps

from studies.displays.questions import LETTERS, QUESTIONS

Values = dict[str, Any]

# What `pk` names, by how the address begins or what stands before it; the first that fits counts.
SUBJECTS = (
    ("studies/<int:pk>/report-templates", "study"),
    ("reports/<int:pk>/write", "study"),
    ("worklist/row/", "study"),
    ("worklist/saved/", "saved_filter"),
    ("patients/", "patient"),
    ("quarantine/", "quarantined"),
    ("hanging/", "hanging"),
    ("preferences/viewer/windows/", "own_window"),
    ("corrections/proposals/", "proposal"),
    ("corrections/", "correction"),
    ("retention/sites/", "site"),
    ("retention/proposals/", "deletion_proposal"),
    ("sends/", "send"),
    ("api/orders/", "order"),
    ("reports/versions/", "version"),
    ("reports/key-images/", "key_image"),
    ("fhir/DiagnosticReport/", "report"),
    ("fhir/ImagingStudy/", "study"),
    ("fhir/Binary/", "version"),
    ("report-templates/", "template"),
    ("reports/templates/", "template"),
    ("reports/macros/", "macro"),
    ("attachments/<uuid:pk>", "attachment"),
    ("deliveries/<int:pk>", "delivery"),
    ("critical/<int:pk>", "critical"),
    ("critical-results/", "critical"),
    ("images/<int:pk>", "instance"),
    ("scans/", "scan"),
    ("studies/<int:pk>", "study"),
    ("reports/<int:pk>", "report"),
    ("agents/<int:pk>", "agent"),
    ("admin/agents/agent/<int:pk>", "agent"),
    ("admin/reports/reporttemplate/<int:pk>", "template"),
    ("admin/reports/letterhead/<int:pk>", "site"),
)
ACTIONS = {
    "sends/": ("cancel", "retry"),
    "hanging/": ("rename", "rules", "up", "down", "remove"),
    "deliveries/": ("cancel", "retry"),
    "quarantine/": ("retry", "accept", "discard", "take-back", "tell"),
}
ADMIN_ROW = re.compile(r"admin/(\w+)/(\w+)/<(?:path:object_id|id)>/")


def spelled(route: str) -> list[str]:
    """The route once for each word that `<str:action>` may be."""
    if "<str:action>" not in route:
        return [route]
    words = next(words for start, words in ACTIONS.items() if route.startswith(start))
    return [route.replace("<str:action>", word) for word in words]


def filled(route: str, values: Values) -> str:
    """The address of a row of the world."""
    if found := ADMIN_ROW.match(route):
        row: Any = apps.get_model(found[1], found[2])._default_manager.first()
        subject = row.pk if row is not None else 999_999_999
    else:
        key = next((key for start, key in SUBJECTS if start in route), "study")
        subject = values[key]
    path = route
    for part, value in {
        "<int:pk>": subject,
        "<uuid:pk>": subject,
        "<path:object_id>": subject,
        "<id>": subject,
        "<int:cid>": values["command"],
        "<int:prior>": values["prior"],
        "<int:seq>": 1,
        "<str:token>": values["verification"],
        "<str:sha256>": "0" * 64,
        "<str:name>": "volumes",
        "<str:kind>": "report",
        "<str:uid>": "1.2.3.4",
        "<int:number>": values["version"],
        "<uuid:annotation>": values["measurement" if "measurements" in route else "key_image"],
        "<path:content_type_id>": 1,
        r"^(?P<app_label>audit|accounts|studies|reports|agents)/$": "studies/",
        r"(?P<url>.*)$": "no-such-page/",
    }.items():
        path = path.replace(part, str(value))
    query = QUERIES.get(route)
    return f"/{path}" + (f"?{query(values)}" if query else "")


QUERIES: dict[str, Callable[[Values], str]] = {
    "api/macros/": lambda v: f"study={v['study']}",
    "api/report-templates/<int:pk>/start/": lambda v: f"study={v['study']}",
}
IMAGE = {"series_instance_uid": "1.2.3", "sop_instance_uid": "1.2.3.1", "frame": 1}
# Bodies of what says 400 before it looks who asks, so that the answer is about the person.
BODIES: dict[str, Callable[[Values], Any]] = {
    "PUT api/studies/<int:pk>/measurements/<uuid:annotation>/": lambda v: (
        IMAGE
        | {
            "tool": "length",
            "points": [[0, 0], [3, 4]],
            "values": [{"name": "length", "value": 5, "unit": "px"}],
        }
    ),
    "PUT api/studies/<int:pk>/key-images/<uuid:annotation>/": lambda v: (
        IMAGE | {"caption": "Here."}
    ),
    "PUT api/reports/<int:pk>/draft/": lambda v: {"revision": 1, "content": v["draft"]},
    "POST worklist/saved/": lambda v: {"name": "Mine"},
    "POST hanging/<int:pk>/rename/": lambda v: {"name": "Ours as well"},
    "POST hanging/<int:pk>/rules/": lambda v: {"rules": '{"layout": "1x1", "cells": [null]}'},
    "POST api/hanging-protocols/": lambda v: {
        "name": "Mine",
        "rules": {"layout": "1x1", "cells": [None]},
    },
    "POST display-check/": lambda v: {
        **dict.fromkeys(QUESTIONS, "yes"),
        **dict.fromkeys(LETTERS, "14"),
        **{"workstation": "Left", "width": "1920", "height": "1080", "ratio": "1"},
    },
    "PUT api/preferences/viewer/": lambda v: {"keys": {"invert": ["A"]}, "buttons": {}},
    "POST api/preferences/viewer/windows/": lambda v: {
        "modality": "CT",
        "unit": "HU",
        "name": "Mine",
        "center": 40,
        "width": 400,
    },
    "POST api/studies/<int:pk>/pictures/": lambda v: {
        "sop_instance_uid": "1.2.3.1",
        "form": "png",
        "deidentified": False,
    },
    "POST api/studies/together/": lambda v: {
        "studies": [v["study"]],
        "do": "priority",
        "priority": 0,
    },
    "POST api/sends/": lambda v: {"study": v["study"], "destination": v["destination"]},
    "POST api/reports/<int:pk>/deliveries/": lambda v: {"place": f"orthanc:{v['server']}"},
    "POST api/critical-results/": lambda v: {"study": v["study"], "finding": "x", "level": 0},
    "POST api/local-command": lambda v: {"agentId": v["agent"], "command": "ping"},
    "POST api/local-agent/command": lambda v: {"agentId": v["agent"], "command": "ping"},
    "POST api/agents/<int:pk>/commands/": lambda v: {"command": "ping"},
    "POST agents/<int:pk>/command/": lambda v: {"command": "ping", "key": "a"},
    "POST api/studies/<int:pk>/priority/": lambda v: {"priority": "stat"},
    "POST api/orders/<int:pk>/link/": lambda v: {"study": v["study"]},
    "POST studies/<int:pk>/send/": lambda v: {"destination": v["destination"]},
}
