"""The site's name and time zone, where they are set on the pages; and the zone that lessons are planned in."""

from alembic import op

revision = "0010_site"
down_revision = "0009_pairing_ids"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE site (
            only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
            name text,
            time_zone text,
            planned_in text
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE site")
