"""How a person wants the worklist to look: which columns, in which order, how dense."""
