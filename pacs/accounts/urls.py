"""Login, logout and the session's clock."""

from __future__ import annotations

from django.urls import path

from pacs.accounts import views

urlpatterns = [
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", views.Logout.as_view(), name="logout"),
    path("session/activity/", views.activity, name="session-activity"),
    path("session/lock/", views.lock, name="session-lock"),
    path("session/unlock/", views.unlock, name="session-unlock"),
    path("session/state/", views.state, name="session-state"),
]
