"""Backup: every file of the archive once more, elsewhere, checked, and back again when needed."""
