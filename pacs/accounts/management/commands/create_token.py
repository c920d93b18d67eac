"""Prints a new bearer token for the API and DICOMweb, and nothing else, on standard output."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from pacs.accounts import services
from pacs.accounts.errors import NotAllowed
from pacs.accounts.models import TOKEN_DAYS, Scope, Site, User


class Command(BaseCommand):
    help = "Print a new bearer token of a user. It is shown only now."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="command line", help="What the token is for")
        parser.add_argument(
            "--scope", action="append", choices=Scope.values, help="Default: read. Repeatable"
        )
        parser.add_argument(
            "--site", action="append", default=[], help="Slug of a site to narrow it to. Repeatable"
        )
        parser.add_argument("--days", type=int, default=TOKEN_DAYS, help="Days until it expires")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username__iexact=options["username"]).first()
        if user is None:
            raise CommandError("There is no such user.")
        if not 1 <= options["days"] <= 3660:
            raise CommandError("--days must be between 1 and 3660.")
        sites = list(Site.objects.filter(slug__in=options["site"]))
        if missing := set(options["site"]) - {site.slug for site in sites}:
            raise CommandError(f"There is no site {', '.join(sorted(missing))}.")
        try:
            token, secret = services.issue_token(
                None,
                user,
                options["name"][:80],
                scopes=sorted(set(options["scope"] or [Scope.READ.value])),
                sites=sites,
                days=options["days"],
            )
        except NotAllowed as error:
            raise CommandError(str(error)) from error
        self.stderr.write(
            f"Token of {user.username} ({', '.join(token.scopes)}), expires "
            f"{token.expires_at:%Y-%m-%d}. It is not shown again.",
            self.style.SUCCESS,
        )
        self.stdout.write(secret)
