"""https in the local network: a certificate authority of our own, a certificate by it, and the way to trust it."""
