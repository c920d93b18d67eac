"""The hardware of a scanner, behind the few calls that the rest needs."""

from __future__ import annotations

import contextlib
import errno
import termios
from typing import Protocol

import serial

from agents.site.options import ScannerSection

READ_SECONDS = 0.2
PARITIES = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}


class Port(Protocol):
    """Where bytes of a scanner come from. Every call may block shortly and raise OSError."""

    def open(self) -> None:
        """Begin to listen; what was read before is gone."""

    def read(self) -> bytes:
        """What has come; nothing where nothing came within READ_SECONDS."""

    def close(self) -> None:
        """Let go of it."""


class SerialPort:
    """A serial port, real, USB or a pty, which no other program uses at the same time."""

    def __init__(self, section: ScannerSection) -> None:
        self._section = section
        self._port: serial.Serial | None = None

    def open(self) -> None:
        section = self._section
        self._port = serial.Serial(
            port=str(section.port),
            baudrate=section.baud,
            bytesize=section.data_bits,
            parity=PARITIES[section.parity],
            stopbits=section.stop_bits,
            timeout=READ_SECONDS,
            exclusive=True,
        )
        try:
            self._port.reset_input_buffer()
        except termios.error as error:  # no OSError
            raise OSError(*error.args) from None

    def read(self) -> bytes:
        if self._port is None:
            raise OSError(errno.EBADF, "the port is not open")
        first: bytes = self._port.read(1)
        return first + self._port.read(self._port.in_waiting) if first else b""

    def close(self) -> None:
        if self._port is not None:
            with contextlib.suppress(OSError, termios.error):
                self._port.close()
            self._port = None
