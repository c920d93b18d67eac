"""A person's own keys, mouse buttons and windows in the viewer."""
