"""Sites, users, roles and tokens in the admin."""

from __future__ import annotations

from typing import Any, ClassVar

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
)

from pacs import audit
from pacs.accounts import services
from pacs.accounts.addresses import client_address
from pacs.accounts.models import TOKEN_DAYS, ApiToken, Membership, Scope, Site, User
from pacs.accounts.scoped_admin import ScopedAdmin, ScopedInline, is_superuser, sites_of
from pacs.accounts.views import Logout


def _login(request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
    """The portal's login with its throttle; who is logged in and no administrator gets 403."""
    target = request.GET.get("next") or reverse("admin:index")
    if not request.user.is_authenticated:
        return redirect_to_login(target, settings.LOGIN_URL)
    if not admin.site.has_permission(request):
        raise PermissionDenied
    return HttpResponseRedirect(reverse("admin:index"))


_plain_password_change = admin.site.password_change


def _password_change(request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
    """One's own password, audited."""
    with transaction.atomic():
        response: HttpResponseBase = _plain_password_change(request, extra_context)
        if request.method == "POST" and response.status_code == 302:
            audit.record(
                "user.password",
                actor=request.user,
                address=client_address(request),
                detail={"user": request.user.pk},
            )
    return response


def _logout(request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
    return Logout.as_view()(request)


portal: Any = admin.site
portal.login = _login
portal.logout = _logout
portal.password_change = _password_change
# Roles take the place of groups; the throttle's own tables hold typed text and are nobody's read.
for _model in (Group, AccessAttempt, AccessFailureLog, AccessLog):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)


@admin.register(Site)
class SiteAdmin(ScopedAdmin):
    """Sites are never deleted: a token narrowed to one would widen to all."""

    site_lookup = "pk"
    list_display = ("name", "slug", "timezone", "quiet_seconds", "auto_release_minutes")
    search_fields = ("name", "slug")
    fields = ("name", "slug", "timezone", "quiet_seconds", "auto_release_minutes")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_superuser(request)

    def get_readonly_fields(self, request: HttpRequest, obj: Site | None = None) -> tuple[str, ...]:
        return () if is_superuser(request) else ("slug",)


class MembershipFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    """A new user needs a role where a site administrator adds one."""

    required = False

    def clean(self) -> None:
        super().clean()
        kept = [
            form
            for form in self.forms
            if form.cleaned_data.get("role") and not form.cleaned_data.get("DELETE")
        ]
        if self.required and not any(self.errors) and not kept:
            raise forms.ValidationError("Give the new user a role at your site.")


class MembershipInline(ScopedInline):
    model = Membership
    formset = MembershipFormSet
    fields = ("site", "role")
    may_change = False
    may_delete = True

    def get_formset(self, request: HttpRequest, obj: User | None = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        formset.required = obj is None and not is_superuser(request)
        return formset

    def _reaches(self, request: HttpRequest, obj: Any) -> bool:
        """Django asks with the user, not with the membership."""
        return is_superuser(request) or bool(sites_of(request))


@admin.register(User)
class UserAdmin(ScopedAdmin, DjangoUserAdmin):  # type: ignore[type-arg]
    """Users. Site administrators see who works at their site and change who works only there."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    inlines: ClassVar = [MembershipInline]
    list_display = ("username", "first_name", "last_name", "is_active", "last_login")
    list_filter = ("is_active", ("memberships__site", admin.RelatedOnlyFieldListFilter))
    search_fields = ("username", "first_name", "last_name", "email")
    ordering = ("username",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined", "is_staff", "is_demo")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Access", {"fields": ("is_active",)}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    superuser_fieldsets = (
        *fieldsets[:2],
        ("Access", {"fields": ("is_active", "is_superuser", "is_staff", "is_demo")}),
        fieldsets[3],
    )
    add_fieldsets = ((None, {"fields": ("username", "usable_password", "password1", "password2")}),)

    def scope(self, request: HttpRequest, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if is_superuser(request):
            return rows
        here = Membership.objects.filter(site__in=sites_of(request)).values("user")
        return rows.filter(is_superuser=False, pk__in=here)

    def site_of(self, obj: User) -> int | None:
        return services.only_site(obj)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is not None and not services.may_administer_user(request.user, obj):
            return False
        return super().has_change_permission(request, obj)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        return self.superuser_fieldsets if is_superuser(request) else self.fieldsets

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        services.refresh_admin_access(obj)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Roles are given and taken by the service, which checks and audits each."""
        if formset.model is not Membership:
            raise PermissionDenied
        given = formset.save(commit=False)
        address = client_address(request)
        for row in formset.deleted_objects:
            services.revoke_role(request.user, row.user, row.site, row.role, address=address)
        for row in given:
            services.grant_role(request.user, row.user, row.site, row.role, address=address)

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        with transaction.atomic():
            return super().user_change_password(request, id, form_url)


@admin.register(Membership)
class MembershipAdmin(ScopedAdmin):
    """Roles. They are given and taken, never changed in place."""

    may_change = False
    may_delete = True
    audited_by_service = True
    list_display = ("user", "role", "site")
    list_filter = ("role", ("site", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("user", "site")
    search_fields = ("user__username", "user__last_name")
    fields = ("user", "site", "role")

    def scope(self, request: HttpRequest, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        rows = super().scope(request, rows)
        return rows if is_superuser(request) else rows.filter(user__is_superuser=False)

    def user_choices(self, request: HttpRequest) -> models.QuerySet[User]:
        here = Membership.objects.filter(site__in=sites_of(request)).values("user")
        return User.objects.filter(is_superuser=False, pk__in=here)

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        granted = services.grant_role(
            request.user, obj.user, obj.site, obj.role, address=client_address(request)
        )
        obj.pk = granted.pk

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        services.revoke_role(
            request.user, obj.user, obj.site, obj.role, address=client_address(request)
        )


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        initial=[Scope.READ],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        label="It may",
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=3660,
        initial=TOKEN_DAYS,
        widget=UnfoldAdminIntegerFieldWidget,
        label="Days until it expires",
    )

    class Meta:
        model = ApiToken
        fields = ("user", "name", "sites")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        user, sites = data.get("user"), data.get("sites")
        if user is not None and sites and not user.is_superuser:
            own = set(user.memberships.values_list("site_id", flat=True))
            if any(site.pk not in own for site in sites):
                self.add_error("sites", "The user does not belong to every one of these sites.")
        return data


@admin.register(ApiToken)
class ApiTokenAdmin(ScopedAdmin):
    """Tokens: the secret is on the page that answers the creation and nowhere else."""

    form = TokenForm
    may_change = False
    audited_by_service = True
    list_display = ("name", "user", "starts_with", "state", "expires_at", "last_used_at")
    list_select_related = ("user",)
    list_filter = ("revoked_at",)
    search_fields = ("name", "prefix", "user__username")
    fields = ("user", "name", "scopes", "sites", "days")
    actions: ClassVar = ["revoke"]

    def scope(self, request: HttpRequest, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if is_superuser(request):
            return rows
        return rows.filter(user__in=services.administered_users(request.user))

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        if obj is None:
            return self.fields
        return (
            *("user", "name", "starts_with", "scopes", "sites", "state"),
            *("created_at", "expires_at", "revoked_at", "last_used_at"),
        )

    @admin.display(description="Begins with")
    def starts_with(self, token: ApiToken) -> str:
        return f"{token.prefix}..."

    @admin.display(description="State")
    def state(self, token: ApiToken) -> str:
        if token.revoked_at is not None:
            return "Revoked"
        return "Expired" if token.expires_at <= timezone.now() else "Usable"

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> ApiToken:
        data = form.cleaned_data
        token, secret = services.issue_token(
            request.user,
            data["user"],
            data["name"],
            scopes=data["scopes"],
            sites=data["sites"],
            days=data["days"],
            address=client_address(request),
        )
        request.new_token = secret  # type: ignore[attr-defined]
        return token

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        """`save_form` made the token."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The service set the sites."""

    def response_add(
        self, request: HttpRequest, obj: ApiToken, post_url_continue: Any = None
    ) -> HttpResponseBase:
        context = {
            **self.admin_site.each_context(request),
            "title": "New token",
            "token": obj,
            "secret": request.new_token,  # type: ignore[attr-defined]
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/accounts/apitoken/created.html", context)

    @admin.action(description="Revoke: useless from now on")
    def revoke(self, request: HttpRequest, queryset: models.QuerySet[ApiToken]) -> None:
        revoked = sum(
            services.revoke_token(request.user, token, address=client_address(request))
            for token in queryset
        )
        self.message_user(request, f"{revoked} revoked.")
