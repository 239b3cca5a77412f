"""Webhooks: events told to receivers outside, after the Standard Webhooks specification."""
