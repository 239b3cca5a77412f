"""How HTTP and WebSocket reach the application: listening sockets, limits, layers, the built pages."""
