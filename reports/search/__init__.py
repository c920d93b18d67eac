"""Search over the text of signed reports."""
