"""Structured reports as documents for people (PS3.3 A.35, C.17). Runs in the decoder's process."""
