"""The DICOM server for modalities: C-ECHO, worklist C-FIND, MPPS N-CREATE and N-SET.

It answers from the agent's own copy of the orders. Who calls must be listed with the AE title and
the address; another address is disconnected before it has said anything.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socketserver
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityPerformedProcedureStep,
    ModalityWorklistInformationFind,
    Verification,
)
from pynetdicom.transport import ThreadedAssociationServer

from agents import protocol
from agents.site.database import Database
from agents.site.hl7.listener import listed
from agents.site.options import WorklistSection
from agents.site.problems import Problems
from agents.site.worklist import matching
from agents.site.worklist.copy import OrderCopy

log = logging.getLogger("agents.site")
# Its own log names peers and, on debug, whole data sets.
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
_config.LOG_HANDLER_LEVEL = "none"

AGAIN = 10.0
MOST_ASSOCIATIONS = 20
MOST_ITEMS = 1000
PENDING, SUCCESS, CANCELLED = 0xFF00, 0x0000, 0xFE00
FAILED, MANY, BAD_QUERY = 0xC000, 0xA700, 0xA900
# Of the N-services (PS3.7 C).
ATTRIBUTE, NOT_THERE, DUPLICATE, PROCESSING = 0x0106, 0x0112, 0x0111, 0x0110
REJECTED, BY_USER, CALLING_UNKNOWN = 1, 1, 3
STATUSES = {"IN PROGRESS": "in_progress", "COMPLETED": "completed"}
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS mpps (uid TEXT PRIMARY KEY, status TEXT NOT NULL,"
    " data TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID"
)
KEEP = 30 * 86_400.0


class WorklistServer:
    """The server; `run` until cancelled. Its associations run in threads of pynetdicom."""

    def __init__(
        self,
        section: WorklistSection,
        orders: OrderCopy,
        database: Database,
        problems: Problems,
        wake: Callable[[], None],
    ) -> None:
        self._section = section
        self._orders = orders
        self._database = database
        self._problems = problems
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        with database.transaction() as connection:
            connection.execute(SCHEMA)

    async def run(self) -> None:
        """Listen; where the port is taken, try again until it is free."""
        while True:
            entity = self._entity()
            try:
                server = self._server(entity)
            except OSError as error:
                words = error.strerror or type(error).__name__
                self._note(f"cannot listen on port {self._section.port}: {words}")
                await asyncio.sleep(AGAIN)
                continue
            log.info("listening for modalities on port %s", self._section.port)
            thread = threading.Thread(target=server.serve_forever, args=(0.2,), daemon=True)
            thread.start()
            try:
                await asyncio.Event().wait()
            finally:
                socketserver.BaseServer.shutdown(server)
                server.server_close()
                for association in entity.active_associations:
                    association.abort()

    def _entity(self) -> AE:
        entity = AE(ae_title=self._section.ae_title)
        entity.require_called_aet = True
        entity.require_calling_aet = [title for title, _ in self._section.peers]
        entity.maximum_associations = MOST_ASSOCIATIONS
        entity.acse_timeout = entity.dimse_timeout = 30
        entity.network_timeout = 60
        entity.add_supported_context(Verification)
        entity.add_supported_context(ModalityWorklistInformationFind)
        if self._section.mpps:
            entity.add_supported_context(ModalityPerformedProcedureStep)
        return entity

    def _server(self, entity: AE) -> ThreadedAssociationServer:
        handlers: list[Any] = [
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_REJECTED, self._rejected),
            (evt.EVT_C_FIND, self._find),
        ]
        if self._section.mpps:
            handlers += [(evt.EVT_N_CREATE, self._create), (evt.EVT_N_SET, self._set)]
        server = self

        class ListedPeers(ThreadedAssociationServer):
            def verify_request(self, request: Any, client_address: Any) -> bool:
                return server.may_connect(str(client_address[0]))

        made: ThreadedAssociationServer = entity.make_server(
            (self._section.address, self._section.port),
            evt_handlers=handlers,
            server_class=ListedPeers,
        )
        return made

    def may_connect(self, address: str) -> bool:
        """Whether any peer is at this address."""
        if listed(address, [network for _, network in self._section.peers]):
            return True
        self._note(f"{address} is not a listed peer and was disconnected")
        return False

    def _requested(self, event: Any) -> None:
        """An AE title that is listed, but not at this address, is rejected."""
        title = event.assoc.requestor.primitive.calling_ae_title.strip()
        address = event.assoc.requestor.address
        here = [network for each, network in self._section.peers if each == title]
        if here and not listed(address, here):
            self._note(f"{title} is not at {address} and was rejected")
            event.assoc.acse.send_reject(REJECTED, BY_USER, CALLING_UNKNOWN)
            event.assoc.kill()

    def _rejected(self, event: Any) -> None:
        self._note(f"an association from {event.assoc.requestor.address} was rejected")

    def _note(self, words: str) -> None:
        self._problems.note("worklist", words)

    def _find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        """Items that fit, each `pending`; 1,000 at most."""
        try:
            query = event.identifier
            items = matching.answers(query, self._orders.orders())
        except sqlite3.Error:
            self._note("the orders could not be read")
            yield MANY, None
            return
        except Exception as error:
            # A query that cannot be decoded or compared; its text stays out of the log.
            self._note(f"a query could not be answered: {type(error).__name__}")
            yield BAD_QUERY, None
            return
        for found in items[:MOST_ITEMS]:
            if event.is_cancelled:
                yield CANCELLED, None
                return
            yield PENDING, in_character_set(found, self._section.character_set)
        if len(items) > MOST_ITEMS:
            self._note(f"a query had more than {MOST_ITEMS} answers")
            yield MANY, None

    def _create(self, event: Any) -> tuple[int, Dataset | None]:
        """N-CREATE: a step begins."""
        try:
            uid = str(event.request.AffectedSOPInstanceUID or "")
            step = event.attribute_list
            status = str(step.get("PerformedProcedureStepStatus") or "")
        except Exception as error:
            return self._broken(error)
        if not uid or status not in STATUSES:
            return ATTRIBUTE, None
        return self._keep(uid, status, _facts(step), new=True), step

    def _set(self, event: Any) -> tuple[int, Dataset | None]:
        """N-SET: a step has changed or ended."""
        try:
            uid = str(event.request.RequestedSOPInstanceUID or "")
            step = event.modification_list
            status = str(step.get("PerformedProcedureStepStatus") or "")
        except Exception as error:
            return self._broken(error)
        return self._keep(uid, status, _facts(step), new=False), step

    def _broken(self, error: Exception) -> tuple[int, None]:
        self._note(f"a procedure step could not be read: {type(error).__name__}")
        return PROCESSING, None

    def _keep(self, uid: str, status: str, facts: dict[str, Any], *, new: bool) -> int:
        """Note a step, and what the portal has to know, before the modality hears of success."""
        try:
            with self._database.transaction() as connection:
                row = connection.execute(
                    "SELECT status, data FROM mpps WHERE uid = ?", (uid,)
                ).fetchone()
                if new and row is not None:
                    return DUPLICATE
                if not new and row is None:
                    return NOT_THERE
                if row is not None and row[0] != "IN PROGRESS":
                    # It may no longer be updated (PS3.4 F.7.2.2.2).
                    return PROCESSING
                known = {**(json.loads(row[1]) if row else {}), **facts}
                status = status or (row[0] if row else "")
                now = time.time()
                connection.execute(
                    "INSERT INTO mpps (uid, status, data, at) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (uid) DO UPDATE SET status = excluded.status,"
                    " data = excluded.data, at = excluded.at",
                    (uid, status, json.dumps(known), now),
                )
                connection.execute("DELETE FROM mpps WHERE at < ?", (now - KEEP,))
                for study, told in _told(status, known).items():
                    connection.execute(
                        "INSERT INTO events (id, event, at, data) VALUES (?, ?, ?, ?)",
                        (
                            *(uuid.uuid4().hex, protocol.MPPS, now),
                            json.dumps({"study_instance_uid": study, **told}),
                        ),
                    )
        except sqlite3.Error as error:
            self._note(f"a procedure step could not be kept: {error}")
            return PROCESSING
        self._loop.call_soon_threadsafe(self._wake)
        return SUCCESS


def _facts(step: Dataset) -> dict[str, Any]:
    """Studies with their accession numbers, and images, as far as a step's message names them."""
    found: dict[str, Any] = {}
    scheduled = step.get("ScheduledStepAttributesSequence")
    if scheduled:
        found["studies"] = {
            str(each.StudyInstanceUID): str(each.get("AccessionNumber") or "")[:16]
            for each in scheduled
            if each.get("StudyInstanceUID")
        }
    performed = step.get("PerformedSeriesSequence")
    if performed is not None:
        found["images"] = len(
            {
                str(each.get("ReferencedSOPInstanceUID"))
                for series in performed
                for name in (
                    "ReferencedImageSequence",
                    "ReferencedNonImageCompositeSOPInstanceSequence",
                )
                for each in series.get(name) or []
            }
        )
    return found


def _told(status: str, known: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the portal is told of each study. The images of a step for several are nobody's own."""
    studies: dict[str, str] = known.get("studies", {})
    images = known.get("images")
    counted = status == "COMPLETED" and images and len(studies) == 1
    return {
        uid: {
            "accession_number": accession,
            **({"status": STATUSES[status]} if status in STATUSES else {}),
            **({"images": images} if counted else {}),
        }
        for uid, accession in studies.items()
    }


def in_character_set(item: Dataset, name: str) -> Dataset:
    """The item as that Specific Character Set can write it."""
    if name == "ISO_IR 6":
        _replace(item, "ascii")
        return item
    if name != "ISO_IR 192":
        _replace(item, ENCODINGS[name])
    item.SpecificCharacterSet = name
    return item


ENCODINGS = {"ISO_IR 100": "latin-1", "ISO_IR 101": "iso8859-2", "ISO_IR 144": "iso8859-5"}


def _replace(item: Dataset, encoding: str) -> None:
    for element in item:
        if element.VR == "SQ":
            for each in element.value:
                _replace(each, encoding)
        elif element.VR in {"PN", "LO", "SH", "ST", "LT", "UC", "UT"} and not element.is_empty:
            element.value = str(element.value).encode(encoding, "replace").decode(encoding)
