"""Proposed by one person, approved by another, revoked by anybody who has the right."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from pacs import audit, events
from pacs.accounts.models import Site
from pacs.accounts.principal import principal_or_none
from studies.reading.people import manages
from studies.retention.dryrun import dry_run
from studies.retention.errors import NotAllowed, Refused
from studies.retention.models import (
    STOPPABLE,
    DeletionProposal,
    DeletionState,
    ProposalState,
    StudyDeletion,
)
from studies.retention.rules import judge, rules_of
from studies.retention.tombstones import stop

GRACE = timedelta(days=30)
"""No setting: nobody can make it shorter."""
AT_ONCE = 500
DECIDED = "Somebody has decided about this proposal already."
ANOTHER = "Whoever proposed a deletion cannot approve it: another person has to."


def may_decide(who: Any, site_id: int) -> bool:
    """Administrators of the site."""
    principal = principal_or_none(who)
    return principal is not None and manages(principal, site_id)


def _check(who: Any, site_id: int) -> None:
    if not may_decide(who, site_id):
        raise NotAllowed("Only administrators of the site decide what is deleted.")


def propose(site: Site, actor: Any, digest: str, origin: Mapping[str, Any]) -> DeletionProposal:
    """Propose what the dry run shows, which the person saw as `digest`. Raises Refused."""
    _check(actor, site.pk)
    found = dry_run(site)
    if not found.due:
        raise Refused("Nothing is due.")
    if found.digest != digest:
        raise Refused("The list has changed since you looked at it. Look at it again.")
    removing = {
        rule.modality for rule in rules_of(site.pk).by_modality.values() if rule.removes_backups
    }
    rules = rules_of(site.pk)
    with transaction.atomic():
        proposal: DeletionProposal = DeletionProposal.objects.create(
            site=site,
            rules=found.rules,
            number_of_studies=len(found.due),
            number_of_images=found.images,
            number_of_bytes=found.size,
            proposed_by=actor,
        )
        StudyDeletion.objects.bulk_create(
            [
                StudyDeletion(
                    proposal=proposal,
                    study=one.study,
                    number_of_images=one.images,
                    number_of_bytes=one.size,
                    last_received_at=one.study.last_received_at,
                    correction_version=one.study.correction_version,
                    removes_backups=bool(removing)
                    and all(rule.removes_backups for rule in rules.of(one.study) or ()),
                )
                for one in found.due
            ],
            batch_size=AT_ONCE,
        )
        _note("retention.proposed", proposal, actor, origin)
    return proposal


def approve(pk: int, actor: Any, origin: Mapping[str, Any]) -> DeletionProposal:
    """The second person agrees: after the grace the studies are deleted. Raises Refused.

    What has changed since it was proposed is left out.
    """
    with transaction.atomic():
        proposal: DeletionProposal = DeletionProposal.objects.select_for_update(of=("self",)).get(
            pk=pk
        )
        _check(actor, proposal.site_id)
        if proposal.state != ProposalState.PROPOSED:
            raise Refused(DECIDED)
        if proposal.proposed_by_id == actor.pk:
            raise Refused(ANOTHER)
        if not may_decide(proposal.proposed_by, proposal.site_id):
            raise Refused("Whoever proposed it is no administrator of the site any more.")
        now = timezone.now()
        changed = DeletionProposal.objects.filter(pk=pk, state=ProposalState.PROPOSED).update(
            state=ProposalState.GRACE,
            approved_by=actor,
            approved_at=now,
            deletes_at=now + GRACE,
        )
        if not changed:
            raise Refused(DECIDED)
        proposal.deletions.filter(state=DeletionState.PROPOSED).update(state=DeletionState.GRACE)
        stop_changed(proposal.deletions.filter(state=DeletionState.GRACE))
        proposal.refresh_from_db()
        _note("retention.approved", proposal, actor, origin)
        studies = proposal.deletions.filter(state=DeletionState.GRACE).select_related("study")
        audit.record_together(
            [
                audit.event(
                    "study.deletion_approved",
                    actor=actor,
                    study=one.study,
                    detail={"proposal": proposal.pk},
                    **origin,
                )
                for one in studies
            ]
        )
        _rows_changed(proposal)
    return proposal


def stop_changed(deletions: Any) -> None:
    """Stop those whose study is not as it was proposed, or must stay for another reason now."""
    rows = list(deletions.select_related("study__site").order_by("id"))
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        kept = why_not([one.study for one in some])
        for one in some:
            if (why := changed_since(one) or kept.get(one.study_id)) is not None:
                stop([one.study_id], why)


def why_not(studies: list[Any]) -> dict[int, str]:
    """By study, why it is not to be deleted as things are."""
    judged = judge(studies)
    due = {study.pk for study in judged.due}
    return {
        study.pk: judged.kept.get(study.pk, "The rules keep it longer now.")
        for study in studies
        if study.pk not in due
    }


def changed_since(deletion: StudyDeletion) -> str | None:
    """How the study differs from what was proposed."""
    study = deletion.study
    if study.last_received_at != deletion.last_received_at:
        return "Images came."
    if study.correction_version != deletion.correction_version:
        return "It was corrected."
    return None


def revoke(pk: int, actor: Any, why: str, origin: Mapping[str, Any]) -> DeletionProposal:
    """Nothing of it is deleted that is not being erased already. Raises Refused."""
    why = why.strip()[:500]
    if not why:
        raise Refused("Say why it is revoked.")
    with transaction.atomic():
        proposal: DeletionProposal = DeletionProposal.objects.select_for_update(of=("self",)).get(
            pk=pk
        )
        _check(actor, proposal.site_id)
        changed = DeletionProposal.objects.filter(
            pk=pk, state__in=(ProposalState.PROPOSED, ProposalState.GRACE)
        ).update(
            state=ProposalState.REVOKED,
            revoked_by=actor,
            revoked_why=why,
            ended_at=timezone.now(),
        )
        if not changed:
            raise Refused("It is over already.")
        proposal.deletions.filter(state__in=STOPPABLE).update(
            state=DeletionState.STOPPED, why="The proposal was revoked.", done_at=timezone.now()
        )
        proposal.refresh_from_db()
        _note("retention.revoked", proposal, actor, origin)
        _rows_changed(proposal)
    return proposal


def stop_study(study: Any, actor: Any, why: str, origin: Mapping[str, Any]) -> None:
    """One study is taken out of its proposal. Raises Refused."""
    _check(actor, study.site_id)
    if not why.strip():
        raise Refused("Say why.")
    with transaction.atomic():
        if not stop([study.pk], why.strip(), actor=actor, origin=origin):
            raise Refused("No deletion of this study can be stopped.")


def _note(action: str, proposal: DeletionProposal, actor: Any, origin: Mapping[str, Any]) -> None:
    audit.record(
        action,
        actor=actor,
        site=proposal.site_id,
        detail={
            "proposal": proposal.pk,
            "studies": proposal.number_of_studies,
            "images": proposal.number_of_images,
            "bytes": proposal.number_of_bytes,
        },
        **origin,
    )


def _rows_changed(proposal: DeletionProposal) -> None:
    """Open worklists fetch these rows anew; of very many, when they are opened next."""
    for study_id in proposal.deletions.values_list("study_id", flat=True)[:AT_ONCE]:
        events.publish("study.changed", site=proposal.site_id, study=study_id)
