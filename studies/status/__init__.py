"""The status page: how each part of the portal does, for those who run it."""
