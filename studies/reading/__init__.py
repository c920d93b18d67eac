"""Reading: who reads which study, by which rules and clocks."""
