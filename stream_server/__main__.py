"""`python -m stream_server` is `rollcall`."""

from stream_server.cli import main

main()
