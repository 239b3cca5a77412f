"""Webhooks: who is told of events, how far each has been told, and what came of every attempt."""

from alembic import op

revision = "0007_webhooks"
down_revision = "0006_roster"
branch_labels = None
depends_on = None

TABLES = (
    # `address` is what people see; `sealed` holds the whole of it and the secrets, encrypted.
    # `cursor` is the last event that the receiver has taken; a lease keeps other replicas away while one delivers.
    """
    CREATE TABLE webhooks (
        id uuid PRIMARY KEY,
        address text NOT NULL,
        sealed bytea NOT NULL,
        description text NOT NULL DEFAULT '',
        event_types text[] NOT NULL DEFAULT '{}',
        include_names boolean NOT NULL DEFAULT false,
        enabled boolean NOT NULL DEFAULT true,
        disabled_reason text NOT NULL DEFAULT '',
        cursor bigint NOT NULL,
        failures integer NOT NULL DEFAULT 0,
        failing_since timestamptz,
        next_attempt_at timestamptz,
        old_secret_until timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        served_at timestamptz,
        lease uuid,
        leased_until timestamptz,
        CHECK ((failures = 0) = (failing_since IS NULL)),
        CHECK ((lease IS NULL) = (leased_until IS NULL))
    )
    """,
    """
    CREATE TABLE webhook_deliveries (
        id uuid PRIMARY KEY,
        webhook_id uuid NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
        event_id bigint,
        event_type text NOT NULL,
        message_id text NOT NULL,
        cause text NOT NULL CHECK (cause IN ('event', 'test', 'redelivery', 'gap')),
        attempt integer NOT NULL CHECK (attempt > 0),
        delivered boolean NOT NULL,
        status integer,
        latency_ms integer,
        problem text NOT NULL DEFAULT '',
        response text NOT NULL DEFAULT '' CHECK (length(response) <= 500),
        created_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook_id, created_at, id)",
    "CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries (created_at)",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE webhook_deliveries, webhooks")
