"""Bar-code and tag readers on serial ports."""
