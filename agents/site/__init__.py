"""The site agent: what the portal needs inside a hospital. One outbound connection, no Django."""

from __future__ import annotations

VERSION = "0.1.0"
