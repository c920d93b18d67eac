"""Retention: which images may go, two people who decide, a month of grace, and what stays."""
