"""Templates are encrypted; the history of consent, the audit log, unknown faces; keys of PINs; what is found by age."""

from alembic import op

revision = "0008_privacy"
down_revision = "0007_webhooks"
branch_labels = None
depends_on = None

APPEND_ONLY = ("consent_texts", "consents", "audit_log")

UPGRADE = (
    # The key is not here but with the server, which seals what is still plain when it starts. 545 bytes: version, key
    # id, nonce, 128 float32, tag.
    """
    ALTER TABLE templates
        ALTER COLUMN embedding DROP NOT NULL,
        ADD COLUMN sealed bytea CHECK (octet_length(sealed) = 545),
        ADD CONSTRAINT templates_plain_or_sealed CHECK ((embedding IS NULL) <> (sealed IS NULL))
    """,
    # Nearly all templates are of one model, so it finds nothing; but before the tables were analysed, as right after an
    # import, the planner read it once for every person: 2.8 s for 10,000 of them instead of 0.05 s.
    "DROP INDEX templates_by_model",
    # Rows of append-only tables are deleted by the functions below and by nothing else. That holds against mistakes,
    # not against the owner of the database, who may drop a trigger.
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND current_setting('rollcall.forgetting', true) = TG_TABLE_NAME THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END
    $$
    """,
    """
    CREATE TABLE consent_texts (
        version integer PRIMARY KEY CHECK (version > 0),
        text text NOT NULL CHECK (text <> ''),
        actor text NOT NULL,
        published_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE consents (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        person_id uuid NOT NULL REFERENCES people (id),
        state text NOT NULL CHECK (state IN ('granted', 'none', 'revoked')),
        text_version integer REFERENCES consent_texts (version),
        actor text NOT NULL,
        at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX consents_by_person ON consents (person_id, id)",
    """
    INSERT INTO consents (person_id, state, actor, at)
    SELECT id, consent, 'before the history', coalesce(consent_at, created_at) FROM people WHERE consent <> 'none'
    """,
    """
    CREATE TABLE audit_log (
        id uuid PRIMARY KEY,
        at timestamptz NOT NULL,
        actor text NOT NULL,
        action text NOT NULL CHECK (action <> ''),
        subject text,
        request_id text NOT NULL,
        details jsonb NOT NULL DEFAULT '{}'
    )
    """,
    "CREATE INDEX audit_log_by_time ON audit_log (at, id)",
    "CREATE INDEX audit_log_by_subject ON audit_log (subject, at, id)",
    "CREATE INDEX audit_log_by_actor ON audit_log (actor, at, id)",
    *(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        for table in APPEND_ONLY
    ),
    *(
        f"CREATE TRIGGER {table}_not_emptied BEFORE TRUNCATE ON {table} EXECUTE FUNCTION refuse_change()"
        for table in APPEND_ONLY
    ),
    """
    CREATE FUNCTION forget_audit(older_than timestamptz, at_most integer) RETURNS integer LANGUAGE plpgsql AS $$
    DECLARE gone integer;
    BEGIN
        IF older_than > now() - interval '1 day' THEN
            RAISE EXCEPTION 'the last day of the audit log is never deleted' USING ERRCODE = 'check_violation';
        END IF;
        PERFORM set_config('rollcall.forgetting', 'audit_log', true);
        DELETE FROM audit_log WHERE id IN (
            SELECT id FROM audit_log WHERE at < older_than ORDER BY at LIMIT at_most FOR UPDATE SKIP LOCKED
        );
        GET DIAGNOSTICS gone = ROW_COUNT;
        PERFORM set_config('rollcall.forgetting', '', true);
        RETURN gone;
    END
    $$
    """,
    """
    CREATE FUNCTION forget_consents(erased_before timestamptz, at_most integer) RETURNS integer LANGUAGE plpgsql AS $$
    DECLARE gone integer;
    BEGIN
        PERFORM set_config('rollcall.forgetting', 'consents', true);
        DELETE FROM consents WHERE id IN (
            SELECT c.id FROM consents c JOIN people p ON p.id = c.person_id WHERE p.erased_at < erased_before
            LIMIT at_most FOR UPDATE OF c SKIP LOCKED
        );
        GET DIAGNOSTICS gone = ROW_COUNT;
        PERFORM set_config('rollcall.forgetting', '', true);
        RETURN gone;
    END
    $$
    """,
    """
    CREATE TABLE unknown_faces (
        id uuid PRIMARY KEY,
        seen integer NOT NULL,
        first_seen_at timestamptz NOT NULL,
        last_seen_at timestamptz NOT NULL,
        ignored_at timestamptz
    )
    """,
    "CREATE INDEX unknown_faces_by_time ON unknown_faces (last_seen_at, id)",
    # 545 bytes as in templates.
    """
    CREATE TABLE unknown_face_members (
        id uuid PRIMARY KEY,
        face_id uuid NOT NULL REFERENCES unknown_faces (id) ON DELETE CASCADE,
        model_id text NOT NULL CHECK (model_id <> ''),
        sealed bytea NOT NULL CHECK (octet_length(sealed) = 545),
        crop bytea,
        quality real NOT NULL,
        camera_id text NOT NULL,
        captured_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX unknown_face_members_by_face ON unknown_face_members (face_id, quality)",
    # The server makes the first one.
    """
    CREATE TABLE credential_keys (
        id uuid PRIMARY KEY,
        sealed bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX reviews_by_age ON reviews (last_seen_at)",
    "CREATE INDEX sightings_by_age ON sightings (captured_at)",
    # For erasing somebody, and for showing them what is held.
    "CREATE INDEX outbox_by_person ON outbox ((payload -> 'person' ->> 'id'))",
    "CREATE INDEX outbox_by_person_id ON outbox ((payload ->> 'person_id'))",
)

DOWNGRADE = (
    "DROP INDEX outbox_by_person_id, outbox_by_person, sightings_by_age, reviews_by_age",
    "DROP TABLE credential_keys",
    "DROP FUNCTION forget_audit, forget_consents",
    "DROP TABLE unknown_face_members, unknown_faces",
    "DROP TABLE audit_log, consents, consent_texts",
    "DROP FUNCTION refuse_change",
    "CREATE INDEX templates_by_model ON templates (model_id)",
    # Without the key nothing brings the plain vectors back: these people have to be enrolled again.
    "DELETE FROM templates WHERE embedding IS NULL",
    """
    ALTER TABLE templates
        DROP CONSTRAINT templates_plain_or_sealed,
        DROP COLUMN sealed,
        ALTER COLUMN embedding SET NOT NULL
    """,
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWNGRADE:
        op.execute(statement)
