"""Decoding in a child process that may be killed and may not grow."""
