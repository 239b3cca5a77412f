"""Fits the server to the memory and processor that it may use, and eases off before the kernel ends it."""
