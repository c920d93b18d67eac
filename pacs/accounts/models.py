"""Users, sites, memberships and API tokens."""

from __future__ import annotations

import hashlib
import secrets
import zoneinfo
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

TOKEN_DAYS = 90
TOKEN_PREFIX = "lbx_"  # noqa: S105


def validate_time_zone(name: str) -> None:
    """Refuses a name that the time zone database does not know."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError("Not a time zone name such as Europe/Berlin.")


class Site(models.Model):
    """A hospital or imaging centre. Every tenant row carries its site."""

    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=60, unique=True)
    timezone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    quiet_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="A study counts as quiet this long after its last image. Empty: by modality.",
    )
    auto_release_minutes = models.PositiveIntegerField(
        default=60,
        help_text="A claimed study without a draft is released after this long. 0: never.",
    )

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """A person. What they may see comes from memberships; superusers see every site."""

    is_demo = models.BooleanField(
        default=False, editable=False, help_text="Made by the demo; production refuses to start."
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("username"), name="user_username_case_insensitive"),
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.username


class Role(models.TextChoices):
    RADIOLOGIST = "radiologist", "Radiologist"
    TECHNICIAN = "technician", "Technician"
    REFERRER = "referrer", "Referrer"
    SITE_ADMIN = "site_admin", "Site administrator"


# Roles that see every study of their site. Referrers see granted studies only.
WHOLE_SITE_ROLES = (Role.RADIOLOGIST, Role.TECHNICIAN, Role.SITE_ADMIN)


class Membership(models.Model):
    """One role of one user at one site."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role)
    needs_cosignature = models.BooleanField(
        default=False,
        help_text="A resident: signs reports preliminarily, another radiologist signs them as well",
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "site", "role"], name="membership_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user} as {self.get_role_display()} at {self.site}"


class Scope(models.TextChoices):
    READ = "read", "Read images and search"
    WRITE = "write", "Send images"


class ApiToken(models.Model):
    """A bearer token: 256 random bits shown once; only its SHA-256 is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list)
    sites = models.ManyToManyField(
        Site, blank=True, help_text="Narrows the token to these sites. Empty: all of the user's."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API token"
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}...)"

    def save(self, *args: Any, **kwargs: Any) -> None:
        unknown = set(self.scopes) - set(Scope.values)
        if unknown:
            raise ValidationError(f"Unknown scope: {', '.join(sorted(unknown))}")
        super().save(*args, **kwargs)

    @staticmethod
    def digest_of(secret: str) -> str:
        return hashlib.sha256(secret.encode()).hexdigest()

    @classmethod
    def issue(
        cls,
        user: User,
        name: str,
        *,
        scopes: list[str] | None = None,
        sites: list[Site] | None = None,
        days: int = TOKEN_DAYS,
    ) -> tuple[ApiToken, str]:
        """A new token and its secret, which nothing can show again."""
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        token = cls.objects.create(
            user=user,
            name=name,
            prefix=secret[:10],
            digest=cls.digest_of(secret),
            scopes=scopes or [Scope.READ.value],
            expires_at=timezone.now() + timedelta(days=days),
        )
        if sites:
            token.sites.set(sites)
        return token, secret

    @classmethod
    def find(cls, secret: str) -> ApiToken | None:
        """The usable token of this secret: not expired, not revoked, its user active."""
        if not secret.startswith(TOKEN_PREFIX) or len(secret) > 100:
            return None
        return (
            cls.objects.select_related("user")
            .filter(
                digest=cls.digest_of(secret),
                revoked_at=None,
                expires_at__gt=timezone.now(),
                user__is_active=True,
            )
            .first()
        )
