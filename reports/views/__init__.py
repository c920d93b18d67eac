"""Pages and REST of reports."""
