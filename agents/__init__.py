"""The site agent and the portal's side of it."""
