"""The only writers of templates and macros. Each change is audited in its transaction."""

from __future__ import annotations

import re
from typing import Any

from django.db import IntegrityError, transaction

from pacs import audit
from pacs.accounts.models import Role, Site, User
from pacs.accounts.principal import Principal, principal_of
from reports import document
from reports.errors import BadContent, NotAllowed, Refused
from reports.permissions import may_manage
from reports.templating.body import clean_body
from reports.templating.models import Macro, ReportTemplate, TemplateVersion
from reports.writing.cleaning import clean_html, language_of, line_of

MAX_OWN = 300
MAX_MACRO = 20_000
_ABBREVIATION = re.compile(r"[^\W_][\w.+/\-]{0,23}")
_MODALITY = re.compile(r"[A-Z][A-Z0-9_]{1,15}")
_DETAILS = ("name", "language", "modalities", "body_parts", "procedure_codes")


def may_keep_own(who: Principal) -> bool:
    """Whether somebody has templates and macros of their own: radiologists and superusers."""
    return "write" in who.scopes and (
        who.is_superuser or any(role == Role.RADIOLOGIST for _, role in who.roles)
    )


def may_change(who: Principal, row: ReportTemplate | Macro) -> bool:
    """Owners their own, administrators their site's, superusers everybody's; nobody a person's."""
    if "write" not in who.scopes:
        return False
    if row.owner_id is not None:
        return row.owner_id == who.user_id and may_keep_own(who)
    if row.site_id is not None:
        return may_manage(who, row.site_id)
    return who.is_superuser


def _require(actor: User, row: ReportTemplate | Macro) -> None:
    if not may_change(principal_of(actor), row):
        raise NotAllowed("You may not change this: copy it and change the copy.")


def create_template(
    actor: User,
    *,
    body: Any,
    site: Site | None = None,
    owner: User | None = None,
    origin: dict[str, str] | None = None,
    **details: Any,
) -> ReportTemplate:
    """A template with its first version. Raises NotAllowed, BadContent and Refused."""
    template = ReportTemplate(site=site, owner=owner, **_details(details))
    _require(actor, template)
    if owner is not None and ReportTemplate.objects.filter(owner=owner).count() >= MAX_OWN:
        raise Refused(f"You have {MAX_OWN} templates: that is all there can be.", code="too-many")
    cleaned = clean_body(body)
    with transaction.atomic():
        template.save()
        TemplateVersion.objects.create(template=template, number=1, body=cleaned, author=actor)
        _record("template.created", actor, template, origin)
    return template


def revise(
    actor: User, template: ReportTemplate, body: Any, *, origin: dict[str, str] | None = None
) -> TemplateVersion:
    """The next version, unless the body is what the newest says. Versions never change."""
    _require(actor, template)
    cleaned = clean_body(body)
    with transaction.atomic():
        # One at a time: whoever comes second gets the number after.
        ReportTemplate.objects.select_for_update().get(pk=template.pk)
        newest = newest_version(template)
        if newest is not None and newest.body == cleaned:
            return newest
        version = TemplateVersion.objects.create(
            template=template,
            number=newest.number + 1 if newest else 1,
            body=cleaned,
            author=actor,
        )
        _record("template.revised", actor, template, origin, version=version.number)
    return version


def describe(
    actor: User, template: ReportTemplate, *, origin: dict[str, str] | None = None, **details: Any
) -> None:
    """Change the name, and what studies it is for. Drafts keep the name they began with."""
    _require(actor, template)
    cleaned = _details({**{name: getattr(template, name) for name in _DETAILS}, **details})
    changed = [name for name in cleaned if cleaned[name] != getattr(template, name)]
    if not changed:
        return
    for name in changed:
        setattr(template, name, cleaned[name])
    with transaction.atomic():
        template.save(update_fields=changed)
        _record("template.described", actor, template, origin, fields=changed)


def set_active(
    actor: User,
    template: ReportTemplate,
    *,
    active: bool,
    origin: dict[str, str] | None = None,
) -> None:
    """Retire a template, or take it back. Drafts that were made of it go on with it."""
    _require(actor, template)
    with transaction.atomic():
        if ReportTemplate.objects.filter(pk=template.pk, is_active=not active).update(
            is_active=active
        ):
            action = "template.restored" if active else "template.retired"
            _record(action, actor, template, origin)
    template.is_active = active


def copy(
    actor: User, template: ReportTemplate, *, origin: dict[str, str] | None = None
) -> ReportTemplate:
    """A copy of one's own of the newest version."""
    newest = newest_version(template)
    if newest is None:
        raise Refused("This template says nothing yet.")
    details: dict[str, Any] = {name: getattr(template, name) for name in _DETAILS}
    details["name"] = f"{template.name[:110]} (copy)"
    return create_template(actor, body=newest.body, owner=actor, origin=origin, **details)


def newest_version(template: ReportTemplate) -> TemplateVersion | None:
    """The version that new reports start from."""
    return TemplateVersion.objects.filter(template=template).order_by("-number").first()


def version_of(content: dict[str, Any]) -> TemplateVersion | None:
    """The version that a document was made of, retired or not; None where it names none."""
    named = content.get("template")
    if not named:
        return None
    return (
        TemplateVersion.objects.select_related("template")
        .filter(template=named["id"], number=named["version"])
        .first()
    )


def save_macro(
    actor: User,
    macro: Macro | None = None,
    *,
    site: Site | None = None,
    owner: User | None = None,
    origin: dict[str, str] | None = None,
    **said: Any,
) -> Macro:
    """A new macro (of `site`, `owner` or everybody), or other words for one.

    Raises NotAllowed, BadContent, and Refused where the abbreviation is taken.
    """
    is_new = macro is None
    macro = macro or Macro(site=site, owner=owner)
    _require(actor, macro)
    if is_new and owner is not None and Macro.objects.filter(owner=owner).count() >= MAX_OWN:
        raise Refused(f"You have {MAX_OWN} macros: that is all there can be.", code="too-many")
    for name, value in _macro(said).items():
        setattr(macro, name, value)
    try:
        with transaction.atomic():
            macro.save()
            _record("macro.created" if is_new else "macro.changed", actor, macro, origin)
    except IntegrityError:
        raise Refused(
            f"There is a macro “{macro.abbreviation}” already.", code="abbreviation-taken"
        ) from None
    return macro


def delete_macro(actor: User, macro: Macro, *, origin: dict[str, str] | None = None) -> None:
    """Take a macro away. Texts that it wrote stay."""
    _require(actor, macro)
    with transaction.atomic():
        _record("macro.deleted", actor, macro, origin)
        macro.delete()


def _macro(said: dict[str, Any]) -> dict[str, Any]:
    abbreviation = line_of(said.get("abbreviation", ""), "The abbreviation", 24)
    if not _ABBREVIATION.fullmatch(abbreviation):
        raise BadContent(
            "An abbreviation begins with a letter or digit and has at most 24 letters, digits"
            " and . + / - _, no spaces.",
            code="abbreviation",
        )
    html = clean_html(said.get("html", ""))
    if not html:
        raise BadContent("A macro needs a text.", code="empty")
    if len(html) > MAX_MACRO:
        raise BadContent(f"A macro may have {MAX_MACRO} characters.", code="too-long")
    sections = _lines(said.get("sections"), "sections", 10, 40)
    if unknown := set(sections) - {*document.SECTIONS, document.ADDENDUM}:
        raise BadContent(f"There is no section “{min(unknown)}”.", code="section")
    language = said.get("language") or ""
    return {
        "abbreviation": abbreviation,
        "html": html,
        "sections": sections,
        "modalities": _modalities(said.get("modalities")),
        "language": language_of(language) if language else "",
    }


def _details(said: dict[str, Any]) -> dict[str, Any]:
    name = line_of(said.get("name", ""), "The name", 120)
    if not name:
        raise BadContent("A template needs a name.", code="name")
    return {
        "name": name,
        "language": language_of(said.get("language") or "en"),
        "modalities": _modalities(said.get("modalities")),
        "body_parts": _lines(said.get("body_parts"), "body parts", 40, 64),
        "procedure_codes": _lines(said.get("procedure_codes"), "procedure codes", 200, 16),
    }


def _modalities(raw: Any) -> list[str]:
    found = [text.upper() for text in _lines(raw, "modalities", 20, 16)]
    if wrong := [text for text in found if not _MODALITY.fullmatch(text)]:
        raise BadContent(f"“{wrong[0]}” is no modality such as CT or MR.", code="modality")
    return found


def _lines(raw: Any, what: str, most: int, longest: int) -> list[str]:
    if raw is None:
        return []
    if not isinstance(raw, list) or len(raw) > most:
        raise BadContent(f"The {what} must be a list of at most {most}.", code="shape")
    found = [line_of(entry, f"One of the {what}", longest) for entry in raw]
    return list(dict.fromkeys(text for text in found if text))


def _record(
    action: str,
    actor: User,
    row: ReportTemplate | Macro,
    origin: dict[str, str] | None,
    **detail: Any,
) -> None:
    audit.record(
        action,
        actor=actor,
        site=row.site_id,
        detail={"id": row.pk, "personal": row.owner_id is not None, **detail},
        **(origin or {}),  # type: ignore[typeddict-item]
    )
