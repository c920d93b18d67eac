"""How long reports take, how many wait."""
