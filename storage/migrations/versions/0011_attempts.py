"""Attempts at secrets are counted for all servers; what files of templates held before templates were encrypted."""

from alembic import op

revision = "0011_attempts"
down_revision = "0010_site"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not logged: counts of a minute are worth no write to the log, and nothing is lost when a crash empties it.
    op.execute(
        """
        CREATE UNLOGGED TABLE attempts (
            counter bytea PRIMARY KEY CHECK (octet_length(counter) = 32),
            count integer NOT NULL CHECK (count >= 0),
            ends_at timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE TABLE plain_template_files (filenode oid PRIMARY KEY)")
    # A server that died between sealing and writing anew has left no trace: once more for everybody, then.
    op.execute(
        """
        INSERT INTO plain_template_files
        SELECT pg_relation_filenode('templates') WHERE EXISTS (SELECT FROM templates)
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE plain_template_files, attempts")
