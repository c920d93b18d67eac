"""Signing: versions that never change, their chain, addenda, withdrawal."""
