"""Traces for OpenTelemetry: where the time of a frame, a request or a statement went, where a collector is named."""
