"""A pairing code has an id, by which it is listed and withdrawn: the code itself is told once, and stored as a hash."""

from alembic import op

revision = "0009_pairing_ids"
down_revision = "0008_privacy"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE pairing_codes ADD COLUMN id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid()")
    op.execute("ALTER TABLE pairing_codes ALTER COLUMN id DROP DEFAULT")


def downgrade() -> None:
    op.execute("ALTER TABLE pairing_codes DROP COLUMN id")
