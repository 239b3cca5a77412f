"""Model files: which ones there are, and how they are fetched, converted, quantised and verified.

A running server needs `store` alone. The other modules are the build step, which uses `onnx` and, unlike
the rest of `recognition`, the network.
"""
