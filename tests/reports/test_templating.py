"""Templates: who changes them, versions that stay, choice, facts, start and normal reports."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import models

from pacs.accounts.models import Site, User
from pacs.audit.models import AuditEvent
from reports.errors import BadContent, NotAllowed, Refused
from reports.models import Letterhead, Macro, ReportTemplate, TemplateVersion
from reports.templating import choose, facts, macros, normal, services, start, version_of
from reports.templating.loading import load
from studies.models import Order, Study
from tests.reports.factories_templates import BODY, macro, template

MakeStudy = Callable[..., Study]


def names(study: Study, who: User) -> list[str]:
    return [found.name for found in choose(study, who)]


def test_a_radiologist_makes_own_templates(radiologist: User) -> None:
    made = services.create_template(radiologist, body=BODY, owner=radiologist, name=" CT\u200b  x ")
    assert made.name == "CT x"
    assert services.newest_version(made).number == 1  # type: ignore[union-attr]
    event = AuditEvent.objects.get(action="template.created")
    assert event.detail == {"id": made.pk, "personal": True}
    assert event.actor_id == radiologist.pk


@pytest.mark.parametrize("actor", ["technician", "referrer", "site_admin"])
def test_others_make_no_own_templates(actor: str, request: Any) -> None:
    who = request.getfixturevalue(actor)
    with pytest.raises(NotAllowed):
        services.create_template(who, body=BODY, owner=who, name="x")
    assert not ReportTemplate.objects.exists()


def test_who_changes_which(
    radiologist: User, site_admin: User, admin: User, stranger: User, site: Site
) -> None:
    own = template(owner=radiologist)
    of_site = template(site=site)
    of_all = template()
    allowed = {
        (who.username, row.pk)
        for who in (radiologist, site_admin, admin, stranger)
        for row in (own, of_site, of_all)
        if services.may_change(services.principal_of(who), row)
    }
    assert allowed == {
        ("radiologist", own.pk),
        ("site_admin", of_site.pk),
        ("admin", of_site.pk),
        ("admin", of_all.pk),
    }
    for who, row in ((radiologist, of_site), (site_admin, of_all), (admin, own), (stranger, own)):
        with pytest.raises(NotAllowed):
            services.revise(who, row, BODY)
        with pytest.raises(NotAllowed):
            services.set_active(who, row, active=False)


def test_a_version_never_changes(radiologist: User) -> None:
    made = template(owner=radiologist)
    first = services.newest_version(made)
    assert first is not None
    assert services.revise(radiologist, made, first.body) == first
    second = services.revise(radiologist, made, {**BODY, "title": "Other"})
    assert second.number == 2
    first.refresh_from_db()
    assert first.body["title"] == BODY["title"]
    with pytest.raises(TypeError):
        first.save()
    with pytest.raises(TypeError):
        first.delete()
    with pytest.raises(models.ProtectedError):
        made.delete()


def test_a_retired_template_is_offered_no_more_and_drafts_go_on(
    radiologist: User, study: Study
) -> None:
    made = template(owner=radiologist)
    version = services.newest_version(made)
    assert version is not None
    content = start(version, facts(study))
    services.set_active(radiologist, made, active=False)
    assert names(study, radiologist) == []
    found = version_of(content)
    assert found == version
    assert start(found, facts(study)) == content
    services.set_active(radiologist, made, active=True)
    assert names(study, radiologist) == ["CT chest"]
    actions = list(AuditEvent.objects.values_list("action", flat=True).order_by("id"))
    assert actions == ["template.retired", "template.restored"]


def test_choice_by_modality_part_code_language_and_owner(
    radiologist: User, site: Site, make_study: MakeStudy
) -> None:
    template("everybody chest", body_parts=["CHEST", "thorax"])
    template("site chest", body_parts=["chest"], site=site)
    template("own chest", body_parts=["chest"], owner=radiologist)
    template("head", body_parts=["HEAD"])
    template("MR chest", body_parts=["chest"], modalities=["MR"])
    template("any CT")
    template("deutsch", body_parts=["Thorax", "chest"], language="de")
    template("coded", modalities=["MR"], body_parts=["toe"], procedure_codes=["CTTX1"])
    study = make_study(site, study_description="CT Chest w/o contrast", modalities="CT/SR")
    assert names(study, radiologist) == [
        "own chest", "site chest", "everybody chest", "deutsch", "any CT", "head", "MR chest",
        "coded",
    ]  # fmt: skip
    fitting = [found.name for found in choose(study, radiologist) if found.fits]  # type: ignore[attr-defined]
    assert fitting == ["own chest", "site chest", "everybody chest", "deutsch", "any CT"]
    Order.objects.create(site=site, study=study, patient_id="P", requested_procedure_code="CTTX1")
    assert names(study, radiologist)[0] == "coded"
    Letterhead.objects.create(site=site, language="de-DE")
    assert names(study, radiologist)[1] == "deutsch"


@pytest.mark.parametrize(
    ("description", "modalities", "body_part", "slug"),
    [
        ("CT head without contrast", "CT", "", "ct-head"),
        ("Schädel-CT nativ", "CT", "", "ct-head"),
        ("", "CT", "CHEST", "ct-chest"),
        ("CT chest abdomen pelvis", "CT", "", "ct-abdomen-pelvis"),
        ("MRI brain", "MR/SR", "", "mr-brain"),
        ("MR Kniegelenk links", "MR", "", "mr-knee"),
        ("MR L-spine", "MR", "", "mr-lumbar-spine"),
        ("MR cervical spine", "MR", "", "mr-cervical-spine"),
        ("Chest PA and lateral", "DX", "", "cr-chest"),
        ("", "CR", "ANKLE", "cr-msk"),
        ("US abdomen complete", "US", "", "us-abdomen"),
        ("US thyroid", "US", "", "us-thyroid"),
        ("Screening mammogram", "MG", "BREAST", "mg-birads"),
        ("PET/CT whole body", "PT/CT", "", "pet-ct"),
    ],
)  # fmt: skip
def test_the_start_set_is_chosen_for_what_it_is_for(
    radiologist: User, site: Site, make_study: MakeStudy, description: str, modalities: str,
    body_part: str, slug: str,
) -> None:  # fmt: skip
    load()
    study = make_study(
        site,
        study_description=description,
        modalities=modalities,
        body_part_examined=body_part,
    )
    best = choose(study, radiologist)[0]
    assert best.slug == slug
    assert best.fits  # type: ignore[attr-defined]


def test_choice_hides_others_own_and_other_sites(
    radiologist: User, admin: User, stranger: User, referrer: User, site: Site, other_site: Site,
    study: Study,
) -> None:  # fmt: skip
    template("own of stranger", owner=stranger)
    template("other site", site=other_site)
    template("site", site=site)
    assert names(study, radiologist) == ["site"]
    assert names(study, admin) == ["site"]
    assert names(study, referrer) == []
    assert choose(study, None) == []


def test_choice_takes_four_queries(
    radiologist: User, study: Study, django_assert_max_num_queries: Any
) -> None:
    load()
    who = services.principal_of(radiologist)
    with django_assert_max_num_queries(4):
        assert len(choose(study, who)) >= 16


def test_facts(site: Site, make_study: MakeStudy) -> None:
    study = make_study(
        site,
        study_day=date(2026, 11, 24),
        patient_birth_date="19720304",
        patient_sex="F",
        referring_physician_name="HOUSE^Gregory",
    )
    known = facts(study)
    assert known["inserts"] == {
        "patient_age": "54 years",
        "patient_sex": "female",
        "study_date": "2026-11-24",
        "comparison": "None available",
        "referrer": "HOUSE, Gregory",
    }
    assert known["comparison"] is None
    assert known["order"] is None
    for day, description in ((date(2025, 3, 1), "CT chest"), (date(2024, 1, 1), "Old")):
        make_study(
            site, patient_ref=study.patient_ref, study_day=day, study_description=description
        )
    make_study(site, patient_ref=study.patient_ref, study_day=date(2026, 12, 1))
    make_study(site, study_day=date(2026, 11, 1), study_description="Another patient's")
    assert facts(study)["inserts"]["comparison"] == "CT chest of 2025-03-01"
    assert facts(study, "de-AT")["inserts"] == {
        "patient_age": "54 Jahre",
        "patient_sex": "weiblich",
        "study_date": "24.11.2026",
        "comparison": "CT chest vom 01.03.2025",
        "referrer": "HOUSE, Gregory",
    }


@pytest.mark.parametrize(
    ("fields", "age"),
    [
        ({"patient_age": "054Y"}, "54 years"),
        ({"patient_age": "001M"}, "1 month"),
        ({"patient_birth_date": "20261104"}, "20 days"),
        ({"patient_birth_date": "20260101"}, "10 months"),
        ({"patient_birth_date": "20270101"}, "[age not known]"),
        ({"patient_birth_date": "19720230"}, "[age not known]"),
        ({}, "[age not known]"),
    ],
)
def test_age(site: Site, make_study: MakeStudy, fields: dict[str, str], age: str) -> None:
    study = make_study(site, study_day=date(2026, 11, 24), **fields)
    assert facts(study)["inserts"]["patient_age"] == age


def test_start_and_normal_reports_hold_the_facts(site: Site, make_study: MakeStudy) -> None:
    study = make_study(
        site,
        study_day=date(2026, 11, 24),
        patient_age="054Y",
        patient_sex="M",
        referring_physician_name="<script>alert(1)</script>{comparison}\u202e",
    )
    version = services.newest_version(template())
    assert version is not None
    content = start(version, facts(study))
    assert content["title"] == "CT chest of 2026-11-24"
    assert content["template"] == {"id": version.template_id, "version": 1, "name": "CT chest"}
    comparison, findings, impression = content["sections"]
    assert comparison["html"] == "<p>None available.</p>"
    assert findings["html"] == "<p>Lungs:</p>"
    assert impression["html"] == ""
    assert [field["value"] for field in findings["fields"]] == [
        None,
        "left",
        "<script>alert(1)</script>{comparison}",  # plain text: escaped where it is shown
    ]
    made = normal(version, facts(study))
    assert made["sections"][1]["html"] == "<p>Lungs: Clear in this male of 54 years.</p>"
    assert made["sections"][2]["html"] == "<p>Normal.</p>"


def test_facts_are_text_wherever_they_go(site: Site, make_study: MakeStudy) -> None:
    study = make_study(
        site, referring_physician_name="A <script>alert(1)</script> & {comparison} <b>B</b>"
    )
    body = {"sections": [{"key": "findings", "html": "<p>Dear {referrer}, {unknown}</p>"}]}
    version = services.newest_version(template(body=body))
    assert version is not None
    assert start(version, facts(study))["sections"][0]["html"] == (
        "<p>Dear A &lt;script&gt;alert(1)&lt;/script&gt; &amp; {comparison} &lt;b&gt;B&lt;/b&gt;,"
        " {unknown}</p>"
    )


def test_macros_own_before_site_before_everybody(
    radiologist: User, site: Site, other_site: Site, study: Study
) -> None:
    macro("nl", "<p>All.</p>")
    macro("nl", "<p>Site.</p>", site=site)
    macro("nl", "<p>Own.</p>", owner=radiologist)
    macro("mr", modalities=["MR"])
    macro("other", site=other_site)
    assert [found.html for found in macros(study, radiologist)] == [
        "<p>Own.</p>", "<p>Site.</p>", "<p>All.</p>",
    ]  # fmt: skip


def test_macros_are_made_changed_and_deleted(radiologist: User, stranger: User) -> None:
    made = services.save_macro(
        radiologist,
        owner=radiologist,
        abbreviation="nlx",
        html="<script>alert(1)</script><b onclick=x>No</b> mass",
        modalities=["ct"],
        sections=["findings"],
    )
    assert made.html == "<p><strong>No</strong> mass</p>"
    assert made.modalities == ["CT"]
    with pytest.raises(Refused):
        services.save_macro(radiologist, owner=radiologist, abbreviation="nlx", html="x")
    with pytest.raises(NotAllowed):
        services.save_macro(stranger, made, abbreviation="nlx", html="x")
    with pytest.raises(NotAllowed):
        services.delete_macro(stranger, made)
    services.save_macro(radiologist, made, abbreviation="nly", html="x")
    services.delete_macro(radiologist, made)
    assert not Macro.objects.exists()
    actions = list(AuditEvent.objects.values_list("action", flat=True).order_by("id"))
    assert actions == ["macro.created", "macro.changed", "macro.deleted"]


@pytest.mark.parametrize(
    "said",
    [
        {"abbreviation": "", "html": "x"},
        {"abbreviation": "a b", "html": "x"},
        {"abbreviation": "<b>", "html": "x"},
        {"abbreviation": "a" * 25, "html": "x"},
        {"abbreviation": "a", "html": "<img src=x>"},
        {"abbreviation": "a", "html": "x" * 20_001},
        {"abbreviation": "a", "html": "x", "sections": ["nowhere"]},
        {"abbreviation": "a", "html": "x", "modalities": ["<CT>"]},
        {"abbreviation": "a", "html": "x", "language": "<en>"},
        {"abbreviation": "a", "html": None},
    ],
)
def test_what_is_no_macro_is_refused(radiologist: User, said: dict[str, Any]) -> None:
    with pytest.raises(BadContent):
        services.save_macro(radiologist, owner=radiologist, **said)


def test_loading_again_leaves_what_people_changed(admin: User) -> None:
    out = StringIO()
    call_command("load_report_templates", stdout=out)
    assert out.getvalue().startswith("16 new")
    head, chest, knee = (
        ReportTemplate.objects.get(slug=slug) for slug in ("ct-head", "ct-chest", "mr-knee")
    )
    services.revise(admin, head, BODY)
    services.describe(admin, chest, name="Ours")
    services.set_active(admin, knee, active=False)
    # An earlier start set said something else of the spine.
    spine = ReportTemplate.objects.get(slug="mr-lumbar-spine")
    TemplateVersion.objects.create(template=spine, number=2, body=head.versions.get(number=1).body)
    assert load() == (0, 1)
    assert load() == (0, 0)
    assert services.newest_version(head).author == admin  # type: ignore[union-attr]
    assert services.newest_version(spine).number == 3  # type: ignore[union-attr]
    for row in (chest, knee):
        row.refresh_from_db()
    assert chest.name == "Ours"
    assert not knee.is_active
