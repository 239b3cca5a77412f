"""The commands of `rollcall`, one module each."""
