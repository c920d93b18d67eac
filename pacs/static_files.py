"""Static files under hashed names, compressed once."""

from __future__ import annotations

from typing import Any

from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's, with gzip alone.

    Brotli is installed for fonts. At the quality that WhiteNoise takes it needs a minute of CPU for
    the viewer's codecs on every first start, to save a tenth of the bytes.
    """

    def create_compressor(self, **options: Any) -> Compressor:
        return super().create_compressor(**options, use_brotli=False)
