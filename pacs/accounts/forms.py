"""The login form."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.utils.crypto import salted_hmac

from pacs.accounts.models import User


class LoginForm(AuthenticationForm):
    """User name and password; the case of the name does not matter, to throttling neither."""

    error_messages = {
        "invalid_login": "User name and password do not match. Check both and try again.",
        "inactive": "This account is switched off. Ask your administrator.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.fields["username"].label = "User name"

    def clean_username(self) -> str:
        """The stored spelling of the name: every spelling counts as one.

        A name that nobody has may be a password in the wrong field: the throttle counts and keeps
        a keyed digest instead.
        """
        typed: str = self.cleaned_data["username"]
        stored = User.objects.filter(username__iexact=typed).values_list("username", flat=True)
        return stored.first() or salted_hmac("login.unknown", typed.lower()).hexdigest()
