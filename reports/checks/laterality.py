"""Left and right: text against header, descriptions and order; findings against impression."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reports.checks.finding import NOTE, WARNING, Finding
from reports.checks.words import Text

LEFT, RIGHT, BOTH = "left", "right", "both"
OTHER = {LEFT: RIGHT, RIGHT: LEFT}
CHECKED = {"technique": "Technique", "findings": "Findings", "impression": "Impression"}

# In descriptions short forms stand for sides; "r/o" and "L4/5" do not.
DESCRIBED = {
    LEFT: re.compile(
        r"\b(?i:left|links|lt|li|linke[nrsm]?)\b(?!-)|(?<![\w/.])L(?![\w/.'’-])", re.UNICODE
    ),
    RIGHT: re.compile(
        r"\b(?i:right|rechts|rt|re|rechte[nrsm]?)\b(?!-)|(?<![\w/.])R(?![\w/.'’-])", re.UNICODE
    ),
}
BILATERAL = re.compile(r"\b(?:bilateral\w*|both|beidseit\w*|beid\w*|bds|bilat)\b", re.IGNORECASE)

WRITTEN = {LEFT: re.compile(r"\b(?:left|lt)\b", re.IGNORECASE)}
WRITTEN[RIGHT] = re.compile(r"\b(?:right|rt)\b", re.IGNORECASE)
WRITTEN_GERMAN = {
    LEFT: re.compile(r"\b(?:links|linke[nrsm]?|linksseitig\w*|li)\b", re.IGNORECASE),
    RIGHT: re.compile(r"\b(?:rechts|rechte[nrsm]?|rechtsseitig\w*|re)\b", re.IGNORECASE),
}

# Left and right that are no sides of the body, or not of the part that was examined.
IDIOMS = re.compile(
    r"\bright[- ]hand(?:ed)?[- ]domina\w+|\bright[- ]handed|\bleft[- ]handed"
    r"|\bright[- ]angle\w*|\bright away\b|\bright (?:after|before|now|at)\b"
    r"|\bleft (?:in (?:place|situ)|when|of (?:the|an?) (?:earlier|previous)|untreated|behind|alone)"
    r"|\b(?:had|have|has|having) left\b"
    r"|\b(?:left|right) (?:ventric\w+|atri\w+|heart|coronary|bundle|anterior descending)"
    r"|\b(?:link|recht)e[nrsm]? (?:ventrikel\w*|vorhof\w*|herz\w*)",
    re.IGNORECASE,
)
# Sentences that may name the other side: comparisons, what was not examined, ways in.
ELSEWHERE = re.compile(
    r"\b(?:compar\w+|contralateral\w*|opposite|other (?:side|\w+)|prior|previous\w*|earlier|last"
    r" (?:year|month|week)\w*|im (?:seiten)?vergleich|seitenvergleich|vergleich\w*|gegenseite"
    r"|kontralateral\w*|vor(?:untersuchung|aufnahme)\w*"
    r"|not (?:imaged|examined|included|covered|scanned|punctured)"
    r"|nicht (?:untersucht|abgebildet|erfasst|mit ?erfasst)"
    r"|access|approach|puncture of|zugang\w*|crossover)\b",
    re.IGNORECASE,
)
NORMAL = re.compile(
    r"\b(?:normal|unremarkable|clear|free|patent|intact|unauffällig\w*|frei|regelrecht\w*"
    r"|normalbefund)\b|^(?:no|kein\w*|ohne)\b|\bno (?:left|right)|\b(?:links|rechts) keine?\b",
    re.IGNORECASE,
)
STOP = frozenset(
    [
        "with",
        "without",
        "from",
        "that",
        "this",
        "there",
        "into",
        "over",
        "side",
        "sided",
        "left",
        "right",
        "both",
        "large",
        "small",
        "acute",
        "likely",
        "seen",
        "shows",
        "mild",
        "moderate",
        "measuring",
        "about",
        "which",
        "links",
        "rechts",
        "linken",
        "rechten",
        "linke",
        "rechte",
        "einer",
        "eines",
        "kein",
        "keine",
        "nach",
        "ohne",
    ]
)


def described(text: str) -> set[str]:
    """Sides that a description or order names: a subset of left and right."""
    if BILATERAL.search(text):
        return {LEFT, RIGHT}
    return {side for side, pattern in DESCRIBED.items() if pattern.search(text)}


def sides_of(sentence: str, text: Text) -> set[str]:
    """Sides of the body that a sentence names."""
    sentence = IDIOMS.sub(" ", sentence)
    found = {side for side, pattern in WRITTEN.items() if pattern.search(sentence)}
    if text.is_german:
        found |= {side for side, pattern in WRITTEN_GERMAN.items() if pattern.search(sentence)}
    return found


def sources(facts: Mapping[str, Any]) -> dict[str, set[str]]:
    """What names the side of the study, by who says so; who names none or both is left out."""
    header = {
        side
        for series in facts.get("series") or []
        for side in _of_code(series.get("laterality") or "")
    }
    study = facts.get("study") or {}
    series = [described(each.get("description") or "") for each in facts.get("series") or []]
    order = facts.get("order") or {}
    return {
        "header": header,
        "study description": described(study.get("description") or ""),
        "series descriptions": set().union(*series) if series else set(),
        # What was ordered says more than why: "left knee replaced, now the right one hurts".
        "order": described(order.get("description") or "") or described(order.get("reason") or ""),
    }


def _of_code(code: str) -> Iterable[str]:
    """Laterality (0020,0060) and its like: L, R, B (PS3.3 C.7.3.1)."""
    return {"L": {LEFT}, "R": {RIGHT}, "B": {LEFT, RIGHT}}.get(code.strip().upper(), set())


def check(text: Text, document: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[Finding]:
    said = {who: sides for who, sides in sources(facts).items() if sides}
    single = {who: next(iter(sides)) for who, sides in said.items() if len(sides) == 1}
    if len(set(single.values())) > 1:
        words = ", ".join(f"{who}: {side}" for who, side in single.items())
        yield Finding(
            "laterality", WARNING, f"The side of the study is not the same everywhere ({words})."
        )
    elif single and all(len(sides) == 1 for who, sides in said.items() if who == "header"):
        yield from _against(next(iter(single.values())), single, text)
    else:
        reason = (
            "header and order name both sides"
            if said
            else "neither order nor header nor description names a side"
        )
        yield Finding("laterality-not-checkable", NOTE, f"Side: not checkable, {reason}.")
    yield from _within(text)


def _against(side: str, single: Mapping[str, str], text: Text) -> Iterator[Finding]:
    """A section that names the other side, and never the study's own, is suspect."""
    for key, name in CHECKED.items():
        named: set[str] = set()
        for sentence in text.sentences(key):
            if not ELSEWHERE.search(sentence):
                named |= sides_of(sentence, text)
        if OTHER[side] in named and side not in named:
            yield Finding(
                "laterality",
                WARNING,
                f"{name} names only the {OTHER[side]} side; {' and '.join(single)} the {side}.",
                key,
            )


def _within(text: Text) -> Iterator[Finding]:
    """Findings and impression on different sides."""
    found = [
        (sides_of(each, text), _content(each))
        for each in text.sentences("findings")
        if not ELSEWHERE.search(each) and not NORMAL.search(each)
    ]
    concluded = [
        (sides_of(each, text), _content(each))
        for each in text.sentences("impression")
        if not ELSEWHERE.search(each) and not NORMAL.search(each)
    ]
    in_findings = set().union(*(sides for sides, _ in found)) if found else set()
    in_impression = set().union(*(sides for sides, _ in concluded)) if concluded else set()
    swapped = (
        len(in_impression) == 1 and bool(in_findings) and not in_impression & in_findings
    ) or any(_matched_elsewhere(sides, content, found) for sides, content in concluded)
    if swapped:
        yield Finding(
            "laterality-swapped",
            WARNING,
            "Findings and impression are on different sides.",
            "impression",
        )


def _content(sentence: str) -> set[str]:
    words = re.findall(r"[^\W\d_]{4,}", sentence.casefold())
    return {word[:6] for word in words if word not in STOP}


def _matched_elsewhere(
    sides: set[str], content: set[str], found: list[tuple[set[str], set[str]]]
) -> bool:
    """A conclusion whose words are those of a finding on the other side, and of none on its own."""
    if len(sides) != 1:
        return False
    side = next(iter(sides))
    other = max((len(content & words) for at, words in found if at == {OTHER[side]}), default=0)
    same = max((len(content & words) for at, words in found if side in at), default=0)
    return other >= 2 and same == 0
