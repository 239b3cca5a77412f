"""All SQL of Rollcall, and only here: PostgreSQL through asyncpg, migrations by Alembic, an embedded server."""
