"""What `--check` finds of printing."""

from __future__ import annotations

from agents.site.options import PrintingSection
from agents.site.printing.ipp import Cups, IppError
from agents.site.printing.printers import printers


async def printing(section: PrintingSection) -> tuple[bool, str]:
    """Whether CUPS answers and has every printer that is named, and the printers in words."""
    cups = Cups(section.server, section.user)
    await cups.start()
    try:
        found = await printers(cups, section.printers)
    except IppError as error:
        return False, str(error)
    finally:
        await cups.close()
    missing = set(section.printers) - {each.name for each in found}
    if missing:
        return False, f"CUPS has no printer {', '.join(sorted(missing))}"
    if not found:
        return False, "CUPS has no printers"
    return True, ", ".join(f"{each.name} ({each.words or 'ready'})" for each in found)
