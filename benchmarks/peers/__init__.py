"""Rollcall beside what people would pick instead: `python -m benchmarks peers`.

Each peer lives in an environment of its own under build/peers and runs in processes of its own (`runners/`), on the
same pictures and the same processor core. None of its packages is ever one of Rollcall's.
"""
