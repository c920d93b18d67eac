"""Real servers for tests, started on free ports in temporary folders. No Django here."""
