"""Why an annotation was not kept, in the user's words."""

from __future__ import annotations


class AnnotationError(Exception):
    """`status` is for HTTP."""

    status = 400

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class NotAllowed(AnnotationError):
    """The person sees the study and may not leave anything on it."""

    status = 403


class BadAnnotation(AnnotationError):
    """The place or the values make no sense in this study."""


class Taken(AnnotationError):
    """The id belongs to somebody else's, or to one that was removed."""

    status = 409
