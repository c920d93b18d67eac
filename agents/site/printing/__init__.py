"""Printing by CUPS: the printers, documents fetched from the portal, jobs followed to their end."""
