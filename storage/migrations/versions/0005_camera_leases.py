"""Which server opens a camera, where several share the database."""

from alembic import op

revision = "0005_camera_leases"
down_revision = "0004_users"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not columns of `cameras`: a lease is renewed every few seconds, and should not rewrite the row with the address.
    op.execute(
        """
        CREATE TABLE camera_leases (
            camera_id text PRIMARY KEY REFERENCES cameras ON DELETE CASCADE,
            holder uuid NOT NULL,
            expires_at timestamptz NOT NULL
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE camera_leases")
