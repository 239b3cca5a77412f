"""Proves the image where there is no container engine: performs the Dockerfile's own steps, runs what comes out."""
