"""Corrections: what a person says instead of what the images say. An overlay; the bytes stay."""
