"""ASGI root: data plane and pages over HTTP, the worklist's events over WebSocket."""

from __future__ import annotations

import os
import sys

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pacs.settings.development")
pages = get_asgi_application()

# The event loop reads and writes sockets while threads parse images. At every system call it waits
# for its turn, by default up to 5 ms: STOW-RS is some 40 % faster so.
sys.setswitchinterval(0.0005)

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402

from studies.consumers import WorklistConsumer  # noqa: E402
from studies.dicomweb.dataplane import DataPlane  # noqa: E402

# The consumer identifies its user itself, from the same place as the data plane, per message.
application = ProtocolTypeRouter(
    {
        "http": DataPlane(fallback=pages),
        "websocket": URLRouter(
            [path("ws/worklist/", WorklistConsumer.as_asgi())]  # type: ignore[list-item, arg-type]
        ),
    }
)

from pacs.accounts.checks import refuse_demo_accounts  # noqa: E402

refuse_demo_accounts()

if "twisted.internet.reactor" in sys.modules:
    from pacs.shutdown import close_channel_layer_with_reactor
    from pacs.streaming import stream_bodies

    stream_bodies()
    # Daphne ends only when the channel layer's database threads do.
    close_channel_layer_with_reactor()
