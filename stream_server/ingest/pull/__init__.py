"""IP cameras, pulled: the server opens their address and reads pictures from it.

Cameras are read by child processes, a group of cameras each, that can be killed without harm to the server or to other
groups. `reader` runs in the child and knows nothing of the server; `supervisor` runs in the server and decides.
"""
