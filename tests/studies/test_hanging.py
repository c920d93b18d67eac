"""Hanging protocols: their rules, who uses and changes which, and priors for the viewer."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from pacs.audit.models import AuditEvent
from studies.hanging.builtin import BUILT_IN
from studies.hanging.models import HangingProtocol
from studies.hanging.rules import WrongRules, check, read
from studies.models import Study, StudyGrant

KEEP = "/api/hanging-protocols/"
RULES: dict[str, Any] = {
    "match": {"modality": ["CT"], "priors": 1, "images": 20},
    "layout": "1x3",
    "cells": [
        {
            "series": {"modality": ["CT"], "description": ["lung"], "plane": "axial"},
            "image": {"place": "middle"},
            "window": {"center": 40, "width": 400.5},
        },
        {"same": 1},
        None,
    ],
    "link": ["scroll"],
}


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    rules = copy.deepcopy(RULES)
    inner: Any = rules
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return rules


class TestRules:
    def test_what_is_right_stays_as_it_is(self) -> None:
        assert check(copy.deepcopy(RULES)) == RULES
        assert read(json.dumps(RULES)) == RULES

    @pytest.mark.parametrize("key", BUILT_IN)
    def test_the_built_in_ones_are_right(self, key: str) -> None:
        _, rules = BUILT_IN[key]
        assert check(copy.deepcopy(rules)) == rules

    @pytest.mark.parametrize(
        ("path", "value", "words"),
        [
            (["layout"], "5x1", "layout: must be rows x columns, from 1x1 to 4x4."),
            (["layout"], "2x2", "cells: 4 are needed for the layout 2x2, there are 3."),
            (["layout"], ["1x3"], "layout: must be"),
            (["cells"], {}, "cells: must be a list in brackets."),
            (["cells", 0], 1, "cells[1]: must be an object in braces."),
            (["cells", 0, "window", "width"], 0, "cells[1].window.width: must be greater than 0."),
            (["cells", 0, "window", "center"], "40", "cells[1].window.center: must be a number."),
            (["cells", 0, "window"], {"width": 1}, "cells[1].window.center: is missing."),
            (["cells", 0, "windows"], {}, "cells[1].windows: is not known here. Known are: series"),
            (["cells", 0, "series", "plane"], "oblique", "cells[1].series.plane: must be one of"),
            (["cells", 0, "series", "description"], "lung", "must be a list of texts in brackets."),
            (["cells", 0, "series", "modality", 0], " ", "cells[1].series.modality[1]: must be a"),
            (["cells", 0, "series", "modality", 0], "x" * 65, "has more than 64 characters."),
            (["cells", 0, "study"], "prior 9", "cells[1].study: must be one of current, prior"),
            (["cells", 1, "same"], 2, "cells[2].same: must name a viewport before this one."),
            (["cells", 1, "same"], True, "cells[2].same: must be a whole number from 1 to 16."),
            (["cells", 1, "series"], {}, "cells[2].series: cannot stand beside “same”."),
            (["cells", 0], None, "cells[2].same: viewport 1 stays empty."),
            (["match", "priors"], -1, "match.priors: must be a whole number from 0 to 8."),
            (["link"], ["all"], "link[1]: must be one of scroll, window, view, lines."),
            (["name"], "x", "name: is not known here."),
        ],
    )
    def test_what_is_wrong_is_named(self, path: list[Any], value: Any, words: str) -> None:
        with pytest.raises(WrongRules) as error:
            check(changed(path, value))
        assert words in error.value.words

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ('{"layout": "1x1",\n "cells": [null}', "Line 2, column 16:"),
            ('{"layout": "1x1", "layout": "1x2"}', "“layout” stands twice"),
            ('{"layout": NaN}', "NaN is no number here."),
            ("[]", "rules: must be an object"),
            ("{}", "layout: is missing."),
            ("[" * 100_000, "more than"),
            ("[" * 19_000, "nested too deeply"),
        ],
    )
    def test_text_that_is_wrong_is_named(self, text: str, words: str) -> None:
        with pytest.raises(WrongRules) as error:
            read(text)
        assert words in error.value.words


def keep(client: Any, name: str = "Mine", site: int | None = None, rules: Any = RULES) -> Any:
    body = {"name": name, "site": site, "rules": rules}
    return client.post(KEEP, body, content_type="application/json")


def names(client: Any, study: Any) -> list[str]:
    """Of those that the viewer has for a study, without the built-in ones."""
    state = client.get(f"/studies/{study.pk}/view/", headers={"Accept": "application/json"}).json()
    found = [each for each in state["protocols"] if each["whose"] != "builtin"]
    assert len(state["protocols"]) == len(found) + len(BUILT_IN)
    return [each["name"] for each in found]


def test_own_protocols_come_first_and_are_nobody_elses(
    logged_in: Any, radiologist: Any, technician: Any, site: Any, make_study: Any
) -> None:
    study = make_study(site)
    reader, helper = logged_in(radiologist), logged_in(technician)
    assert keep(helper, "Ward", site.pk).status_code == 200
    assert keep(reader, "First").json()["protocol"]["whose"] == "own"
    assert keep(reader, "Second").status_code == 200
    assert names(reader, study) == ["Second", "First", "Ward"]
    assert names(helper, study) == ["Ward"]
    # The same name again: other rules, the same protocol.
    again = keep(reader, "First", rules={"layout": "1x1", "cells": [None]})
    assert HangingProtocol.objects.get(name="First").rules["layout"] == "1x1"
    assert again.json()["protocol"]["key"] == str(HangingProtocol.objects.get(name="First").pk)
    events = AuditEvent.objects.filter(action="hanging_protocol.kept")
    assert events.count() == 4
    assert {event.actor_id for event in events} == {radiologist.pk, technician.pk}


def test_a_sites_protocol_is_of_this_site_only(
    logged_in: Any, stranger: Any, radiologist: Any, site: Any, other_site: Any, make_study: Any
) -> None:
    outside = logged_in(stranger)
    assert keep(outside, "Theirs", other_site.pk).status_code == 200
    refused = keep(outside, "Sneaked", site.pk)
    assert refused.status_code == 400
    assert refused.json()["detail"] == "You do not work at this site."
    assert names(logged_in(radiologist), make_study(site)) == []


def test_wrong_rules_and_names_are_refused(logged_in: Any, radiologist: Any) -> None:
    client = logged_in(radiologist)
    answer = keep(client, rules=changed(["cells", 0, "window", "width"], -5))
    assert answer.status_code == 400
    assert answer.json()["detail"] == "cells[1].window.width: must be greater than 0."
    assert keep(client, "   ").status_code == 400
    assert keep(client, "x" * 61).status_code == 400
    assert not HangingProtocol.objects.exists()


def test_nobody_keeps_nothing(client: Any, db: Any) -> None:
    assert keep(client).status_code == 401


def test_a_name_of_somebody_elses_is_not_taken_over(
    logged_in: Any, radiologist: Any, technician: Any, site: Any
) -> None:
    keep(logged_in(technician), "Ward", site.pk)
    answer = keep(logged_in(radiologist), "Ward", site.pk)
    assert answer.status_code == 400
    assert "of somebody else" in answer.json()["detail"]


class TestPage:
    def act(self, client: Any, protocol: HangingProtocol, action: str, **data: Any) -> Any:
        return client.post(f"/hanging/{protocol.pk}/{action}/", data, headers={"HX-Request": "1"})

    def test_order_names_rules_and_removal(self, logged_in: Any, radiologist: Any) -> None:
        client = logged_in(radiologist)
        for name in ("C", "B", "A"):
            keep(client, name)
        assert list(HangingProtocol.objects.values_list("name", flat=True)) == ["A", "B", "C"]
        last = HangingProtocol.objects.get(name="C")
        self.act(client, last, "up")
        self.act(client, last, "up")
        self.act(client, last, "up")
        assert list(HangingProtocol.objects.values_list("name", flat=True)) == ["C", "A", "B"]
        self.act(client, last, "down")
        assert list(HangingProtocol.objects.values_list("name", flat=True)) == ["A", "C", "B"]
        taken = self.act(client, last, "rename", name=" A ")
        assert "There is another protocol “A”." in taken.content.decode()
        assert "Renamed." in self.act(client, last, "rename", name="D").content.decode()
        wrong = self.act(client, last, "rules", rules='{"layout": "1x1"}').content.decode()
        assert "cells: is missing." in wrong
        assert "{&quot;layout&quot;: &quot;1x1&quot;}" in wrong, "what was written is kept"
        text = '{"layout": "1x1", "cells": [{}]}'
        assert "The rules are kept." in self.act(client, last, "rules", rules=text).content.decode()
        last.refresh_from_db()
        assert (last.name, last.rules) == ("D", json.loads(text))
        self.act(client, last, "remove")
        assert not HangingProtocol.objects.filter(pk=last.pk).exists()
        assert AuditEvent.objects.filter(action="hanging_protocol.removed").count() == 1

    def test_anothers_is_not_found(
        self, logged_in: Any, radiologist: Any, technician: Any, site: Any
    ) -> None:
        owner = logged_in(radiologist)
        keep(owner, "Mine")
        keep(owner, "Ward", site.pk)
        other = logged_in(technician)
        for protocol in HangingProtocol.objects.all():
            for action in ("up", "down", "rename", "rules", "remove"):
                data = {"name": "x", "rules": "{}"}
                assert self.act(other, protocol, action, **data).status_code == 404
        page = other.get("/hanging/").content.decode()
        assert "Ward" in page
        assert "Mine" not in page
        assert HangingProtocol.objects.count() == 2
        mine = HangingProtocol.objects.get(name="Mine")
        assert self.act(owner, mine, "burn").status_code == 404


class TestPriors:
    @pytest.fixture
    def two(self, site: Any, make_study: Any) -> tuple[Study, Study]:
        new = make_study(site, patient_id="P-7", study_date="20260102")
        old = make_study(site, patient_id="P-7", patient_ref=new.patient_ref, study_date="20200102")
        return new, old

    def test_a_prior_is_given_and_audited(
        self, two: tuple[Study, Study], logged_in: Any, radiologist: Any
    ) -> None:
        new, old = two
        client = logged_in(radiologist)
        state = client.get(
            f"/studies/{new.pk}/view/", headers={"Accept": "application/json"}
        ).json()
        assert [each["id"] for each in state["priors"]] == [old.pk]
        before = AuditEvent.objects.latest("id").pk
        answer = client.get(f"{state['priorURL']}{old.pk}/")
        assert answer.status_code == 200
        given = answer.json()
        assert given["study"]["id"] == old.pk
        assert given["study"]["date"] == "20200102"
        assert given["patient"]["ref"] == state["patient"]["ref"]
        event = AuditEvent.objects.get(pk__gt=before)
        assert (event.action, event.study_id) == ("study.opened", old.pk)

    def test_nobody_elses_study_is(
        self, two: tuple[Study, Study], logged_in: Any, radiologist: Any, site: Any, make_study: Any
    ) -> None:
        """Not of another patient, not the study itself, not where nobody knows who it is."""
        new, _ = two
        client = logged_in(radiologist)
        other = make_study(site, patient_id="P-8")
        nameless = make_study(site, patient_id="")
        also = make_study(site, patient_id="", patient_ref=nameless.patient_ref)
        for study, prior in [(new, other), (new, new), (nameless, also), (other, new)]:
            assert client.get(f"/studies/{study.pk}/prior/{prior.pk}/").status_code == 404

    def test_hidden_priors_stay_hidden(
        self,
        two: tuple[Study, Study],
        logged_in: Any,
        referrer: Any,
        radiologist: Any,
        stranger: Any,
        client: Any,
    ) -> None:
        new, old = two
        StudyGrant.objects.create(study=new, user=referrer, granted_by=radiologist)
        path = f"/studies/{new.pk}/prior/{old.pk}/"
        assert logged_in(referrer).get(path).status_code == 404
        assert logged_in(stranger).get(path).status_code == 404
        assert client.get(path, headers={"Accept": "application/json"}).status_code == 401
        state = logged_in(referrer).get(
            f"/studies/{new.pk}/view/", headers={"Accept": "application/json"}
        )
        assert state.json()["priors"] == []
