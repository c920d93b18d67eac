"""Documents and requests that tests of drafts share."""

from __future__ import annotations

from typing import Any

from django.test import Client

from reports import document

JSON = "application/json"


def written(text: str = "", *, section: str = "findings", **changes: Any) -> dict[str, Any]:
    """A document with `text` in one section."""
    content = {**document.empty("CT chest"), **changes}
    for each in content["sections"]:
        if each["key"] == section and text:
            each["html"] = f"<p>{text}</p>"
    return content


def opened(client: Client, study: Any) -> dict[str, Any]:
    """`POST /api/studies/<id>/report/`."""
    answer = client.post(f"/api/studies/{study.pk}/report/")
    assert answer.status_code == 200, answer.content
    return answer.json()


def put(client: Client, report: int, content: Any, revision: Any, **headers: str) -> Any:
    """`PUT /api/reports/<id>/draft/`."""
    body = {"content": content, "revision": revision}
    return client.put(f"/api/reports/{report}/draft/", body, JSON, headers=headers)


def html_of(content: dict[str, Any], section: str = "findings") -> str:
    return str(next(each["html"] for each in content["sections"] if each["key"] == section))
