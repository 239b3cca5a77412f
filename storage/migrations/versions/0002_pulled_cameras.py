"""Cameras that the server opens by itself: where, how, and how they do; and cameras that were removed."""

from alembic import op

revision = "0002_pulled_cameras"
down_revision = "0001_core"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # `address` is what people see; whoever connects needs `sealed`, which holds it with user and password, encrypted.
    # A camera that records point to cannot be deleted: it is marked as removed.
    op.execute(
        """
        ALTER TABLE cameras
            ADD COLUMN address text,
            ADD COLUMN transport text NOT NULL DEFAULT 'auto' CHECK (transport IN ('auto', 'tcp', 'udp')),
            ADD COLUMN sealed bytea,
            ADD COLUMN enabled boolean NOT NULL DEFAULT true,
            ADD COLUMN state text NOT NULL DEFAULT 'off'
                CHECK (state IN ('off', 'connecting', 'live', 'stalled', 'reconnecting', 'refused')),
            ADD COLUMN state_reason text NOT NULL DEFAULT '',
            ADD COLUMN state_at timestamptz,
            ADD COLUMN removed_at timestamptz,
            ADD CONSTRAINT cameras_address_with_sealed CHECK ((address IS NULL) = (sealed IS NULL)),
            ADD CONSTRAINT cameras_removed_without_address CHECK (removed_at IS NULL OR address IS NULL)
        """
    )


def downgrade() -> None:
    op.execute(
        """
        ALTER TABLE cameras
            DROP COLUMN address, DROP COLUMN transport, DROP COLUMN sealed, DROP COLUMN enabled, DROP COLUMN state,
            DROP COLUMN state_reason, DROP COLUMN state_at, DROP COLUMN removed_at
        """
    )
