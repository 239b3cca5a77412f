"""Devices that stream as one camera, and the codes by which they are paired. Secrets are kept as SHA-256 only."""

from alembic import op

revision = "0003_devices"
down_revision = "0002_pulled_cameras"
branch_labels = None
depends_on = None

TABLES = (
    # No reference to `cameras`: a camera that nothing points to is deleted, and its devices are revoked then.
    """
    CREATE TABLE devices (
        id uuid PRIMARY KEY,
        name text NOT NULL CHECK (name <> ''),
        device_name text NOT NULL DEFAULT '',
        camera_id text NOT NULL,
        token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
        created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        last_seen_at timestamptz,
        revoked_at timestamptz
    )
    """,
    "CREATE INDEX devices_by_camera ON devices (camera_id) WHERE revoked_at IS NULL",
    """
    CREATE TABLE pairing_codes (
        code_sha256 bytea PRIMARY KEY CHECK (octet_length(code_sha256) = 32),
        name text NOT NULL CHECK (name <> ''),
        camera_id text NOT NULL,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE pairing_codes, devices")
