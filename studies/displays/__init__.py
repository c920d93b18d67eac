"""The check of a display: what a person saw of the test pattern, at which workstation, when."""
