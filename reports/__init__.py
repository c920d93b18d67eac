"""Structured reports: writing, signing, delivery. Nothing yet: see CHANGELOG for what is planned."""
