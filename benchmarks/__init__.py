"""Measurements of Rollcall on this machine: `make bench`, or `python -m benchmarks`. None of them is a test."""
