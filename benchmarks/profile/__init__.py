"""Where the time of a frame and the memory of the server go, and what each improvement does: docs/performance.md."""
