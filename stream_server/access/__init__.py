"""Who may come in, and what they may do: users, devices, tokens, pairing, and the one table of rights."""
