"""Hanging protocols that every installation has. They stand behind those of people and sites."""

from __future__ import annotations

from typing import Any

PROJECTIONS = ["CR", "DX"]
FRONTAL = ["PA", "AP"]
LATERAL = ["LAT", "LL", "RL", "LATERAL"]
CHEST = ["CHEST", "THORAX", "LUNG"]
BRAIN = ["BRAIN", "HEAD", "SKULL"]

LUNG = {"center": -600, "width": 1500}
SOFT = {"center": 40, "width": 400}
BONE = {"center": 480, "width": 2500}


def _breast(view: str, laterality: str, *, prior: bool = False) -> dict[str, Any]:
    """The right breast on the left of the screen, chest walls towards each other."""
    cell: dict[str, Any] = {
        "series": {"modality": ["MG"]},
        "image": {"view": [view], "laterality": laterality},
        "facing": "right" if laterality == "R" else "left",
    }
    return cell | {"study": "prior"} if prior else cell


def _chest(views: list[str], *, prior: bool = False) -> dict[str, Any]:
    cell: dict[str, Any] = {"series": {"modality": PROJECTIONS}, "image": {"view": views}}
    return cell | {"study": "prior"} if prior else cell


def _head(words: list[str], *without: str) -> dict[str, Any]:
    series: dict[str, Any] = {"modality": ["MR"], "description": words}
    if without:
        series["without"] = list(without)
    return {"series": series, "image": {"place": "middle"}}


_FIRST_US: dict[str, Any] = {"series": {"modality": ["US"]}, "image": {"at": 1}}

BUILT_IN: dict[str, tuple[str, dict[str, Any]]] = {
    "mg-4-view-prior": (
        "Mammography, 4 views with prior",
        {
            "match": {"modality": ["MG"], "images": 4, "priors": 1},
            "layout": "2x4",
            "cells": [
                _breast("CC", "R"),
                _breast("CC", "L"),
                _breast("CC", "R", prior=True),
                _breast("CC", "L", prior=True),
                _breast("MLO", "R"),
                _breast("MLO", "L"),
                _breast("MLO", "R", prior=True),
                _breast("MLO", "L", prior=True),
            ],
        },
    ),
    "mg-4-view": (
        "Mammography, 4 views",
        {
            "match": {"modality": ["MG"], "images": 4},
            "layout": "2x2",
            "cells": [
                _breast("CC", "R"),
                _breast("CC", "L"),
                _breast("MLO", "R"),
                _breast("MLO", "L"),
            ],
        },
    ),
    "cr-chest-prior": (
        "Chest, frontal and lateral with prior",
        {
            "match": {"modality": PROJECTIONS, "bodyPart": CHEST, "images": 2, "priors": 1},
            "layout": "2x2",
            "cells": [
                _chest(FRONTAL),
                _chest(FRONTAL, prior=True),
                _chest(LATERAL),
                _chest(LATERAL, prior=True),
            ],
        },
    ),
    "cr-chest": (
        "Chest, frontal and lateral",
        {
            "match": {"modality": PROJECTIONS, "bodyPart": CHEST, "images": 2},
            "layout": "1x2",
            "cells": [_chest(FRONTAL), _chest(LATERAL)],
        },
    ),
    "ct-prior": (
        "CT with prior, linked",
        {
            "match": {"modality": ["CT"], "images": 20, "priors": 1},
            "layout": "1x2",
            "cells": [
                {"series": {"modality": ["CT"], "images": 5}, "image": {"place": "middle"}},
                {
                    "study": "prior",
                    "series": {"modality": ["CT"], "images": 5},
                    "image": {"place": "middle"},
                },
            ],
            "link": ["scroll", "window"],
        },
    ),
    "ct-three-windows": (
        "CT chest, three windows",
        {
            "match": {"modality": ["CT"], "bodyPart": CHEST, "images": 20},
            "layout": "1x3",
            "cells": [
                {
                    "series": {"modality": ["CT"], "images": 5},
                    "image": {"place": "middle"},
                    "window": SOFT,
                },
                {"same": 1, "image": {"place": "middle"}, "window": LUNG},
                {"same": 1, "image": {"place": "middle"}, "window": BONE},
            ],
            "link": ["scroll", "view"],
        },
    ),
    "mr-brain": (
        "MR brain",
        {
            "match": {"modality": ["MR"], "bodyPart": BRAIN, "images": 20},
            "layout": "2x2",
            "cells": [
                _head(["t2"], "flair"),
                _head(["flair"]),
                _head(["dwi", "diff", "trace"], "adc"),
                _head(["t1"]),
            ],
            "link": ["scroll", "lines"],
        },
    ),
    "us": (
        "Ultrasound, first four images",
        {
            "match": {"modality": ["US"], "images": 4},
            "layout": "2x2",
            "cells": [_FIRST_US, *({"same": 1, "image": {"at": at}} for at in (2, 3, 4))],
        },
    ),
}
