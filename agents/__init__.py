"""The site agent and the portal's side of it. Nothing yet: see CHANGELOG for what is planned."""
