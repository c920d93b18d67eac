"""A clean end of the web process."""

from __future__ import annotations

import asyncio
from typing import Any

from channels.layers import get_channel_layer
from twisted.internet import reactor
from twisted.internet.defer import Deferred


def close_channel_layer_with_reactor() -> None:
    """Close the channel layer's connections when Daphne's reactor stops.

    Their threads are no daemons: the interpreter would wait for them for ever.
    """

    def close() -> Deferred[Any] | None:
        layer = get_channel_layer()
        if layer is None or not hasattr(layer, "close"):
            return None
        return Deferred.fromFuture(asyncio.ensure_future(layer.close()))

    reactor.addSystemEventTrigger("before", "shutdown", close)  # type: ignore[attr-defined, arg-type]
