"""Filters of the worklist that were given a name."""
