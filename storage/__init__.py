"""All SQL of Rollcall, and only here: PostgreSQL by asyncpg, migrations by Alembic, an embedded server."""
