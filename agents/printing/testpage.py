"""The test page: one page of PDF, the same bytes for the same command."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from agents.models import Agent

WIDTH, HEIGHT = 595, 842
"""A4 in points (ISO 32000-1 14.11.2); a printer with Letter crops nothing of it."""


def test_page(agent: Agent, printer: str, requester: str, at: datetime) -> bytes:
    """What the printer shows: who asked for it, when, and by which way it came."""
    when = at.astimezone(ZoneInfo(agent.site.timezone)).strftime("%Y-%m-%d %H:%M")
    lines = [
        "Lightbox PACS: test page",
        "",
        f"Printer: {printer}",
        f"Site: {agent.site.name}",
        f"Agent: {agent.name}",
        f"Asked for by {requester}, {when}",
        "",
        "This page came from the portal by way of the site agent and its print system.",
    ]
    return _pdf(lines)


def _pdf(lines: list[str]) -> bytes:
    """One page with Helvetica, which every reader has (ISO 32000-1 9.6.2.2), and a frame."""
    shown = " ".join(f"({_text(line)}) Tj T*" for line in lines)
    frame = f"0.5 w 40 40 {WIDTH - 80} {HEIGHT - 80} re S"
    page = f"{frame} BT /F1 13 Tf 20 TL 70 {HEIGHT - 90} Td {shown} ET"
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Contents 4 0 R"
        " /Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(page)} >>\nstream\n{page}\nendstream",
        font,
    ]
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("cp1252")
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{place:010d} 00000 n \n".encode() for place in places)
    out += f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\n".encode()
    out += f"startxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def _text(line: str) -> str:
    """A literal string (ISO 32000-1 7.3.4.2); what the font lacks shows as a question mark."""
    plain = line[:110].encode("cp1252", "replace").decode("cp1252")
    printable = "".join(letter if letter.isprintable() else "?" for letter in plain)
    return printable.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
