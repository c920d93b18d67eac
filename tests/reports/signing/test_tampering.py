"""What raw SQL can do to signed reports: nothing, and where triggers are gone it is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from pacs.accounts.models import User
from reports.models import Report, ReportState, ReportVersion
from reports.signing import services, triggers
from reports.signing.pictures import Picture
from studies import archive
from studies.dicom.payload import Payload
from studies.models import KeyImage, Study

VERSION, REPORT = "reports_reportversion", "reports_report"


def sql(statement: str, *parameters: Any) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def problems() -> list[dict[str, Any]]:
    """What `verify_reports --json` prints; its exit code goes with it."""
    out = StringIO()
    code: Any = 0
    try:
        call_command("verify_reports", "--json", stdout=out)
    except SystemExit as ended:
        code = ended.code
    found = list(json.loads(out.getvalue())["problems"])
    if code != bool(found):
        pytest.fail(f"exit code {code} with {len(found)} problems")
    return found


@pytest.fixture
def signed(draft: Report, radiologist: User) -> Report:
    """Preliminary, final, addendum: three versions."""
    services.sign(draft.pk, radiologist, kind="preliminary", revision=1)
    services.sign(draft.pk, radiologist, kind="final", revision=2)
    report = services.start_addendum(draft.pk, radiologist)
    report.content["sections"][0]["html"] = "<p>Compared with May.</p>"
    report.save()
    services.sign_addendum(draft.pk, radiologist, revision=report.revision)
    report.refresh_from_db()
    return report


REPLACED = (
    f"INSERT OR REPLACE INTO {VERSION} SELECT id, number, kind, '{{}}', content_sha256,"
    " previous_sha256, chain_sha256, signed_at, verification, 'other words', cosigner_id,"
    f" report_id, signer_id FROM {VERSION}"
)


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {VERSION} SET content = '{{}}'",
        f"UPDATE {VERSION} SET text = 'other words' WHERE number = 1",
        f"UPDATE {VERSION} SET signer_id = signer_id",
        f"DELETE FROM {VERSION}",
        f"DELETE FROM {VERSION} WHERE number = 3",
        REPLACED,
        f"UPDATE {REPORT} SET state = 'draft'",
        f"UPDATE {REPORT} SET state = 'preliminary'",
        f"UPDATE {REPORT} SET state = 'final'",
        f"DELETE FROM {REPORT}",
        f"INSERT OR REPLACE INTO {REPORT} SELECT * FROM {REPORT}",
    ],
)
def test_raw_sql_is_refused(signed: Report, statement: str) -> None:
    columns = [field.column for field in ReportVersion._meta.concrete_fields]
    assert len(columns) == 13
    with pytest.raises(DatabaseError, match=r"never change|does not become unsigned"):
        sql(statement)
    assert problems() == []


def test_the_orm_is_refused(signed: Report) -> None:
    version = signed.versions.get(number=1)
    version.text = "other words"
    for change in (version.save, version.delete, signed.delete):
        with pytest.raises((DatabaseError, Exception)), transaction.atomic():
            change()
    assert problems() == []


def test_withdrawn_stays_withdrawn(signed: Report, radiologist: User) -> None:
    services.withdraw(signed.pk, radiologist, "Wrong patient")
    for state in ReportState.values:
        if state != ReportState.WITHDRAWN:
            with pytest.raises(DatabaseError, match="unsigned"):
                sql(f"UPDATE {REPORT} SET state = %s", state)
    assert problems() == []


@pytest.fixture
def without_triggers(signed: Report) -> Any:
    for guard in triggers.GUARDS:
        guard.remove(connection)
    # The database of a test is rolled back, and the triggers are there again.
    return signed


def codes(found: list[dict[str, Any]], *, version: int | None = None) -> set[str]:
    return {each["code"] for each in found if version is None or each["version"] == version} - {
        "trigger"
    }


def test_missing_triggers_are_named(without_triggers: Report) -> None:
    assert {each["code"] for each in problems()} == {"trigger"}
    triggers.after_migrate(None, using="default")
    assert problems() == []


@pytest.mark.parametrize(
    ("statement", "code", "version"),
    [
        (
            f"UPDATE {VERSION} SET content = json_set(content, '$.title', 'x') WHERE number = 2",
            "content",
            2,
        ),
        (f"UPDATE {VERSION} SET text = 'x' WHERE number = 1", "column", 1),
        (f"UPDATE {VERSION} SET signed_at = '2020-01-01 00:00:00' WHERE number = 3", "time", 3),
        (f"UPDATE {VERSION} SET kind = 'final' WHERE number = 1", "column", 1),
        (f"UPDATE {VERSION} SET previous_sha256 = 'a' WHERE number = 2", "chain", 2),
        (f"DELETE FROM {VERSION} WHERE number = 2", "gap", 3),
        (f"DELETE FROM {VERSION} WHERE number = 3", "missing", 3),
        (f"DELETE FROM {VERSION} WHERE number = 3", "state", 0),
        (f"UPDATE {REPORT} SET state = 'final'", "state", 0),
    ],
)
def test_it_is_found(without_triggers: Report, statement: str, code: str, version: int) -> None:
    sql(statement)
    assert code in codes(problems(), version=version)


def test_a_forged_chain_is_found_by_the_trail(without_triggers: Report) -> None:
    """Somebody who changes the last version and computes its hashes anew."""
    from reports.document import chain_hash, content_hash

    version = without_triggers.versions.get(number=3)
    version.content["title"] = "other words"
    version.content_sha256 = content_hash(version.content)
    version.chain_sha256 = chain_hash(version.previous_sha256, version.content_sha256)
    version.save()
    assert codes(problems(), version=3) == {"trail"}


def test_a_version_of_another_report_is_found(
    without_triggers: Report, radiologist: User, site: Any, make_study: Any, draft_of: Any
) -> None:
    other = draft_of(make_study(site), radiologist)
    services.sign(other.pk, radiologist, kind="final", revision=1)
    mine, theirs = signed_rows(without_triggers), signed_rows(other)
    sql(f"UPDATE {VERSION} SET number = 99 WHERE id = %s", theirs[0])
    sql(
        f"UPDATE {VERSION} SET report_id = %s, number = 4 WHERE id = %s",
        without_triggers.pk,
        theirs[0],
    )
    assert len(mine) == 3
    assert {"column", "chain"} <= codes(problems(), version=4)


def signed_rows(report: Report) -> list[int]:
    return list(report.versions.order_by("number").values_list("pk", flat=True))


def test_a_picture_that_is_gone_or_other_is_found(
    study: Study,
    radiologist: User,
    draft_of: Callable[..., Report],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key_image = KeyImage.objects.create(
        study=study, series_instance_uid="1.2", sop_instance_uid="1.2.3", author=radiologist
    )
    payload = Payload.from_bytes(b"\x89PNG picture")
    key = archive.put(payload, site_id=study.site_id, sha256=payload.sha256)
    monkeypatch.setattr(
        services.steps.key_pictures,
        "make",
        lambda *args, **options: {
            str(key_image.pk): Picture(key_image, payload.sha256, key, key_image.changed_at, None)
        },
    )
    report = draft_of(study, radiologist)
    report.content["key_images"] = [{"id": str(key_image.pk), "caption": "Nodule"}]
    report.save()
    version = services.sign(report.pk, radiologist, kind="final", revision=1)
    assert version.content["key_images"][0]["sha256"] == payload.sha256
    assert problems() == []
    path = Path(archive.local_path(key))
    path.chmod(0o600)
    path.write_bytes(b"other")
    assert codes(problems()) == {"picture"}
    path.unlink()
    assert codes(problems()) == {"picture"}
