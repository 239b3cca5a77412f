"""Templates are encrypted."""

from alembic import op

revision = "0006_privacy"
down_revision = "0002_pulled_cameras"
branch_labels = None
depends_on = None

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
)

DOWNGRADE = (
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
