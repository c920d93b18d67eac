"""Critical results: told to somebody who has to answer, until it is answered."""
