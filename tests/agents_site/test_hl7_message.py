"""HL7 from whoever writes to the port: frames, messages, what they say, or why they say nothing."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.site.hl7 import ack, facts
from agents.site.hl7.framing import FrameError, Framer, framed
from agents.site.hl7.message import Delimiters, Unacceptable, escape, read, unescape

MSH = "MSH|^~\\&|RIS|HOSP|PACS|HOSP|20261124120000||{type}|M1|P|2.5.1||||||{charset}"
PID = "PID|1||12^^^LAB^LR~P1^^^HOSP^MR||Müller^José^M^Jr^Dr||19700131|F"
ORC = "ORC|NW|PL1^HIS|F1^RIS"
OBR = (
    "OBR|1|PL1|F1|CT01^CT chest^LOCAL|S|||||||||||||A1|RP1|SPS1|CT1|||CT|||^^^202611241430^^S"
    "||||cough"
)


def message(*segments: str, type: str = "ORM^O01", charset: str = "") -> bytes:
    return "\r".join([MSH.format(type=type, charset=charset), *segments]).encode()


def told(*segments: str, **options: str) -> Any:
    return facts.told(read(message(*segments, **options)))


def refused(data: bytes) -> tuple[str, str]:
    with pytest.raises(Unacceptable) as caught:
        facts.told(read(data))
    return caught.value.code, caught.value.words


# Frames


@given(
    st.lists(
        st.binary(max_size=60).filter(lambda each: b"\x0b" not in each and b"\x1c" not in each)
    ),
    st.data(),
)
def test_frames_however_they_are_cut(messages: list[bytes], data: st.DataObject) -> None:
    stream = b"\r\n".join(framed(each) for each in messages)
    framer = Framer(1000)
    found = []
    while stream:
        size = data.draw(st.integers(1, 40))
        found += framer.feed(stream[:size])
        stream = stream[size:]
    assert found == messages
    assert not framer.in_message


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_any_bytes_in_frames(parts: list[bytes]) -> None:
    framer = Framer(200)
    with contextlib.suppress(FrameError):
        for part in parts:
            for each in framer.feed(part):
                assert len(each) <= 200
                assert b"\x0b" not in each


def test_a_message_that_begins_anew() -> None:
    framer = Framer(100)
    assert framer.feed(b"\x0bMSH|half") == []
    assert framer.in_message
    assert framer.feed(b"\x0bMSH|whole\x1c\r\x0bMSH|next\x1c") == [b"MSH|whole"]
    assert framer.feed(b"\r") == [b"MSH|next"]


def test_what_is_too_large_or_no_frame() -> None:
    for data in (
        b"\x0b" + b"x" * 101,
        b"\x0b" + b"x" * 101 + b"\x1c\r",
        b"GET / HTTP/1.1\r\n" * 90,
    ):
        with pytest.raises(FrameError):
            Framer(100).feed(data)


# Messages


def answered(data: bytes) -> tuple[str, str]:
    """MSA-1 and MSA-3 of what anything is answered with."""
    found = None
    code, words = "AA", ""
    try:
        found = read(data)
        json.dumps(facts.told(found))
    except Unacceptable as error:
        code, words = error.code, error.words
    reply = ack.answer(ack.of(found, code, words))
    assert reply is not None
    assert reply.code[1] == code[1]
    return code, words


@given(st.binary(max_size=400) | st.binary(max_size=300).map(lambda each: b"MSH|^~\\&|" + each))
def test_any_bytes(data: bytes) -> None:
    answered(data)


@given(st.integers(0, 500), st.binary(min_size=1, max_size=4))
def test_a_damaged_order(place: int, put: bytes) -> None:
    good = message(PID, ORC, OBR)
    place %= len(good)
    _, words = answered(good[:place] + put + good[place + len(put) :])
    assert "Müller" not in words


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=60))
def test_escapes_round_trip(text: str) -> None:
    wanted = "".join(
        each
        for each in text
        if each not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )
    assert unescape(escape(wanted), Delimiters()) == wanted
    assert not set(escape(text)) & set("|^~&\r\n")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f"),
        (r"one\.br\two\.sp3\three", "one\ntwo\nthree"),
        (r"\X4D\\XZZ\\X4\end", "Mend"),
        (r"\H\bold\N\ \Zmine\x", "bold x"),
        (r"open \F", r"open \F"),
        (r"\.brX\ \.in+999999999999\ ", "\n   "),
        ("a\x00b\x1bc\u202ed", "a b c d"),
    ],
)
def test_escape_sequences(text: str, wanted: str) -> None:
    assert unescape(text, Delimiters()) == wanted


@pytest.mark.parametrize(
    ("charset", "encoding", "name"),
    [
        ("8859/1", "latin-1", "Müller"),
        ("8859/5", "iso8859_5", "Люкceмбypг"),
        ("UNICODE UTF-8", "utf-8", "山田"),
        ("~ISO IR87", "iso2022_jp", "山田"),
        ("GB 18030-2000", "gb18030", "王小东"),
        ("KS X 1001", "euc_kr", "김희중"),
        ("BIG-5", "big5", "許功蓋"),  # the second bytes are \ and |
    ],
)
def test_character_sets(charset: str, encoding: str, name: str) -> None:
    text = "\r".join([MSH.format(type="ADT^A04", charset=charset), f"PID|||P1||{name}^X"])
    found = facts.told(read(text.encode(encoding)))
    assert found["patient"]["patient_name"] == f"{name}^X"


def test_other_delimiters_and_line_ends() -> None:
    text = "MSH$*%!@$RIS$$$$1$$ADT*A04$M1$P$2.3\r\nPID$$$P1***H$$O!S!Neil*A$$1970$m\n\n"
    assert facts.told(read(text.encode())) == {
        "patient": {
            "patient_id": "P1",
            "issuer_of_patient_id": "H",
            "patient_name": "O*Neil^A",
            "patient_birth_date": "",
            "patient_sex": "M",
        }
    }


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "AR", "does not begin with MSH"),
        (b"PID|||1", "AR", "does not begin with MSH"),
        (b"MSH|^^^^|A", "AR", "MSH-2"),
        (b"MSH|ABCD|A|", "AR", "letter or digit"),
        (message(PID, type="MDM^T02"), "AR", "ADT^A40"),
        (message(PID, type="ORM^O02"), "AR", "this type"),
        (message(PID, charset="EBCDIC"), "AR", "MSH-18"),
        (message(PID, charset="8859/1~8859/5"), "AR", "do not go together"),
        (message(PID, charset="ASCII"), "AE", "not in the character set"),
        (message(PID, "orc|NW"), "AE", "segment 3 has no name"),
        (message(PID, MSH), "AE", "more than one MSH"),
        (message(ORC, OBR), "AE", "no PID"),
        (message(PID), "AE", "no ORC"),
        (message("PID|1", ORC, OBR), "AE", "PID-3 is missing"),
        (message(f"PID|||{'9' * 65}", ORC, OBR), "AE", "more than 64"),
        (message("PID|||1||||'; DROP TABLE", ORC, OBR), "AE", "PID-7"),
        (message("PID|||1|||||W", ORC, OBR), "AE", "PID-8"),
        (message(PID, "ORC|ZZ|1", OBR), "AE", "ORC-1"),
        (message(PID, ORC), "AE", "no OBR"),
        (message(PID, "ORC|NW", "OBR|1|||X"), "AE", "neither ORC-2 nor ORC-3"),
        (message(PID, "ORC|NW|12345678901234567", "OBR|1"), "AE", "16 characters"),
        (message(PID, ORC, OBR.replace("202611241430", "tomorrow")), "AE", "time stamp"),
        (message(PID, ORC, OBR, "ZDS|1.2.x"), "AE", "ZDS-1"),
        (message(PID, *[ORC, OBR] * 51), "AE", "more than 50"),
        (message(*["NTE|1"] * 5001), "AE", "more than 5000"),
        (message(PID, type="ADT^A40"), "AE", "no MRG"),
        (message(PID, "MRG|P1^^^HOSP", type="ADT^A40"), "AE", "same patient"),
    ],
)
def test_what_is_refused_and_why(data: bytes, code: str, words: str) -> None:
    found = refused(data)
    assert found[0] == code
    assert words in found[1]


def test_an_order_in_full() -> None:
    zds = "ZDS|1.2.840.1^RIS^Application^DICOM"
    visit = "PV1|1|O||||||7^House^Greg^^^Dr"
    (found,) = told(PID, visit, ORC, OBR, zds)["orders"]
    assert found == {
        "control": "new",
        "patient_id": "P1",
        "issuer_of_patient_id": "HOSP",
        "patient_name": "Müller^José^M^Dr^Jr",
        "patient_birth_date": "19700131",
        "patient_sex": "F",
        "placer_order_number": "PL1",
        "filler_order_number": "F1",
        "accession_number": "A1",
        "issuer_of_accession_number": "RIS",
        "referring_physician_name": "House^Greg^^Dr",
        "scheduled": "202611241430",
        "priority": 0,
        "requested_procedure_code": "CT01",
        "requested_procedure_scheme": "LOCAL",
        "requested_procedure_description": "CT chest",
        "requested_procedure_id": "RP1",
        "scheduled_procedure_step_id": "SPS1",
        "scheduled_station_ae_title": "CT1",
        "modality": "CT",
        "reason": "cough",
        "study_instance_uid": "1.2.840.1",
    }


def test_what_is_not_sent_is_left_out_and_null_empties() -> None:
    (found,) = told('PID|||P1||""||""', "ORC|XO|PL1", 'OBR|||||||||||||""')["orders"]
    assert found == {
        "control": "change",
        "patient_id": "P1",
        "issuer_of_patient_id": "",
        "patient_name": "",
        "patient_birth_date": "",
        "placer_order_number": "PL1",
        "filler_order_number": "",
        "issuer_of_accession_number": "",
        "reason": "",
    }


@pytest.mark.parametrize(
    ("control", "status", "wanted"),
    [
        ("SC", "IP", ("change", "in_progress")),
        ("SC", "CM", ("change", "completed")),
        ("CA", "", ("cancel", None)),
        ("DC", "CA", ("cancel", "cancelled")),
        ("xo", "HD", ("change", None)),
    ],
)
def test_order_control(control: str, status: str, wanted: tuple[str, str | None]) -> None:
    (found,) = told(PID, f"ORC|{control}|PL1|||{status}")["orders"]
    assert (found["control"], found.get("status")) == wanted


def test_several_orders_and_where_times_and_priorities_are_looked_for() -> None:
    orders = told(
        PID,
        *("ORC|NW|1|||||^^^202601010800^^A", "OBR|1|1||X"),
        *("ORC|NW|2", "TQ1|1||||||202602020900||S", "OBR|1|2||X||R|202603031000"),
        *("ORC|NW|3", "OBR|1|3||X|R|20260404"),
        *("ORC|NW|4", "OBR|1|4||X|" + "|" * 30 + "|202605051100"),
    )["orders"]
    assert [(each.get("scheduled"), each.get("priority")) for each in orders] == [
        ("202601010800", 1),
        ("202602020900", 0),
        ("20260404", 2),
        ("202605051100", None),
    ]


def test_names_in_three_writings() -> None:
    pid = "PID|||P1||Yamada^Tarou^^^^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P"
    found = told(pid, type="ADT^A08")["patient"]
    assert found["patient_name"] == "Yamada^Tarou=山田^太郎=やまだ^たろう"
    odd = told("PID|||P1||A\\S\\B=C\\.br\\D^\\E\\^", type="ADT^A08")["patient"]
    assert odd["patient_name"] == "A B C D"


def test_a_merge() -> None:
    found = told(PID, "MRG|OLD^^^HOSP^MR", type="ADT^A40^ADT_A39")["patient"]
    assert (found["patient_id"], found["prior_patient_id"]) == ("P1", "OLD")


# Acknowledgements


def test_acknowledgements() -> None:
    found = read(message(PID, ORC, OBR, charset="8859/1"))
    text = ack.of(found, "AE", "a|b ü").decode("latin-1")
    assert text.startswith("MSH|^~\\&|PACS|HOSP|RIS|HOSP|2")
    assert "|ACK^O01|" in text
    assert "\rMSA|AE|M1|a\\F\\b ü\r" in text
    assert ack.answer(ack.of(found, "AR", "no")) == ack.Answer("AR", "M1", "no")
    enhanced = read(message(PID).replace(b"|2.5.1||||||", b"|2.5.1|||AL|NE||"))
    assert ack.answer(ack.of(enhanced, "AA")).code == "CA"  # type: ignore[union-attr]
    assert ack.answer(b"MSH|^~\\&|A\rMSA|OK|1") is None
    assert ack.answer(b"HTTP/1.1 200 OK") is None
