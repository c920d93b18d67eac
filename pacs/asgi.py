"""ASGI root: data plane and pages over HTTP, the worklist's events over WebSocket."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pacs.settings.development")
pages = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.urls import path  # noqa: E402

from studies.consumers import WorklistConsumer  # noqa: E402
from studies.dicomweb.dataplane import DataPlane  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": DataPlane(fallback=pages),
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(URLRouter([path("ws/worklist/", WorklistConsumer.as_asgi())]))
        ),
    }
)
