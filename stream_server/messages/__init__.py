"""The JSON shapes that cross the wire. `wire` has the sockets' and what many share; the others are bodies of REST."""
