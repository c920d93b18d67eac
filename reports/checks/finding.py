"""What a check has to say."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

BLOCKING, WARNING, NOTE = "blocking", "warning", "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` says what kind, `words` what it is about, `where` in which section ("" for none).

    A warning is answered before signing, a blocking one is put right, a note is only read.
    """

    code: str
    severity: str
    words: str
    where: str = ""

    @property
    def key(self) -> str:
        """Names this finding: an answer is to these very words, not to the next ones."""
        text = "|".join((self.code, self.where, self.words))
        return f"{self.code}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
