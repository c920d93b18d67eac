"""One correction while it is made: rows are locked, what changes is noted, and all that follows
from it is done at its end, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Count, F
from django.utils import timezone

from pacs import audit, events
from studies import documents, searchindex
from studies.annotations.models import KeyImage, Measurement
from studies.corrections import signals
from studies.corrections.errors import Refused, Stale
from studies.corrections.models import (
    Correction,
    CorrectionKind,
    ReceivedAs,
    RejectedStudy,
)
from studies.corrections.overlays import joined, keywords_of, overlay_of
from studies.models import (
    Instance,
    Patient,
    ReadingState,
    Series,
    Study,
)
from studies.orders import matching
from studies.orders.models import new_study_instance_uid
from studies.sending.models import SendItem
from studies.services.columns import clip, search_text

MODELS: dict[str, Any] = {"study": Study, "series": Series, "patient": Patient}
SIGNED = (ReadingState.PRELIMINARY, ReadingState.FINAL, ReadingState.ADDENDED)
AT_ONCE = 500
OF_ORDER = ("patient_id", "issuer_of_patient_id", "accession_number")
COPIED = frozenset(
    {
        *(
            "site_id",
            "patient_ref_id",
            "study_date",
            "study_time",
            "study_day",
            "study_description",
        ),
        *("referring_physician_name", "institution_name", "body_part_examined", "patient_name"),
        *("patient_name_ideographic", "patient_name_phonetic", "patient_id", "patient_age"),
        *("issuer_of_patient_id", "patient_birth_date", "patient_sex", "name_conflict"),
        *("timezone_offset_from_utc", "priority", "received_at", "last_received_at"),
    }
)


class Work:
    """`dry`: a preview, which its caller rolls back."""

    def __init__(self, *, dry: bool = False) -> None:
        self.dry = dry
        self.now = timezone.now()
        self.changes: list[dict[str, Any]] = []
        self.studies: dict[int, Study] = {}
        self.made: set[int] = set()
        self.images = 0
        self.aliases: list[ReceivedAs] = []
        self._recount: set[int] = set()
        self._search: set[int] = set()

    # Rows

    def lock(self, pks: Iterable[int]) -> list[Study]:
        """The studies, locked in the order of their ids."""
        wanted = sorted(set(pks) - self.studies.keys())
        rows = Study.objects.select_for_update().filter(pk__in=wanted).order_by("id")
        self.studies.update({row.pk: row for row in rows})
        return [self.studies[pk] for pk in pks]

    def locked(self, pk: int, version: int | None = None) -> Study:
        """One study. Raises Stale where it was corrected since `version`."""
        study = self.lock([pk])[0]
        if version is not None and study.correction_version != version:
            raise Stale
        return study

    def set(self, row: Any, **values: Any) -> None:
        """Columns of a study, series or patient; what is so already is no change."""
        name = row._meta.model_name
        changed = []
        for column, value in values.items():
            old = getattr(row, column)
            if old == value:
                continue
            setattr(row, column, value)
            changed.append(column)
            note = {"m": name, "pk": row.pk, "f": column, "o": _plain(old), "n": _plain(value)}
            self.changes.append(note)
        if changed:
            row.save(update_fields=changed)
            if name == "study":
                self._search.add(row.pk)

    def corrects(self, study: Study, keywords: Iterable[str]) -> None:
        """From now on these attributes are served as the study's row says."""
        before = keywords_of(study)
        wanted = sorted(set(keywords))
        added = sorted(set(wanted) - set(before))
        if added:
            study.corrected = joined([*before, *added])
            study.save(update_fields=["corrected"])
        if wanted:  # "k": what this correction needs, whoever was the first to need it
            note = {"m": "keywords", "pk": study.pk, "o": [], "n": added, "k": wanted}
            self.changes.append(note)

    def reject(self, study: Study, of: Study | None = None) -> None:
        """Hide a study from all but administrators."""
        if not RejectedStudy.objects.filter(study=study).exists():
            RejectedStudy.objects.create(study=study, of=of)
            searchindex.count(study, -1)
            self.changes.append({"m": "rejected", "pk": study.pk, "o": False, "n": True})

    def hide(self, holder: Study, of: Study) -> None:
        """A study that was made to hold rejected images of another."""
        RejectedStudy.objects.create(study=holder, of=of, holds_images=True)
        searchindex.count(holder, -1)

    def alias(
        self,
        study: Study,
        study_uid: str,
        series_uid: str,
        to: Study,
        patient_id: str | None = None,
        issuer: str | None = None,
    ) -> None:
        """Images that come under these UIDs and this patient (as `study` says) belong to `to`."""
        self.aliases.append(
            ReceivedAs(
                site_id=study.site_id,
                study_instance_uid=study_uid,
                series_instance_uid=series_uid,
                patient_id=study.patient_id if patient_id is None else patient_id,
                issuer_of_patient_id=study.issuer_of_patient_id if issuer is None else issuer,
                study=to,
            )
        )

    def alias_all(self, study: Study, study_uid: str, series_uid: str, to: Study) -> None:
        """The same under every patient under which these images come for `study` so far: the files
        say what they said before any correction."""
        names = {(study.patient_id, study.issuer_of_patient_id)}
        known = ReceivedAs.objects.filter(
            site=study.site_id,
            study_instance_uid=study_uid,
            series_instance_uid__in={"", series_uid},
            study=study,
        )
        names.update(known.values_list("patient_id", "issuer_of_patient_id"))
        for patient_id, issuer in sorted(names):
            self.alias(study, study_uid, series_uid, to, patient_id, issuer)

    def create(self, like: Study, **values: Any) -> Study:
        """A study of the same patient and site, without images."""
        kept = {
            field.attname: getattr(like, field.attname)
            for field in Study._meta.concrete_fields
            if field.attname in COPIED
        }
        study = Study(**kept | values, study_instance_uid=new_study_instance_uid())
        study.search_text = search_text(study)
        study.save(force_insert=True)
        self.changes.append({"m": "created", "pk": study.pk, "o": like.pk, "n": study.pk})
        self.studies[study.pk] = study
        self.made.add(study.pk)
        return study

    def move_series(self, series: Series, to: Study) -> None:
        """A whole series, with what was drawn on its images."""
        source = self.studies[series.study_id]
        if to.series.filter(series_instance_uid=series.series_instance_uid).exists():
            raise Refused("The other study has a series of the same UID already.")
        uids = list(series.instances.values_list("sop_instance_uid", flat=True))
        if not series.received_in:
            self.set(series, received_in=source.study_instance_uid)
        self.set(series, study_id=to.pk)
        self._carry(uids, source, to)
        self.images += len(uids)

    def move_images(self, pks: list[int], to: Series) -> None:
        """Images into another series row of the same UID, of another study."""
        rows = Instance.objects.filter(pk__in=pks).select_related("series")
        source: dict[int, list[Instance]] = {}
        for row in rows:
            source.setdefault(row.series_id, []).append(row)
        for series_pk, images in source.items():
            ids = [image.pk for image in images]
            for start in range(0, len(ids), AT_ONCE):
                Instance.objects.filter(pk__in=ids[start : start + AT_ONCE]).update(series=to)
            self.changes.append({"m": "images", "pk": ids, "o": series_pk, "n": to.pk})
            from_study = self.lock([images[0].series.study_id])[0]
            to_study = self.lock([to.study_id])[0]
            uids = [image.sop_instance_uid for image in images]
            self._carry(uids, from_study, to_study)
        self.images += len(pks)

    def _carry(self, uids: list[str], source: Study, to: Study) -> None:
        """What goes with images: documents, marks, and never a send under way of the old study."""
        documents.move(source.site_id, uids, to.study_instance_uid)
        for start in range(0, len(uids), AT_ONCE):
            some = uids[start : start + AT_ONCE]
            for model in (Measurement, KeyImage):
                model.objects.filter(study=source, sop_instance_uid__in=some).update(study=to)
            SendItem.objects.filter(
                send__study=source,
                instance__sop_instance_uid__in=some,
                state=SendItem.State.WAITING,
            ).delete()
        self._recount |= {source.pk, to.pk}

    # The end

    def finish(
        self, correction: Correction | None, *, action: str, origin: dict[str, Any], actor: Any
    ) -> None:
        """All that follows: counts, search text, versions, documents, audit, events, orders."""
        for pk in sorted(self._recount):
            self._count(self.studies[pk])
        for study in self.studies.values():
            if study.pk in self._search:
                study.search_text = search_text(study)
            study.corrected_at = self.now
            study.correction_version += 1
            study.save(update_fields=["search_text", "corrected_at", "correction_version"])
            if self.dry:
                continue
            for series in study.series.all():
                documents.lay(
                    study.site_id,
                    study.study_instance_uid,
                    series.series_instance_uid,
                    overlay_of(study, series),
                )
            study.series.update(metadata_version=F("metadata_version") + 1)
            audit.record(
                action,
                actor=actor,
                study=study,
                detail={
                    "correction": correction.pk if correction else None,
                    "kind": correction.kind if correction else "",
                    "reason": correction.reason if correction else "",
                    "fields": sorted(
                        {
                            change["f"]
                            for change in self.changes
                            if change["m"] == "study" and change["pk"] == study.pk
                        }
                    ),
                    "images": self.images,
                },
                **origin,
            )
            if correction is not None:
                events.publish(
                    "study.corrected",
                    site=study.site_id,
                    study=study.pk,
                    correction=correction.pk,
                    after_signing=study.reading_state in SIGNED,
                )
            events.publish("study.changed", site=study.site_id, study=study.pk)
            if self._orders_may_leave(study, correction):
                matching.corrected(study, actor, **origin)
            matching.match(study.site_id, study.accession_number, actor)
        ids = list(self.studies)
        transaction.on_commit(lambda: _after(ids))

    def _orders_may_leave(self, study: Study, correction: Correction | None) -> bool:
        """Never of a signed report, whose messages go on naming the order it was signed for, nor
        in a merge: that is the same person under another number."""
        if study.reading_state in SIGNED or (
            correction is not None and correction.kind == CorrectionKind.MERGE
        ):
            return False
        return any(
            change["m"] == "rejected" or change.get("f") in OF_ORDER
            for change in self.changes
            if change["pk"] == study.pk and change["m"] in ("study", "rejected")
        )

    def _count(self, study: Study) -> None:
        for series in study.series.annotate(images=Count("instances")):
            if series.number_of_instances != series.images:
                Series.objects.filter(pk=series.pk).update(number_of_instances=series.images)
        rows = study.series.filter(number_of_instances__gt=0)
        modalities = sorted({one for one in rows.values_list("modality", flat=True) if one})
        study.number_of_series = rows.count()
        study.number_of_instances = Instance.objects.filter(series__study=study).count()
        study.modalities = clip("/".join(modalities), 64)
        study.save(update_fields=["number_of_series", "number_of_instances", "modalities"])

    # Taking back

    def undo(self, correction: Correction) -> None:
        """Everything as it was before. Raises Refused where it was corrected again since."""
        again = Refused("This was corrected again since. Take the later correction back first.")
        for change in reversed(correction.changes):
            kind, old, new = change["m"], change["o"], change["n"]
            if kind in MODELS:
                row = MODELS[kind].objects.filter(pk=change["pk"]).first()
                if kind == "study":
                    row = self.lock([change["pk"]])[0]
                if row is None or _plain(getattr(row, change["f"])) != new:
                    raise again
                if kind == "series" and change["f"] == "study_id":
                    self._series_back(row, old)
                    continue
                field = row._meta.get_field(change["f"])
                self.set(row, **{change["f"]: field.to_python(old)})
            elif kind == "keywords":
                study = self.lock([change["pk"]])[0]
                gone = set(new) - _needed(study, correction)
                study.corrected = joined(set(keywords_of(study)) - gone)
                study.save(update_fields=["corrected"])
            elif kind == "rejected":
                study = self.lock([change["pk"]])[0]
                if not RejectedStudy.objects.filter(study=study).delete()[0]:
                    raise again
                searchindex.count(study, 1)
            elif kind == "created":
                study, like = self.lock([change["pk"], old])
                if not Instance.objects.filter(series__study=study).exists():
                    self.reject(study, of=like)
            elif kind == "images":
                self._images_back(change, again)

    def _series_back(self, series: Series, to_pk: int) -> None:
        to, _ = self.lock([to_pk]), self.lock([series.study_id])
        self.move_series(series, to[0])

    def _images_back(self, change: dict[str, Any], again: Refused) -> None:
        ids = change["pk"]
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            if Instance.objects.filter(pk__in=some, series=change["n"]).count() != len(some):
                raise again
        self.move_images(ids, Series.objects.get(pk=change["o"]))


def _needed(study: Study, but: Correction) -> set[str]:
    """Keywords that the other corrections of a study need."""
    rows = Correction.objects.filter(studies=study, undone_at=None).exclude(pk=but.pk)
    return {
        keyword
        for changes in rows.values_list("changes", flat=True)
        for change in changes
        if change["m"] == "keywords" and change["pk"] == study.pk
        for keyword in change.get("k", change["n"])
    }


def _plain(value: Any) -> Any:
    """A value as JSON keeps it."""
    return value.isoformat() if hasattr(value, "isoformat") else value


def _after(studies: list[int]) -> None:
    from studies.tasks import warm_study

    signals.corrected.send(Work, studies=studies)
    for pk in studies:
        warm_study.delay(pk)
