"""The core tables: cameras, people, templates, class sessions, attendance, sightings, outbox."""

from alembic import op

revision = "0001_core"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE cameras (
        id text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
        name text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    # Who is erased keeps the row, so that the attendance fact has something to point to, but nothing that
    # names them.
    """
    CREATE TABLE people (
        id uuid PRIMARY KEY,
        name text NOT NULL CHECK (name <> ''),
        external_id text UNIQUE,
        consent text NOT NULL CHECK (consent IN ('granted', 'none', 'revoked')),
        consent_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        erased_at timestamptz,
        CHECK (erased_at IS NULL OR (external_id IS NULL AND consent = 'revoked'))
    )
    """,
    "CREATE INDEX people_by_name ON people (name, id)",
    # 512 bytes: 128 float32, little endian.
    """
    CREATE TABLE templates (
        id uuid PRIMARY KEY,
        person_id uuid NOT NULL REFERENCES people (id) ON DELETE CASCADE,
        model_id text NOT NULL CHECK (model_id <> ''),
        embedding bytea NOT NULL CHECK (octet_length(embedding) = 512),
        quality real NOT NULL,
        source text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX templates_by_person ON templates (person_id, created_at, id)",
    "CREATE INDEX templates_by_model ON templates (model_id)",
    """
    CREATE TABLE class_sessions (
        id uuid PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('open', 'scheduled')),
        title text NOT NULL,
        site_day date,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CHECK (starts_at < ends_at),
        CHECK (kind <> 'open' OR site_day IS NOT NULL)
    )
    """,
    "CREATE UNIQUE INDEX class_sessions_one_open_a_day ON class_sessions (site_day) WHERE kind = 'open'",
    "CREATE INDEX class_sessions_by_start ON class_sessions (starts_at, id)",
    # Somebody absent or excused was not seen, so the times are missing there and only there.
    """
    CREATE TABLE attendance (
        id uuid PRIMARY KEY,
        session_id uuid NOT NULL REFERENCES class_sessions (id),
        person_id uuid NOT NULL REFERENCES people (id),
        status text NOT NULL CHECK (status IN ('present', 'late', 'absent', 'excused')),
        method text NOT NULL CHECK (method IN ('face', 'manual', 'pin', 'qr')),
        first_seen_at timestamptz,
        last_seen_at timestamptz,
        camera_id text REFERENCES cameras (id),
        score real,
        note text,
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (session_id, person_id),
        CHECK (first_seen_at <= last_seen_at),
        CHECK (status NOT IN ('present', 'late') OR (first_seen_at IS NOT NULL AND last_seen_at IS NOT NULL))
    )
    """,
    "CREATE INDEX attendance_by_session ON attendance (session_id, created_at, id)",
    "CREATE INDEX attendance_by_person ON attendance (person_id, created_at, id)",
    "CREATE INDEX attendance_by_time ON attendance (created_at, id)",
    # The id comes from the decider: storing the same sighting twice changes nothing.
    """
    CREATE TABLE sightings (
        id uuid PRIMARY KEY,
        session_id uuid NOT NULL REFERENCES class_sessions (id),
        person_id uuid NOT NULL REFERENCES people (id),
        camera_id text NOT NULL REFERENCES cameras (id),
        captured_at timestamptz NOT NULL,
        distance real NOT NULL,
        runner_up_distance real,
        quality real NOT NULL,
        evidence_frames integer NOT NULL CHECK (evidence_frames > 0),
        model_id text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX sightings_by_session ON sightings (session_id, captured_at, id)",
    "CREATE INDEX sightings_by_person ON sightings (person_id, captured_at, id)",
    """
    CREATE TABLE outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        type text NOT NULL CHECK (type <> ''),
        payload jsonb NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
)


def upgrade() -> None:
    for statement in TABLES:  # one at a time: the driver prepares statements, and a prepared one stands alone
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE outbox, sightings, attendance, class_sessions, templates, people, cameras")
