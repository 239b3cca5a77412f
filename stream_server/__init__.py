"""The server: transports, scheduling, HTTP, WebSockets, settings and the command line."""
