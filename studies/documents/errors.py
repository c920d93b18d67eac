"""What can go wrong between the portal and MongoDB."""

from __future__ import annotations

from studies.errors import RetriableError


class DocumentsDown(RetriableError):
    """MongoDB does not answer, refuses us, or breaks off. Its words hold no address and no data."""

    def __init__(self, words: str, *, refused: bool = False) -> None:
        super().__init__(words)
        self.refused = refused
