"""The tables of the spine."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "approval",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=200), nullable=False),
        sa.Column("run_id", sa.String(length=32), nullable=True),
        sa.Column("state", sa.String(length=200), nullable=False),
        sa.Column("sync", sa.String(length=200), nullable=True),
        sa.Column("connection", sa.String(length=200), nullable=True),
        sa.Column("resource", sa.String(length=200), nullable=True),
        sa.Column("fingerprint", sa.String(length=32), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.String(length=200), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
    )
    op.create_index(op.f("ix_approval_state"), "approval", ["state"], unique=False)
    op.create_table(
        "attempt",
        sa.Column("delivery_id", sa.String(length=32), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(length=200), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("request_id", sa.String(length=200), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("delivery_id", "n", name=op.f("pk_attempt")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=200), nullable=False),
        sa.Column("about", sa.String(length=400), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("chain", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_about"), "audit", ["about"], unique=False)
    op.create_table(
        "binding",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("golden_id", sa.String(length=32), nullable=False),
        sa.Column("anchor", sa.String(length=300), nullable=False),
        sa.Column("connection", sa.String(length=200), nullable=False),
        sa.Column("resource", sa.String(length=200), nullable=False),
        sa.Column("slot", sa.String(length=200), nullable=False),
        sa.Column("ext_key", sa.String(length=32), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=True),
        sa.Column("object_id", sa.String(length=32), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("hold_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_binding")),
    )
    op.create_index(op.f("ix_binding_golden_id"), "binding", ["golden_id"], unique=False)
    op.create_index(
        "uq_binding_object",
        "binding",
        ["object_id"],
        unique=True,
        sqlite_where=sa.text("object_id IS NOT NULL"),
        postgresql_where=sa.text("object_id IS NOT NULL"),
    )
    op.create_index(
        "uq_binding_primary",
        "binding",
        ["golden_id", "connection", "resource"],
        unique=True,
        sqlite_where=sa.text("slot = 'primary'"),
        postgresql_where=sa.text("slot = 'primary'"),
    )
    op.create_table(
        "checkpoint",
        sa.Column("connection", sa.String(length=200), nullable=False),
        sa.Column("resource", sa.String(length=200), nullable=False),
        sa.Column("backfill", sa.String(length=200), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("complete_count", sa.Integer(), nullable=True),
        sa.Column("seen", sa.Integer(), nullable=True),
        sa.Column("shape", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("connection", "resource", "backfill", name=op.f("pk_checkpoint")),
    )
    op.create_table(
        "connection",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("system", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.Column("paused_by", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_connection")),
    )
    op.create_table(
        "consent",
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("channel", sa.String(length=200), nullable=False),
        sa.Column("purpose", sa.String(length=200), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=200), nullable=False),
        sa.Column("basis", sa.String(length=200), nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("subject", "channel", "purpose", "at", name=op.f("pk_consent")),
    )
    op.create_table(
        "credential",
        sa.Column("connection", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("connection", name=op.f("pk_credential")),
    )
    op.create_table(
        "dead_letter",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=200), nullable=False),
        sa.Column("about", sa.String(length=32), nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("object_id", sa.String(length=32), nullable=True),
        sa.Column("connection", sa.String(length=200), nullable=False),
        sa.Column("resource", sa.String(length=200), nullable=False),
        sa.Column("stage", sa.String(length=200), nullable=False),
        sa.Column("cause", sa.String(length=200), nullable=False),
        sa.Column("field", sa.String(length=200), nullable=True),
        sa.Column("rule", sa.String(length=200), nullable=True),
        sa.Column("fate", sa.String(length=200), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("revision", sa.String(length=200), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=200), nullable=False),
        sa.Column("mode", sa.String(length=200), nullable=True),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("closed_by", sa.String(length=200), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("edited", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letter")),
    )
    op.create_index(op.f("ix_dead_letter_about"), "dead_letter", ["about"], unique=False)
    op.create_index(op.f("ix_dead_letter_object_id"), "dead_letter", ["object_id"], unique=False)
    op.create_index(op.f("ix_dead_letter_state_cause"), "dead_letter", ["state", "cause"], unique=False)
    op.create_index(op.f("ix_dead_letter_trace_id"), "dead_letter", ["trace_id"], unique=False)
    op.create_table(
        "decision",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("entity", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=200), nullable=False),
        sa.Column("a", sa.String(length=300), nullable=False),
        sa.Column("b", sa.String(length=300), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision")),
    )
    op.create_index(op.f("ix_decision_a"), "decision", ["a"], unique=False)
    op.create_index(op.f("ix_decision_b"), "decision", ["b"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("binding_id", sa.String(length=32), nullable=False),
        sa.Column("op_key", sa.String(length=32), nullable=False),
        sa.Column("golden_id", sa.String(length=32), nullable=False),
        sa.Column("golden_version", sa.Integer(), nullable=False),
        sa.Column("connection", sa.String(length=200), nullable=False),
        sa.Column("resource", sa.String(length=200), nullable=False),
        sa.Column("sync", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=200), nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("settled_run", sa.String(length=32), nullable=True),
        sa.Column("mapping", sa.String(length=200), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("wait_on", sa.String(length=32), nullable=True),
        sa.Column("planned_at", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(length=200), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("parent", sa.String(length=32), nullable=True),
        sa.Column("gate", sa.String(length=32), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("before", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("binding_id", "op_key", name=op.f("uq_delivery_binding_id_op_key")),
    )
    op.create_index("ix_delivery_due", "delivery", ["state", "connection", "resource", "not_before"], unique=False)
    op.create_index(
        "ix_delivery_gate",
        "delivery",
        ["gate"],
        unique=False,
        sqlite_where=sa.text("gate IS NOT NULL"),
        postgresql_where=sa.text("gate IS NOT NULL"),
    )
    op.create_index(op.f("ix_delivery_run_id"), "delivery", ["run_id"], unique=False)
    op.create_index(
        "ix_delivery_settled",
        "delivery",
        ["settled_run", "state"],
        unique=False,
        sqlite_where=sa.text("settled_run IS NOT NULL"),
        postgresql_where=sa.text("settled_run IS NOT NULL"),
    )
    op.create_index(op.f("ix_delivery_trace_id"), "delivery", ["trace_id"], unique=False)
    op.create_index(
        "ix_delivery_wait",
        "delivery",
        ["wait_on"],
        unique=False,
        sqlite_where=sa.text("wait_on IS NOT NULL"),
        postgresql_where=sa.text("wait_on IS NOT NULL"),
    )
    op.create_index(
        "uq_delivery_next",
        "delivery",
        ["binding_id"],
        unique=True,
        sqlite_where=sa.text("state = 'PLANNED' OR state = 'WAITING' OR state = 'HELD'"),
        postgresql_where=sa.text("state = 'PLANNED' OR state = 'WAITING' OR state = 'HELD'"),
    )
    op.create_index(
        "uq_delivery_open",
        "delivery",
        ["binding_id"],
        unique=True,
        sqlite_where=sa.text("state = 'INFLIGHT' OR state = 'UNKNOWN' OR state = 'RECONCILING'"),
        postgresql_where=sa.text("state = 'INFLIGHT' OR state = 'UNKNOWN' OR state = 'RECONCILING'"),
    )
    op.create_table(
        "dirty",
        sa.Column("golden_id", sa.String(length=32), nullable=False),
        sa.Column("sync", sa.String(length=200), nullable=False),
        sa.Column("entity", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("golden_id", "sync", name=op.f("pk_dirty")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_dirty_sync_entity_token"), "dirty", ["sync", "entity", "token"], unique=False)
    op.create_table(
        "golden",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("entity", sa.String(length=200), nullable=False),
        sa.Column("component", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("merged_into", sa.String(length=32), nullable=True),
        sa.Column("gone", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_golden")),
    )
    op.create_index(op.f("ix_golden_component"), "golden", ["component"], unique=False)
    op.create_index(
        op.f("ix_golden_merged_into"),
        "golden",
        ["merged_into"],
        unique=False,
        sqlite_where=sa.text("merged_into IS NOT NULL"),
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.create_table(
        "job",
        sa.Column("connection", sa.String(length=200), nullable=False),
        sa.Column("resource", sa.String(length=200), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("deliveries", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "resource", name=op.f("pk_job")),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "link",
        sa.Column("id", sa.String(length=400), nullable=False),
        sa.Column("golden_id", sa.String(length=32), nullable=False),
        sa.Column("field", sa.String(length=200), nullable=False),
        sa.Column("to_entity", sa.String(length=200), nullable=False),
        sa.Column("to_kind", sa.String(length=200), nullable=False),
        sa.Column("to_key", sa.String(length=32), nullable=False),
        sa.Column("to_golden", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_link_golden_id"), "link", ["golden_id"], unique=False)
    op.create_index(op.f("ix_link_to_golden"), "link", ["to_golden"], unique=False)
    op.create_index(op.f("ix_link_to_key"), "link", ["to_key"], unique=False)
    op.create_table(
        "match_key",
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=200), nullable=False),
        sa.Column("entity", sa.String(length=200), nullable=False),
        sa.Column("component", sa.String(length=32), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_match_key")),
    )
    op.create_table(
        "member",
        sa.Column("object_id", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=300), nullable=False),
        sa.Column("part", sa.String(length=200), nullable=False),
        sa.Column("entity", sa.String(length=200), nullable=False),
        sa.Column("connection", sa.String(length=200), nullable=False),
        sa.Column("resource", sa.String(length=200), nullable=False),
        sa.Column("golden_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("arrival", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.SmallInteger(), nullable=False),
        sa.Column("keys", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("object_id", "id", name=op.f("pk_member")),
    )
    op.create_index(op.f("ix_member_golden_id"), "member", ["golden_id"], unique=False)
    op.create_table(
        "object",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("connection", sa.String(length=200), nullable=False),
        sa.Column("resource", sa.String(length=200), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("source_at", sa.BigInteger(), nullable=True),
        sa.Column("landed_hash", sa.String(length=32), nullable=True),
        sa.Column("parked_hash", sa.String(length=32), nullable=True),
        sa.Column("version", sa.String(length=32), nullable=True),
        sa.Column("deleted", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_object")),
    )
    op.create_index(op.f("ix_object_connection_resource"), "object", ["connection", "resource"], unique=False)
    op.create_index(op.f("ix_object_vendor_id"), "object", ["vendor_id"], unique=False)
    op.create_table(
        "pace",
        sa.Column("connection", sa.String(length=200), nullable=False),
        sa.Column("resource", sa.String(length=200), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("writes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "resource", "at", name=op.f("pk_pace")),
    )
    op.create_table(
        "quota",
        sa.Column("connection", sa.String(length=200), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("connection", name=op.f("pk_quota")),
    )
    op.create_table(
        "receipt",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("connection", sa.String(length=200), nullable=False),
        sa.Column("dedupe_key", sa.String(length=128), nullable=False),
        sa.Column("state", sa.String(length=200), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("processed_at", sa.BigInteger(), nullable=True),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipt")),
        sa.UniqueConstraint("connection", "dedupe_key", name=op.f("uq_receipt_connection_dedupe_key")),
    )
    op.create_index(op.f("ix_receipt_state"), "receipt", ["state"], unique=False)
    op.create_table(
        "revision",
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.Column("activated_at", sa.BigInteger(), nullable=False),
        sa.Column("activated_by", sa.String(length=200), nullable=False),
        sa.Column("active", sa.SmallInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("path", "hash", name=op.f("pk_revision")),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=200), nullable=False),
        sa.Column("sync", sa.String(length=200), nullable=True),
        sa.Column("state", sa.String(length=200), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("flow_run", sa.String(length=200), nullable=True),
        sa.Column("revisions", sa.Text(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index(op.f("ix_run_number"), "run", ["number"], unique=False)
    op.create_index(op.f("ix_run_started_at"), "run", ["started_at"], unique=False)
    op.create_table(
        "sighting",
        sa.Column("connection", sa.String(length=200), nullable=False),
        sa.Column("resource", sa.String(length=200), nullable=False),
        sa.Column("read", sa.String(length=200), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("began", sa.BigInteger(), nullable=False),
        sa.Column("ids", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "resource", "read", "n", name=op.f("pk_sighting")),
    )
    op.create_table(
        "target_state",
        sa.Column("binding_id", sa.String(length=32), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("present", sa.SmallInteger(), nullable=False),
        sa.Column("fields", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("binding_id", name=op.f("pk_target_state")),
    )
    op.create_table(
        "version",
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("object_id", sa.String(length=32), nullable=False),
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("content_hash", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=200), nullable=False),
        sa.Column("rule", sa.String(length=200), nullable=True),
        sa.Column("source_at", sa.BigInteger(), nullable=True),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.SmallInteger(), nullable=False),
        sa.Column("mapping", sa.String(length=200), nullable=True),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("trace_id", name=op.f("pk_version")),
    )
    op.create_index(op.f("ix_version_object_id"), "version", ["object_id"], unique=False)
