"""Viewers and libraries of others, as published, against a running portal."""
