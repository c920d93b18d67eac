"""Printing from the portal: what may be printed, by whom, and how an agent gets it."""
