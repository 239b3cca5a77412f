"""People who work with Rollcall: users with roles, their sessions, and API tokens. Secrets are kept as hashes only."""

from alembic import op

revision = "0004_users"
down_revision = "0003_devices"
branch_labels = None
depends_on = None

TABLES = (
    # Who is removed keeps the row, so that what they did still has a name to it; the login becomes free.
    """
    CREATE TABLE users (
        id uuid PRIMARY KEY,
        login text NOT NULL CHECK (login ~ '^[a-z0-9][a-z0-9._@+-]{0,99}$'),
        name text NOT NULL CHECK (name <> ''),
        role text NOT NULL CHECK (role IN ('owner', 'admin', 'teacher', 'viewer')),
        password_hash text,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL,
        last_login_at timestamptz,
        removed_at timestamptz,
        CHECK (removed_at IS NULL OR password_hash IS NULL)
    )
    """,
    "CREATE UNIQUE INDEX users_by_login ON users (login) WHERE removed_at IS NULL",
    # The groups (classes) that a teacher is a teacher of.
    """
    CREATE TABLE user_groups (
        user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        group_id uuid NOT NULL,
        PRIMARY KEY (user_id, group_id)
    )
    """,
    """
    CREATE TABLE user_sessions (
        id uuid PRIMARY KEY,
        user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
        created_at timestamptz NOT NULL,
        last_seen_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX user_sessions_by_user ON user_sessions (user_id, last_seen_at)",
    """
    CREATE TABLE api_tokens (
        id uuid PRIMARY KEY,
        name text NOT NULL CHECK (name <> ''),
        scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
        token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
        user_id uuid REFERENCES users (id),
        created_by text NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz,
        last_used_at timestamptz,
        revoked_at timestamptz
    )
    """,
    "CREATE INDEX api_tokens_by_user ON api_tokens (user_id) WHERE revoked_at IS NULL",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE api_tokens, user_sessions, user_groups, users")
