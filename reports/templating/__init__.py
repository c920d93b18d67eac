"""Report templates and macros: what a radiologist starts from."""
