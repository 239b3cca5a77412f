"""Groups, memberships, rooms, lessons; sessions that run by the clock; corrections, punches, credentials, reviews."""

from alembic import op

revision = "0006_roster"
down_revision = "0005_camera_leases"
branch_labels = None
depends_on = None

UPGRADE = (
    # What is removed keeps its row: sessions and memberships of past years name it.
    """
    CREATE TABLE groups (
        id uuid PRIMARY KEY,
        name text NOT NULL CHECK (name <> ''),
        external_id text UNIQUE,
        source text NOT NULL DEFAULT 'manual' CHECK (source IN ('manual', 'table', 'oneroster')),
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        removed_at timestamptz
    )
    """,
    "CREATE INDEX groups_by_name ON groups (name, id)",
    "CREATE INDEX groups_by_lower_name ON groups (lower(name))",
    """
    CREATE TABLE rooms (
        id uuid PRIMARY KEY,
        name text NOT NULL CHECK (name <> ''),
        external_id text UNIQUE,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE UNIQUE INDEX rooms_by_name ON rooms (lower(name))",
    # starts_on empty: since always; ends_on is the last day, empty: until further notice.
    """
    CREATE TABLE memberships (
        id uuid PRIMARY KEY,
        group_id uuid NOT NULL REFERENCES groups (id),
        person_id uuid NOT NULL REFERENCES people (id) ON DELETE CASCADE,
        role text NOT NULL DEFAULT 'student' CHECK (role IN ('student', 'staff')),
        starts_on date,
        ends_on date,
        external_id text UNIQUE,
        source text NOT NULL DEFAULT 'manual' CHECK (source IN ('manual', 'table', 'oneroster')),
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        CHECK (starts_on <= ends_on)
    )
    """,
    "CREATE INDEX memberships_by_group ON memberships (group_id, created_at, id)",
    "CREATE INDEX memberships_by_person ON memberships (person_id, created_at, id)",
    # Schools, courses and terms that an import refers to; kept so that a later delta may refer to them too.
    """
    CREATE TABLE roster_references (
        kind text NOT NULL CHECK (kind IN ('org', 'course', 'term')),
        external_id text NOT NULL,
        title text NOT NULL,
        starts_on date,
        ends_on date,
        PRIMARY KEY (kind, external_id)
    )
    """,
    # direction: what being seen here means for IN and OUT; empty: presence alone.
    """
    ALTER TABLE cameras
        ADD COLUMN room_id uuid REFERENCES rooms (id) ON DELETE SET NULL,
        ADD COLUMN direction text CHECK (direction IN ('in', 'out', 'toggle')),
        ADD COLUMN reads_qr boolean NOT NULL DEFAULT false
    """,
    # ical: the event as it was imported, for as long as it may bring forth lessons.
    """
    CREATE TABLE lessons (
        id uuid PRIMARY KEY,
        source text NOT NULL,
        uid text NOT NULL,
        title text NOT NULL,
        group_id uuid REFERENCES groups (id),
        room_id uuid REFERENCES rooms (id) ON DELETE SET NULL,
        late_after_s integer CHECK (late_after_s >= 0),
        ical text NOT NULL,
        expanded_until timestamptz,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        removed_at timestamptz,
        UNIQUE (source, uid)
    )
    """,
    "CREATE INDEX lessons_by_time ON lessons (created_at, id)",
    # occurrence: when it was to start by its rule; it stays when this one lesson is moved.
    """
    ALTER TABLE class_sessions
        ADD COLUMN group_id uuid REFERENCES groups (id),
        ADD COLUMN room_id uuid REFERENCES rooms (id) ON DELETE SET NULL,
        ADD COLUMN lesson_id uuid REFERENCES lessons (id),
        ADD COLUMN occurrence timestamptz,
        ADD COLUMN late_after_s integer CHECK (late_after_s >= 0),
        ADD COLUMN state text NOT NULL DEFAULT 'running'
            CHECK (state IN ('planned', 'running', 'ended', 'missed', 'cancelled')),
        ADD COLUMN cancelled_by_hand boolean NOT NULL DEFAULT false,
        ADD COLUMN version integer NOT NULL DEFAULT 1,
        ADD CONSTRAINT class_sessions_one_an_occurrence UNIQUE (lesson_id, occurrence),
        ADD CONSTRAINT class_sessions_occurrence_of_lesson CHECK ((lesson_id IS NULL) = (occurrence IS NULL))
    """,
    "CREATE INDEX class_sessions_by_room ON class_sessions (room_id, starts_at) WHERE room_id IS NOT NULL",
    "CREATE INDEX class_sessions_by_group ON class_sessions (group_id, starts_at, id) WHERE group_id IS NOT NULL",
    "CREATE INDEX class_sessions_due ON class_sessions (starts_at) WHERE state IN ('planned', 'running')",
    "ALTER TABLE attendance DROP CONSTRAINT attendance_method_check",
    """
    ALTER TABLE attendance
        ADD COLUMN version integer NOT NULL DEFAULT 1,
        ADD CONSTRAINT attendance_method_check
            CHECK (method IN ('face', 'manual', 'pin', 'qr', 'review', 'clock'))
    """,
    # number is the version of the record that the correction made: of two at once only one can be the second.
    """
    CREATE TABLE attendance_corrections (
        attendance_id uuid NOT NULL REFERENCES attendance (id),
        number integer NOT NULL CHECK (number > 1),
        status_before text NOT NULL CHECK (status_before IN ('present', 'late', 'absent', 'excused')),
        status text NOT NULL CHECK (status IN ('present', 'late', 'absent', 'excused')),
        by_whom text NOT NULL,
        by_clock boolean NOT NULL DEFAULT false,
        reason text,
        at timestamptz NOT NULL,
        PRIMARY KEY (attendance_id, number)
    )
    """,
    """
    CREATE VIEW attendance_now AS
    SELECT a.id, a.session_id, a.person_id, coalesce(c.status, a.status) AS status, a.status AS recorded_status,
           a.method, a.first_seen_at, a.last_seen_at, a.camera_id, a.score, a.note, a.created_at, a.version,
           coalesce(c.by_clock, a.method <> 'manual') AS by_clock
    FROM attendance a LEFT JOIN attendance_corrections c ON c.attendance_id = a.id AND c.number = a.version
    """,
    """
    CREATE TABLE punches (
        id uuid PRIMARY KEY,
        session_id uuid NOT NULL REFERENCES class_sessions (id),
        person_id uuid NOT NULL REFERENCES people (id),
        direction text NOT NULL CHECK (direction IN ('in', 'out')),
        method text NOT NULL CHECK (method IN ('face', 'pin', 'qr')),
        camera_id text REFERENCES cameras (id),
        at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX punches_by_person ON punches (session_id, person_id, at)",
    # digest: of a PIN a keyed one, since there are too few PINs for any other to hide them.
    """
    CREATE TABLE credentials (
        id uuid PRIMARY KEY,
        person_id uuid NOT NULL REFERENCES people (id) ON DELETE CASCADE,
        kind text NOT NULL CHECK (kind IN ('pin', 'qr')),
        digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (person_id, kind)
    )
    """,
    "CREATE TABLE punch_failures (place text NOT NULL, at timestamptz NOT NULL)",
    "CREATE INDEX punch_failures_by_time ON punch_failures (at)",
    """
    CREATE TABLE idempotency_keys (
        key text PRIMARY KEY,
        request_digest bytea NOT NULL,
        response jsonb NOT NULL,
        created_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_at)",
    """
    CREATE TABLE reviews (
        id uuid PRIMARY KEY,
        session_id uuid NOT NULL REFERENCES class_sessions (id),
        camera_id text NOT NULL REFERENCES cameras (id),
        nearest_id uuid NOT NULL REFERENCES people (id) ON DELETE CASCADE,
        first_seen_at timestamptz NOT NULL,
        last_seen_at timestamptz NOT NULL,
        state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'person', 'nobody')),
        settled_as uuid REFERENCES people (id),
        settled_by text,
        settled_at timestamptz,
        CHECK ((state = 'open') = (settled_at IS NULL)),
        CHECK ((state = 'person') = (settled_as IS NOT NULL))
    )
    """,
    "CREATE UNIQUE INDEX reviews_one_open ON reviews (session_id, nearest_id) WHERE state = 'open'",
    "CREATE INDEX reviews_by_time ON reviews (first_seen_at, id)",
    """
    CREATE TABLE review_candidates (
        review_id uuid NOT NULL REFERENCES reviews (id) ON DELETE CASCADE,
        person_id uuid NOT NULL REFERENCES people (id) ON DELETE CASCADE,
        distance real NOT NULL,
        PRIMARY KEY (review_id, person_id)
    )
    """,
    "CREATE INDEX review_candidates_by_person ON review_candidates (person_id)",
)

DOWNGRADE = (
    "DROP TABLE review_candidates, reviews, idempotency_keys, punch_failures, credentials, punches",
    "DROP VIEW attendance_now",
    "DROP TABLE attendance_corrections",
    # Ways that older versions do not know.
    "UPDATE attendance SET method = 'manual' WHERE method IN ('review', 'clock')",
    "ALTER TABLE attendance DROP COLUMN version, DROP CONSTRAINT attendance_method_check",
    """
    ALTER TABLE attendance
        ADD CONSTRAINT attendance_method_check CHECK (method IN ('face', 'manual', 'pin', 'qr'))
    """,
    """
    ALTER TABLE class_sessions
        DROP CONSTRAINT class_sessions_one_an_occurrence, DROP CONSTRAINT class_sessions_occurrence_of_lesson,
        DROP COLUMN group_id, DROP COLUMN room_id, DROP COLUMN lesson_id, DROP COLUMN occurrence,
        DROP COLUMN late_after_s, DROP COLUMN state, DROP COLUMN cancelled_by_hand, DROP COLUMN version
    """,
    "ALTER TABLE cameras DROP COLUMN room_id, DROP COLUMN direction, DROP COLUMN reads_qr",
    "DROP TABLE lessons, memberships, rooms, groups, roster_references",
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWNGRADE:
        op.execute(statement)
