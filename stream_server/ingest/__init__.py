"""Transports: each turns its bytes into the same frames and hands them to the hub."""
