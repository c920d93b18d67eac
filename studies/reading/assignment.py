"""Who should read a study: said by a person, or by the rules of its site.

`Study.assignment` is the queue: `due` when the study is quiet or complete, then `done`; what a
person has settled is never touched by rules.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Count, Q

from pacs import audit, events
from pacs.accounts.models import Site
from studies.dicom.charset import search_key
from studies.models import Arrival, Assignment, ReadingState, Study
from studies.reading.errors import NotAllowed, Refused
from studies.reading.models import AssignmentRule
from studies.reading.people import acting, manages, radiologists, reads
from studies.reading.states import CLAIMED, DRAFT, OPEN, UNREAD

AT_ONCE = 2000
SETTLED = (Arrival.QUIET, Arrival.COMPLETE)


def assign(
    study_id: int, user: Any, who: Any, *, address: str = "", session_key: str = ""
) -> Study:
    """Say who should read a study, or with None that anybody may. Safe to repeat.

    Administrators of the site name any of its radiologists; a radiologist takes it, or gives back
    what is assigned to the person. It stays with who reads it. Raises NotAllowed, Refused for a
    person who does not read there and for a study that is read, Study.DoesNotExist.
    """
    principal, actor = acting(who)
    study: Study = Study.objects.visible_to(principal).get(pk=study_id)
    wanted = None if user is None else int(user.pk)
    own = actor.pk == (study.assigned_to_id if wanted is None else wanted)
    if not manages(principal, study.site_id) and not (own and reads(principal, study.site_id)):
        raise NotAllowed("Only administrators of the site assign studies to others.")
    if wanted is not None and not radiologists(study.site_id).filter(pk=wanted).exists():
        raise Refused("This person does not read studies of the site.")
    with transaction.atomic():
        study = Study.objects.select_for_update(of=("self",)).get(pk=study_id)
        if study.reading_state not in OPEN:
            raise Refused(f"This study is {study.get_reading_state_display().lower()}.")
        if study.assigned_to_id != wanted or study.assignment != Assignment.BY_HAND:
            _write(study, wanted, Assignment.BY_HAND)
            audit.record(
                "study.assigned",
                actor=actor,
                study=study,
                detail={"user": wanted},
                address=address,
                session_key=session_key,
            )
    found: Study = Study.objects.select_related("assigned_to").get(pk=study_id)
    return found


def _write(study: Study, user_id: int | None, assignment: str) -> None:
    Study.objects.filter(pk=study.pk).update(assigned_to=user_id, assignment=assignment)
    events.publish("study.changed", site=study.site_id, study=study.pk)


def study_settled(study_id: int, site_id: int) -> None:
    """A study is quiet or complete: rules look at it, once. In the transaction of that change."""
    if not AssignmentRule.objects.filter(site=site_id, is_enabled=True).exists():
        return
    due = Study.objects.filter(
        pk=study_id,
        assignment=Assignment.OPEN,
        assigned_to=None,
        reading_state=ReadingState.UNREAD,
    ).update(assignment=Assignment.DUE)
    if due:
        from studies.tasks import assign_due

        transaction.on_commit(lambda: assign_due.delay(site_id), robust=True)


def rules_changed(site_id: int) -> None:
    """The rules of a site are others now: they look at its waiting studies again."""
    Study.objects.filter(
        site=site_id,
        assigned_to=None,
        reading_state=ReadingState.UNREAD,
        arrival__in=SETTLED,
        assignment__in=(Assignment.OPEN, Assignment.DONE),
    ).update(assignment=Assignment.DUE)


def fits(rule: AssignmentRule, study: Study) -> bool:
    """Whether a rule is about such a study; what a rule does not name it does not ask for."""
    part = search_key(study.body_part_examined)
    text = f"{part} {search_key(study.study_description)}"
    return (
        (not rule.modalities or not set(rule.modalities).isdisjoint(study.modality_list))
        and (not rule.body_parts or any(search_key(word) in text for word in rule.body_parts))
        and (not rule.words or any(search_key(word) in text for word in rule.words))
    )


def assign_by_rules(site_id: int) -> int:
    """Assigns what is due at a site, STAT first. Safe to repeat; returns how many were assigned.

    A study that no rule is about is done; one whose radiologists are all at their limit waits.
    """
    rules = list(AssignmentRule.objects.filter(site=site_id, is_enabled=True))
    people = {rule.pk: _people(rule) for rule in rules}
    due = Study.objects.filter(site=site_id, assignment=Assignment.DUE)
    assigned = 0
    for study in list(due.order_by("priority", "received_at", "id")[:AT_ONCE]):
        rule = next((one for one in rules if fits(one, study)), None)
        if rule is None or not people[rule.pk]:
            due.filter(pk=study.pk).update(assignment=Assignment.DONE)
            continue
        assigned += _give(study, rule, people[rule.pk])
    return assigned


def _people(rule: AssignmentRule) -> list[int]:
    """Radiologists of the rule who (still) read at its site."""
    named = set(rule.radiologists.values_list("pk", flat=True))
    return [pk for pk in radiologists(rule.site_id).values_list("pk", flat=True) if pk in named]


def _give(study: Study, rule: AssignmentRule, people: list[int]) -> bool:
    """Assign a due study to whoever has the least to read. One study at a time at each site."""
    with transaction.atomic():
        Site.objects.select_for_update(no_key=True).get(pk=study.site_id)
        open_studies = Q(reading_state__in=(UNREAD, CLAIMED, DRAFT))
        load = dict.fromkeys(people, 0) | dict(
            Study.objects.filter(open_studies, assigned_to__in=people)
            .order_by()
            .values_list("assigned_to")
            .annotate(Count("pk"))
        )
        free = [one for one in people if not rule.max_open or load[one] < rule.max_open]
        if not free:
            return False
        chosen = min(free, key=lambda one: load[one])
        changed = Study.objects.filter(
            pk=study.pk,
            assignment=Assignment.DUE,
            assigned_to=None,
            reading_state=ReadingState.UNREAD,
        ).update(assigned_to=chosen, assignment=Assignment.DONE)
        if not changed:
            # Somebody reads it already, or a person has settled it.
            Study.objects.filter(pk=study.pk, assignment=Assignment.DUE).update(
                assignment=Assignment.DONE
            )
            return False
        audit.record("study.assigned", study=study, detail={"user": chosen, "rule": rule.pk})
        events.publish("study.changed", site=study.site_id, study=study.pk)
    return True


def sites_due() -> list[int]:
    """Sites with studies that rules have still to look at."""
    due = Study.objects.filter(assignment=Assignment.DUE)
    return list(due.order_by().values_list("site_id", flat=True).distinct())


def take_back_from(study: Study) -> bool:
    """The person may not read there any more: the study is anybody's, and due for rules again."""
    with transaction.atomic():
        changed = Study.objects.filter(pk=study.pk, assigned_to=study.assigned_to_id).update(
            assigned_to=None, assignment=Assignment.OPEN
        )
        if not changed:
            return False
        audit.record(
            "study.assigned", study=study, detail={"user": None, "from": study.assigned_to_id}
        )
        if study.arrival in SETTLED:
            study_settled(study.pk, study.site_id)
        events.publish("study.changed", site=study.site_id, study=study.pk)
    return True
