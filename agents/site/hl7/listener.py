"""Listens for HL7 in MLLP frames, from listed peers only. One message at a time a connection."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import Iterable

from agents.site.hl7 import ack
from agents.site.hl7.framing import FrameError, Framer, framed
from agents.site.hl7.inbox import Inbox
from agents.site.options import Hl7Section
from agents.site.problems import Problems

log = logging.getLogger("agents.site")

MOST_CONNECTIONS = 50
UNFINISHED = 30.0
"""Seconds that a message which has begun may take to end."""
AGAIN = 10.0


def listed(address: str, peers: Iterable[str]) -> bool:
    """Whether an address lies in one of the networks."""
    try:
        place = ipaddress.ip_address(address)
    except ValueError:
        return False
    place = getattr(place, "ipv4_mapped", None) or place
    return any(place in ipaddress.ip_network(each, strict=False) for each in peers)


class Listener:
    """The MLLP server; `run` until cancelled."""

    def __init__(self, section: Hl7Section, inbox: Inbox, problems: Problems) -> None:
        self._section = section
        self._inbox = inbox
        self._problems = problems
        self._open = 0

    async def run(self) -> None:
        """Listen; where the port is taken, try again until it is free."""
        while True:
            try:
                server = await asyncio.start_server(
                    self._serve, self._section.address, self._section.port
                )
            except OSError as error:
                words = error.strerror or type(error).__name__
                self._problems.note("hl7", f"cannot listen on port {self._section.port}: {words}")
                await asyncio.sleep(AGAIN)
                continue
            log.info("listening for HL7 on port %s", self._section.port)
            async with server:
                await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = str((writer.get_extra_info("peername") or ["unknown"])[0])
        self._open += 1
        try:
            if not listed(address, self._section.peers):
                self._problems.note("hl7", f"{address} is not a listed peer and was disconnected")
            elif self._open > MOST_CONNECTIONS:
                self._problems.note("hl7", f"more than {MOST_CONNECTIONS} connections")
            else:
                _keep_alive(writer)
                await self._converse(reader, writer)
        except FrameError as error:
            self._problems.note("hl7", f"{address} was disconnected: {error}")
            with contextlib.suppress(OSError, TimeoutError):
                await self._answer(writer, ack.of(None, "AR", str(error)))
        except TimeoutError:
            self._problems.note("hl7", f"{address} was disconnected: a message did not end")
        except OSError:
            log.info("the connection of %s broke", address)
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = Framer(self._section.max_message_kb * 1024)
        while True:
            # Between messages a peer may be silent for as long as it likes.
            limit = UNFINISHED if framer.in_message else None
            async with asyncio.timeout(limit):
                data = await reader.read(65_536)
            if not data:
                return
            for message in framer.feed(data):
                answer = await asyncio.to_thread(self._inbox.take, message)
                await self._answer(writer, answer)

    @staticmethod
    async def _answer(writer: asyncio.StreamWriter, answer: bytes) -> None:
        writer.write(framed(answer))
        async with asyncio.timeout(UNFINISHED):
            await writer.drain()


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """A peer that is gone without a word is noticed by the system."""
    found: socket.socket | None = writer.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
