"""Faces in pictures: arrays in, values out. No asyncio, no network, no SQL, no clock of its own."""
