"""Decoding in a child process that may be killed and may not grow."""

# Of pictures; part of their cache names and ETags. Raise it when pictures come to look different.
LOOK = 3
