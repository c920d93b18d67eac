"""Hanging protocols: what of a study goes into which viewport."""
