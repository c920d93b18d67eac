"""Orders: what was asked for, by whom, for whom and when, and which study came of it."""
