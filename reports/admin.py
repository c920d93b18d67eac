"""The pages of reports in the admin; each package has its own."""

from __future__ import annotations

from reports.delivery import admin as delivery  # noqa: F401
from reports.letterhead import admin as letterhead  # noqa: F401
from reports.templating import admin as templating  # noqa: F401
