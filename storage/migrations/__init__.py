"""Alembic's migrations. Nothing but storage.migrate imports from here."""
