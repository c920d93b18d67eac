"""Structured reports: writing, signing, delivery. Nothing yet: see the changelog."""
