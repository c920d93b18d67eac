"""Places, rules and deliveries in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from pacs.accounts.models import Site
from pacs.accounts.scoped_admin import ScopedAdmin, is_superuser, sites_of
from reports.delivery import registry
from reports.delivery.models import Delivery, DeliveryPlace, DeliveryRule
from reports.output.hl7 import CHARSETS

TEXTS = (
    *("host", "url", "agent", "receiver", "sending_application", "sending_facility"),
    *("receiving_application", "receiving_facility"),
)
SETTINGS = (*TEXTS, "port", "tls", "charset")


def _text(label: str, help_text: str = "") -> Any:
    return forms.CharField(
        required=False,
        max_length=300,
        label=label,
        help_text=help_text,
        widget=UnfoldAdminTextInputWidget,
    )


class PlaceForm(forms.ModelForm):  # type: ignore[type-arg]
    """The secret can be written and never read back, nor sent elsewhere."""

    may_name_own_machine = False
    host = _text("Host", "Of the receiver; PACS_HL7_RECEIVERS has to name it.")
    port = forms.IntegerField(
        required=False, min_value=1, max_value=65535, widget=UnfoldAdminTextInputWidget
    )
    tls = forms.BooleanField(required=False, label="TLS")
    charset = forms.ChoiceField(
        required=False,
        label="Character set",
        choices=[(name, name) for name in CHARSETS],
        help_text="MSH-18; what it does not have becomes ?.",
        widget=UnfoldAdminSelectWidget,
    )
    sending_application = _text("Sending application", "MSH-3. Empty: LIGHTBOX.")
    sending_facility = _text("Sending facility", "MSH-4.")
    receiving_application = _text("Receiving application", "MSH-5.")
    receiving_facility = _text("Receiving facility", "MSH-6.")
    agent = _text("Site agent", "Its name.")
    receiver = _text("Receiver", "As the agent's configuration calls it ([[oru]]).")
    url = _text("Address", "Base of the FHIR service: https://fhir.example/r4")
    new_secret = forms.CharField(
        required=False,
        max_length=4000,
        label="Bearer token",
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Empty: stays.",
    )

    class Meta:
        model = DeliveryPlace
        fields = ("site", "transport", "name", "is_enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "transport" in self.fields:
            self.fields["transport"] = forms.ChoiceField(
                choices=[
                    (name, each.title) for name, each in registry.everything() if each.is_entered
                ],
                widget=UnfoldAdminSelectWidget,
            )
        found = self.instance.settings
        for name in SETTINGS:
            if name in self.fields:
                self.initial[name] = found.get("agent_name" if name == "agent" else name, "")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        transport = registry.find(cleaned.get("transport") or self.instance.transport)
        site = cleaned.get("site") or (self.instance.site if self.instance.pk else None)
        if transport is None or site is None or not self.is_entered:
            return cleaned
        values = {name: cleaned.get(name) for name in SETTINGS}
        values["may_name_own_machine"] = self.may_name_own_machine
        found = transport.clean_settings(site.pk, values)
        for name, problem in found.problems.items():
            self.add_error(name if name in self.fields else None, problem)
        new = cleaned.get("new_secret")
        if "url" in self.changed_data and self.instance.secret and not new:
            # A secret never follows a change of address by itself.
            self.add_error("new_secret", "Enter it again: the address has changed.")
        if new:
            if any(letter in new for letter in "\r\n"):
                self.add_error("new_secret", "It is one line.")
            self.instance.secret = new
        self.instance.settings = found.values
        return cleaned

    @property
    def is_entered(self) -> bool:
        """Not what the portal made a row of by itself."""
        return not self.instance.pk or bool(self.instance.is_entered)


@admin.register(DeliveryPlace)
class DeliveryPlaceAdmin(ScopedAdmin):
    """Site administrators keep the places of their own sites; printers and Orthancs are seen here
    with how they do, and can be switched off."""

    form = PlaceForm
    list_display = ("name", "site", "way", "is_enabled", "last_contact_at", "last_error")
    list_select_related = ("site",)
    list_filter = ("transport", "is_enabled", ("site", admin.RelatedOnlyFieldListFilter))
    readonly_fields = ("last_contact_at", "failures", "next_attempt_at", "last_error")
    own_fieldsets = (
        (
            "HL7 (ORU)",
            {
                "fields": (
                    *("host", "port", "tls", "charset", "sending_application"),
                    *("sending_facility", "receiving_application", "receiving_facility"),
                )
            },
        ),
        ("HL7 (ORU) through a site agent", {"fields": ("agent", "receiver")}),
        ("FHIR server", {"fields": ("url", "new_secret")}),
    )

    @admin.display(description="Way")
    def way(self, obj: DeliveryPlace) -> str:
        """The transport's title."""
        return registry.title_of(obj.transport)

    def get_fieldsets(self, request: HttpRequest, obj: DeliveryPlace | None = None) -> Any:
        """What is entered, for entered places alone."""
        head = (None, {"fields": ("site", "transport", "name", "is_enabled")})
        own = self.own_fieldsets if obj is None or obj.is_entered else ()
        return (head, *own, ("Health", {"fields": self.readonly_fields}))

    def get_readonly_fields(
        self, request: HttpRequest, obj: DeliveryPlace | None = None
    ) -> tuple[str, ...]:
        """What went there went by this way from this site: neither changes."""
        if obj is None:
            return self.readonly_fields
        name = () if obj.is_entered else ("name",)
        return ("site", "transport", *name, *self.readonly_fields)

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        form.may_name_own_machine = is_superuser(request)
        return form


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]
    """Where to, among the places of the sites that the person administers."""

    site_ids: frozenset[int] = frozenset()
    where = forms.ChoiceField(label="Where to", widget=UnfoldAdminSelectWidget)
    only = forms.CharField(
        required=False,
        label="Modalities",
        help_text="Such as CT MR. Empty: every.",
        widget=UnfoldAdminTextInputWidget,
    )

    class Meta:
        model = DeliveryRule
        fields = ("site", "name", "is_enabled", "on_preliminary", "on_final", "on_addendum")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._targets: dict[str, tuple[int, str, dict[str, Any]]] = {}
        names = dict(Site.objects.filter(pk__in=self.site_ids).values_list("pk", "name"))
        choices: list[tuple[str, list[tuple[str, str]]]] = []
        for site, site_name in names.items():
            found = []
            for name, transport in registry.everything():
                for target in transport.rule_targets(site):
                    value = f"{site}|{name}|{sorted(target.data.items())}"
                    self._targets[value] = (site, name, target.data)
                    found.append((value, f"{transport.title}: {target.label}"))
                    if (site, name, target.data) == self._now():
                        self.initial["where"] = value
            choices.append((site_name, found))
        if self.instance.pk and "where" not in self.initial:
            choices.insert(0, ("As it is", [("same", "A place that is not offered any more")]))
        where: Any = self.fields["where"]
        where.choices = choices
        self.initial["only"] = " ".join(self.instance.modalities)

    def _now(self) -> tuple[int, str, dict[str, Any]]:
        rule = self.instance
        return (rule.site_id, rule.transport, rule.target)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        site = cleaned.get("site")
        chosen = self._targets.get(cleaned.get("where", ""))
        if chosen is not None:
            if site is not None and chosen[0] != site.pk:
                self.add_error("where", "This place belongs to another site.")
            self.instance.transport, self.instance.target = chosen[1], chosen[2]
        self.instance.modalities = cleaned.get("only", "").upper().replace(",", " ").split()
        return cleaned


@admin.register(DeliveryRule)
class DeliveryRuleAdmin(ScopedAdmin):
    """What becomes of signed reports by itself, at the sites that the person administers."""

    may_delete = True
    form = RuleForm
    list_display = (
        "name",
        "site",
        "way",
        "on_preliminary",
        "on_final",
        "on_addendum",
        "is_enabled",
    )
    list_select_related = ("site",)
    list_filter = ("is_enabled", ("site", admin.RelatedOnlyFieldListFilter))
    fieldsets = (
        (None, {"fields": ("site", "name", "is_enabled", "where", "only")}),
        ("When", {"fields": ("on_preliminary", "on_final", "on_addendum")}),
    )

    @admin.display(description="Way")
    def way(self, obj: DeliveryRule) -> str:
        """The transport's title."""
        return registry.title_of(obj.transport)

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        every = Site.objects.values_list("pk", flat=True) if is_superuser(request) else ()
        form.site_ids = frozenset(every) or frozenset(sites_of(request))
        return form


@admin.register(Delivery)
class DeliveryAdmin(ScopedAdmin):
    """What was delivered, to look at; people cancel and retry on the page of deliveries."""

    shows_patients = True
    may_add = may_change = False
    list_display = ("id", "version", "label", "transport", "state", "created_at")
    list_select_related = ("version",)
    list_filter = ("state", "transport", "is_recall")
    readonly_fields = tuple(
        field.name for field in Delivery._meta.fields if field.name not in {"lease_token", "key"}
    )
    fields = readonly_fields
