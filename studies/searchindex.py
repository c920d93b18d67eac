"""What searches need beside plain indexes: text by trigrams, modalities, studies a day.

The database keeps them by triggers. `install` runs after every `migrate`, because a migration that
rebuilds the table of studies on SQLite drops its triggers; where one is missing all are made anew
and filled from the studies.
"""

from __future__ import annotations

import sys
from datetime import date
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.models import F
from django.db.models.expressions import RawSQL

NO_DAY = date(1, 1, 1)
TRIGRAM = 3
MAX_TRIGRAMS = 24
# So many rows are sooner looked up and sorted than met by reading a million in order.
FEW = 10_000
FOLD_ABOVE = 20_000
TABLES = frozenset(
    {
        "studies_study",
        "studies_studymodality",
        "studies_studydaycount",
        "studies_rejectedstudy",
    }
)
NO_TRIGRAMS = (
    "Text searches will be slow: the database role may not create the extension pg_trgm. Have an"
    " administrator run CREATE EXTENSION pg_trgm in this database, then migrate again."
)

_SPLIT = """INSERT INTO studies_studymodality (site_id, modality, sort_day, study_id)
    SELECT DISTINCT {row}.site_id, part.value, {row}.sort_day, {row}.id
    FROM {source}json_each('[' || replace(json_quote({row}.modalities), '/', '","') || ']') AS part
    WHERE part.value <> ''"""
_ADD_DAY = """
    UPDATE studies_studydaycount SET number = number + 1
    WHERE site_id = NEW.site_id AND sort_day = NEW.sort_day;
    INSERT INTO studies_studydaycount (site_id, sort_day, number)
    SELECT NEW.site_id, NEW.sort_day, 1 WHERE NOT EXISTS (
        SELECT 1 FROM studies_studydaycount
        WHERE site_id = NEW.site_id AND sort_day = NEW.sort_day);"""
_LESS_DAY = """
    UPDATE studies_studydaycount SET number = number - 1
    WHERE site_id = OLD.site_id AND sort_day = OLD.sort_day;"""
_ADD_TEXT = """
    INSERT INTO studies_study_text (rowid, search_text) VALUES (NEW.id, NEW.search_text);"""
_LESS_TEXT = """
    INSERT INTO studies_study_text (studies_study_text, rowid, search_text)
    VALUES ('delete', OLD.id, OLD.search_text);"""
_ADD_MODALITIES = f"\n    {_SPLIT.format(row='NEW', source='')};"
_LESS_MODALITIES = "\n    DELETE FROM studies_studymodality WHERE study_id = OLD.id;"

SQLITE_TRIGGERS = {
    "study_search_insert": f"AFTER INSERT ON studies_study BEGIN {_ADD_TEXT}{_ADD_MODALITIES}"
    f"{_ADD_DAY} END",
    "study_search_delete": f"AFTER DELETE ON studies_study BEGIN {_LESS_TEXT}{_LESS_MODALITIES}"
    f"{_LESS_DAY} END",
    "study_search_text": "AFTER UPDATE OF search_text ON studies_study"
    f" WHEN OLD.search_text <> NEW.search_text BEGIN {_LESS_TEXT}{_ADD_TEXT} END",
    "study_search_modalities": "AFTER UPDATE OF modalities, study_day, site_id ON studies_study"
    f" BEGIN {_LESS_MODALITIES}{_ADD_MODALITIES} END",
    "study_search_day": "AFTER UPDATE OF study_day, site_id ON studies_study"
    " WHEN OLD.sort_day <> NEW.sort_day OR OLD.site_id <> NEW.site_id"
    f" BEGIN {_LESS_DAY}{_ADD_DAY} END",
}
# detail=none: documents are found by their trigrams, and looked at again by the query itself.
SQLITE_TEXT = """CREATE VIRTUAL TABLE IF NOT EXISTS studies_study_text USING fts5(
    search_text, content='studies_study', content_rowid='id', tokenize='trigram',
    detail='none', columnsize=0)"""
COUNT_DAYS = """INSERT INTO studies_studydaycount (site_id, sort_day, number)
    SELECT site_id, sort_day, count(*) FROM studies_study
    WHERE id NOT IN (SELECT study_id FROM studies_rejectedstudy) GROUP BY site_id, sort_day"""
SQLITE_FILL = [
    "INSERT INTO studies_study_text (studies_study_text) VALUES ('rebuild')",
    "DELETE FROM studies_studymodality",
    _SPLIT.format(row="s", source="studies_study AS s, "),
    "DELETE FROM studies_studydaycount",
    COUNT_DAYS,
]

POSTGRESQL_FUNCTION = """CREATE OR REPLACE FUNCTION studies_study_search() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    moved boolean := TG_OP <> 'UPDATE';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        moved := OLD.sort_day <> NEW.sort_day OR OLD.site_id <> NEW.site_id;
        IF NOT moved AND OLD.modalities = NEW.modalities THEN
            RETURN NULL;
        END IF;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM studies_studymodality WHERE study_id = OLD.id;
        IF moved THEN
            INSERT INTO studies_studydaycount (site_id, sort_day, number)
            VALUES (OLD.site_id, OLD.sort_day, -1);
        END IF;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO studies_studymodality (site_id, modality, sort_day, study_id)
        SELECT DISTINCT NEW.site_id, part, NEW.sort_day, NEW.id
        FROM unnest(string_to_array(NEW.modalities, '/')) AS part WHERE part <> '';
        IF moved THEN
            INSERT INTO studies_studydaycount (site_id, sort_day, number)
            VALUES (NEW.site_id, NEW.sort_day, 1);
        END IF;
    END IF;
    RETURN NULL;
END $$"""
POSTGRESQL_TRIGGERS = {
    "study_search_rows": "AFTER INSERT OR DELETE ON studies_study"
    " FOR EACH ROW EXECUTE FUNCTION studies_study_search()",
    "study_search_update": "AFTER UPDATE OF modalities, study_day, site_id ON studies_study"
    " FOR EACH ROW EXECUTE FUNCTION studies_study_search()",
}
POSTGRESQL_FILL = [
    "DELETE FROM studies_studymodality",
    """INSERT INTO studies_studymodality (site_id, modality, sort_day, study_id)
    SELECT DISTINCT site_id, part, sort_day, id
    FROM studies_study, unnest(string_to_array(modalities, '/')) AS part WHERE part <> ''""",
    "DELETE FROM studies_studydaycount",
    COUNT_DAYS,
]
POSTGRESQL_TEXT = """CREATE INDEX IF NOT EXISTS study_text ON studies_study
    USING gin (search_text gin_trgm_ops)"""
# One statement: whoever reads meanwhile sees the rows either before or after it.
POSTGRESQL_FOLD = """WITH gone AS (
    DELETE FROM studies_studydaycount WHERE id IN (
        SELECT id FROM studies_studydaycount FOR UPDATE SKIP LOCKED)
    RETURNING site_id, sort_day, number)
INSERT INTO studies_studydaycount (site_id, sort_day, number)
SELECT site_id, sort_day, sum(number) FROM gone GROUP BY site_id, sort_day
HAVING sum(number) <> 0"""


def after_migrate(sender: Any, using: str, **_kwargs: Any) -> None:
    """Receiver of `post_migrate`."""
    connection = connections[using]
    if set(connection.introspection.table_names()) >= TABLES:
        install(connection)


def install(connection: Any) -> None:
    """Make the triggers and fill what they keep, where one is missing. Cheap where none is."""
    sqlite = connection.vendor == "sqlite"
    wanted = SQLITE_TRIGGERS if sqlite else POSTGRESQL_TRIGGERS
    if not sqlite:
        _install_trigrams(connection)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            if sqlite
            else "SELECT tgname FROM pg_trigger WHERE tgrelid = 'studies_study'::regclass"
        )
        if wanted.keys() <= {name for (name,) in cursor.fetchall()}:
            return
        cursor.execute(SQLITE_TEXT if sqlite else POSTGRESQL_FUNCTION)
        for name, rest in wanted.items():
            cursor.execute(
                f"DROP TRIGGER IF EXISTS {name}" + ("" if sqlite else " ON studies_study")
            )
            cursor.execute(f"CREATE TRIGGER {name} {rest}")
        for statement in SQLITE_FILL if sqlite else POSTGRESQL_FILL:
            cursor.execute(statement)


def _install_trigrams(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('study_text') IS NOT NULL")
        if cursor.fetchone()[0]:
            return
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            cursor.execute(POSTGRESQL_TEXT)
    except DatabaseError:
        sys.stderr.write(f"{NO_TRIGRAMS}\n")


def count(study: Any, change: int) -> None:
    """Have searches count a study among those of its day no more (-1), or again (1)."""
    from studies.models import StudyDayCount

    own = {"site_id": study.site_id, "sort_day": study.study_day or NO_DAY}
    connection = connections["default"]
    if connection.vendor == "sqlite" and StudyDayCount.objects.filter(**own).update(
        number=F("number") + change
    ):
        return
    StudyDayCount.objects.create(**own, number=change)


def fold_counts(connection: Any) -> None:
    """Add up the rows of `StudyDayCount`, on PostgreSQL; rows in other hands stay."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(POSTGRESQL_FOLD)


# Text


def trigrams(words: list[str]) -> list[str]:
    """What of these words the index can find, the longest words first."""
    found: dict[str, None] = {}
    for word in sorted(set(words), key=len, reverse=True):
        for start in range(len(word) - TRIGRAM + 1):
            found[word[start : start + TRIGRAM]] = None
    return list(found)[:MAX_TRIGRAMS]


def match_text(words: list[str]) -> str:
    """The words as a query of SQLite's text index; empty where all are shorter than a trigram."""
    return " AND ".join('"{}"'.format(one.replace('"', '""')) for one in trigrams(words))


def text_candidates(words: list[str], at_most: int, connection: Any) -> RawSQL | None:
    """Ids of studies whose `search_text` may hold all `words` (folded), on SQLite: a subquery.

    None where the index cannot help or finds more than `at_most`: then reading studies in the
    order of the list meets matches soon enough. The query still has to compare the text, as
    PostgreSQL does with its own index.
    """
    match = match_text(words)
    if connection.vendor != "sqlite" or not match:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT 1 FROM studies_study_text"
            " WHERE studies_study_text MATCH %s LIMIT %s)",
            [match, at_most + 1],
        )
        if cursor.fetchone()[0] > at_most:
            return None
    return RawSQL(
        "SELECT rowid FROM studies_study_text WHERE studies_study_text MATCH %s",
        [match],
    )
