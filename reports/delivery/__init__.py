"""Signed reports on their way out: a row for each way, and a registry of transports."""
