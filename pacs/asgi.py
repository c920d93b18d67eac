"""ASGI root: data plane and pages over HTTP; worklist events and site agents over WebSocket."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.asgi import get_asgi_application

from pacs import collector
from pacs.request_threads import RequestThreads
from studies.dicomweb.servers import paced

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pacs.settings.development")
pages = paced(RequestThreads(get_asgi_application()))

# The event loop reads and writes sockets while threads parse images. At every system call it waits
# for its turn, by default up to 5 ms: STOW-RS is some 40 % faster so.
sys.setswitchinterval(0.0005)

from pacs.memory import keep_freed  # noqa: E402

keep_freed()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import get_resolver, path  # noqa: E402

from agents.consumers import AgentConsumer  # noqa: E402
from studies.consumers import WorklistConsumer  # noqa: E402
from studies.dicomweb.dataplane import DataPlane  # noqa: E402

# The consumers identify who is there themselves: users by the data plane's rules, per message.
sockets: list[Any] = [
    path("ws/worklist/", WorklistConsumer.as_asgi()),  # type: ignore[arg-type]
    path("ws/agents/", AgentConsumer.as_asgi()),  # type: ignore[arg-type]
    path("agent-connect", AgentConsumer.as_asgi()),  # type: ignore[arg-type]
]
application = ProtocolTypeRouter(
    {
        "http": DataPlane(fallback=pages),
        "websocket": URLRouter(sockets),
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

# All pages' code is read now: the first who asks does not wait for it.
get_resolver().url_patterns  # noqa: B018
collector.past_the_start()
