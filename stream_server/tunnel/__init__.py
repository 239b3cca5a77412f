"""A public address for this server: a tunnel that somebody else carries, kept open, counted and announced."""
