"""Every table. Instants are µs since the epoch (BIGINT), ids 32 hex digits, `Sealed` columns hold payloads.

Who writes what: landing writes object, version, member, link, checkpoint; identity writes golden, match_key, decision,
dirty; the ledger writes binding, target_state, delivery, attempt; each other table has the module of its name.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, String, Table, Text, UniqueConstraint

from kernel.store.columns import Sealed, among, metadata
from kernel.store.columns import at_column as _at
from kernel.store.columns import id_column as _id
from kernel.store.columns import name_column as _name
from kernel.store.columns import partial_index as _only
from kernel.store.reads import checkpoint as checkpoint
from kernel.store.reads import sighting as sighting

connection = Table(
    "connection",
    metadata,
    _name("name", primary_key=True),
    _name("system"),
    _at("created_at", False),
    _at("paused_at"),
    _name("paused_by", True),
)

credential = Table(
    "credential",
    metadata,
    _name("connection", primary_key=True),
    Column("version", Integer, nullable=False),  # rises with each renewal
    _at("updated_at", False),
    Column("content", Sealed, nullable=False),  # access token, its end, refresh token and the one before
)

object_ = Table(
    "object",
    metadata,
    _id(primary_key=True),  # ids.object_id(connection, resource, vendor_id)
    _name("connection"),
    _name("resource"),
    Column("vendor_id", Text, nullable=False),
    _at("source_at"),  # of the newest version seen; older ones are stale
    _id("landed_hash"),
    _id("parked_hash"),  # of the version now parked
    _id("version"),  # trace id of the newest landed or filtered version
    Column("deleted", SmallInteger, nullable=False),
    Index(None, "vendor_id"),
    Index(None, "connection", "resource"),
)

version = Table(
    "version",
    metadata,
    _id("trace_id", primary_key=True),
    _id("object_id", nullable=False, index=True),
    _id("run_id", nullable=False),
    _id("content_hash", nullable=False),
    _name("state"),  # landed, filtered, parked, superseded, discarded
    _name("rule", True),
    _at("source_at"),
    _at("read_at", False),
    Column("deleted", SmallInteger, nullable=False),
    _name("mapping", True),  # revision of the mapping that drew it
    Column("raw", Sealed),
)

member = Table(
    "member",
    metadata,
    _id("object_id", primary_key=True),
    Column("id", String(300), primary_key=True),  # object id:part[:key]
    _name("part"),
    _name("entity"),
    _name("connection"),
    _name("resource"),
    _id("golden_id", nullable=False, index=True),
    _id("version", nullable=False),  # trace id it was last drawn from
    _at("arrival", False),
    Column("active", SmallInteger, nullable=False),
    Column("keys", Text, nullable=False),  # JSON [[kind, keyed hash], …]
    Column("data", Sealed, nullable=False),  # {"data": …, "at": {field: instant; "": of the others}, "ours": [field]}
)

golden = Table(
    "golden",
    metadata,
    _id(primary_key=True),
    _name("entity"),
    _id("component", nullable=False, index=True),  # all that shared keys connect, whether merged or refused
    Column("version", Integer, nullable=False),
    _id("hash", nullable=False),
    _id("trace_id", nullable=False),  # the version that caused this one
    Column("merged_into", String(32)),
    Column("gone", SmallInteger, nullable=False),  # no active member
    _at("created_at", False),
    _at("updated_at", False),
    Column("data", Sealed, nullable=False),  # {"data": …, "of": {field: [member, instant]; "": of the others}}
    _only(None, "merged_into", where="merged_into IS NOT NULL"),
)

match_key = Table(
    "match_key",
    metadata,
    # It comes in no order: with a row id only hashes stand in the index that a batch writes all over. Of entity, kind and value.
    _id("hash", primary_key=True),
    _name("kind"),
    _name("entity"),
    _id("component", nullable=False),
    Column("seen", Integer, nullable=False),  # members that ever carried it; past the rule's limit it links nobody
)

link = Table(
    "link",
    metadata,
    Column("id", String(400), primary_key=True),  # member id#field
    _id("golden_id", nullable=False, index=True),  # whose reference it is
    _name("field"),
    _name("to_entity"),
    _name("to_kind"),  # object, identifier
    _id("to_key", nullable=False, index=True),  # object id, or keyed hash of the identifier
    _id("to_golden", index=True),  # None: the other end has not arrived
    sqlite_with_rowid=False,
)

binding = Table(
    "binding",
    metadata,
    _id(primary_key=True),
    _id("golden_id", nullable=False, index=True),
    Column("anchor", String(300), nullable=False),  # the member whose golden record it follows, merge or unmerge
    _name("connection"),
    _name("resource"),
    _name("slot"),  # primary, duplicate, converted, detached
    _id("ext_key", nullable=False),  # the binding's own id, so unique as that is
    Column("vendor_id", Text),
    _id("object_id"),
    _at("created_at", False),
    _at("hold_until"),  # no newer version is sent before it: an older unknown send could still land
    _only("uq_binding_object", "object_id", where="object_id IS NOT NULL", unique=True),
    _only("uq_binding_primary", "golden_id", "connection", "resource", where="slot = 'primary'", unique=True),
)

target_state = Table(
    "target_state",
    metadata,
    _id("binding_id", primary_key=True),
    _at("updated_at", False),
    Column("present", SmallInteger, nullable=False),  # the object is there, as far as we saw
    Column("fields", Sealed, nullable=False),  # {"sent": {vendor field: v}, "seen": {vendor field: v}}
)

dirty = Table(
    "dirty",
    metadata,
    _id("golden_id", primary_key=True),
    _name("sync", primary_key=True),
    _name("entity"),
    _name("reason"),
    _id("trace_id", nullable=False),
    _id("token", nullable=False),  # changes with every mark: the planner removes only what it read
    Index(None, "sync", "entity", "token"),  # planned in the order of marking: neighbours were landed together
    sqlite_with_rowid=False,
)

delivery = Table(
    "delivery",
    metadata,
    _id(primary_key=True),
    _id("binding_id", nullable=False),
    _id("op_key", nullable=False),
    _id("golden_id", nullable=False),
    Column("golden_version", Integer, nullable=False),
    _name("connection"),
    _name("resource"),
    _name("sync"),
    _name("action"),
    _name("state"),
    _id("trace_id", nullable=False, index=True),
    _id("run_id", nullable=False),  # that planned it
    _id("settled_run"),
    _name("mapping"),
    Column("generation", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    _at("sent_at"),
    _at("not_before", False),
    _id("wait_on"),  # golden record whose vendor id it needs
    _at("planned_at", False),
    _name("cause", True),
    Column("error", Text),
    _id("parent"),  # the delivery it replays
    _id("gate"),  # the approval that holds it (state HELD), or that released it
    Column("body", Sealed),  # None once pruned; {"fields", "refs": {name: golden id}, "of": {field: member; "": rest}}
    Column("before", Sealed),  # the target fields it replaces
    UniqueConstraint("binding_id", "op_key"),
    Index("ix_delivery_due", "state", "connection", "resource", "not_before"),
    Index(None, "run_id"),
    _only("ix_delivery_settled", "settled_run", "state", where="settled_run IS NOT NULL"),
    _only("uq_delivery_open", "binding_id", where=among("INFLIGHT", "UNKNOWN", "RECONCILING"), unique=True),
    _only("uq_delivery_next", "binding_id", where=among("PLANNED", "WAITING", "HELD"), unique=True),
    _only("ix_delivery_wait", "wait_on", where="wait_on IS NOT NULL"),
    _only("ix_delivery_gate", "gate", where="gate IS NOT NULL"),
)

attempt = Table(
    "attempt",
    metadata,
    _id("delivery_id", primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("fence", BigInteger, nullable=False),
    _at("sent_at", False),
    _at("settled_at", False),
    _name("outcome"),
    Column("status", Integer),
    _name("request_id", True),
    Column("error", Text),
    sqlite_with_rowid=False,
)

job = Table(
    "job",
    metadata,
    _name("connection", primary_key=True),
    _name("resource", primary_key=True),
    Column("vendor_id", Text, nullable=False),  # of the vendor's job that carries deliveries of this target
    _at("begun_at", False),
    Column("deliveries", Text, nullable=False),  # JSON list of their ids, in the order they were given to the connector
)

dead_letter = Table(
    "dead_letter",
    metadata,
    _id(primary_key=True),
    _name("kind"),  # version, delivery
    _id("about", nullable=False, index=True),  # trace id of the version, or id of the delivery
    _id("trace_id", nullable=False, index=True),
    _id("object_id", index=True),  # None for a delivery
    _name("connection"),
    _name("resource"),
    _name("stage"),
    _name("cause"),
    _name("field", True),
    _name("rule", True),
    _name("fate"),
    Column("message", Text, nullable=False),
    _name("revision", True),
    Column("attempts", Integer, nullable=False),
    _name("state"),  # open, replaying, resolved, superseded, discarded
    _name("mode", True),  # of the replay asked for: verbatim, remap, edited
    _at("first_at", False),
    _at("last_at", False),
    _id("run_id", nullable=False),
    _name("closed_by", True),
    Column("reason", Text),
    Column("payload", Sealed),  # None once pruned
    Column("edited", Sealed),
    Index(None, "state", "cause"),
)

receipt = Table(
    "receipt",
    metadata,
    _id(primary_key=True),
    _name("connection"),
    Column("dedupe_key", String(128), nullable=False),
    _name("state"),  # received, processed, refused
    _at("received_at", False),
    _at("processed_at"),
    Column("request", Sealed, nullable=False),  # {"method", "url", "headers", "body"}
    UniqueConstraint("connection", "dedupe_key"),
    Index(None, "state"),
)

lease = Table(
    "lease",
    metadata,
    _name("name", primary_key=True),
    _name("holder"),
    Column("fence", BigInteger, nullable=False),
    _at("until", False),
)

run = Table(
    "run",
    metadata,
    _id(primary_key=True),
    Column("number", BigInteger, nullable=False, index=True),  # in the order of their starts, two at once may share one
    _name("kind"),
    _name("sync", True),
    _name("state"),  # running, completed, with_dead_letters, awaiting_approval, partial, failed, abandoned
    _at("started_at", False),
    _at("ended_at"),
    _name("flow_run", True),  # the Prefect run that carried it
    Column("revisions", Text, nullable=False),
    Column("counts", Text, nullable=False),
    Column("error", Text),
    Index(None, "started_at"),
)

revision = Table(
    "revision",
    metadata,
    _name("path", primary_key=True),  # mappings/stripe/customers.yaml
    _id("hash", primary_key=True),
    _at("activated_at", False),
    _name("activated_by"),
    Column("active", SmallInteger, nullable=False),
    Column("body", Text, nullable=False),
)

decision = Table(
    "decision",
    metadata,
    _id(primary_key=True),
    _name("entity"),
    _name("kind"),  # must_link, cannot_link, merged, split, refused
    Column("a", String(300), nullable=False, index=True),  # member or golden id
    Column("b", String(300), nullable=False, index=True),
    _name("by"),
    Column("why", Text, nullable=False),
    _at("at", False),
    Column("active", SmallInteger, nullable=False),
)

consent = Table(
    "consent",
    metadata,
    _id("subject", primary_key=True),  # keyed hash of the address
    _name("channel", primary_key=True),
    _name("purpose", primary_key=True),
    Column("at", BigInteger, primary_key=True),
    _name("state"),
    _name("basis"),  # explicit, imported, inferred
    _id("trace_id", nullable=False),
)

quota = Table(
    "quota",
    metadata,
    _name("connection", primary_key=True),
    Column("state", Text, nullable=False),  # JSON, see kernel/quota/account.py: read and written whole, under its lock
    _at("updated_at", False),
)

approval = Table(
    "approval",
    metadata,
    _id(primary_key=True),
    _name("kind"),  # removals, changes, writes_to_target, writes_to_record, shrunken_read, pause
    _id("run_id"),  # that asked; None where a person paused something
    _name("state"),  # gathering, asked, released, refused, overtaken
    _name("sync", True),
    _name("connection", True),
    _name("resource", True),
    _id("fingerprint"),  # of exactly the set of deliveries that waits for it
    Column("subject", Text, nullable=False),  # JSON of names and counts: how many, of how many, which limit
    _at("asked_at", False),
    _at("decided_at"),
    _name("decided_by", True),
    Column("why", Text),
    Index(None, "state"),
)

pace = Table(
    "pace",
    metadata,
    _name("connection", primary_key=True),
    _name("resource", primary_key=True),
    Column("at", BigInteger, primary_key=True),  # beginning of five minutes
    Column("writes", Integer, nullable=False),  # planned in them, less those that were superseded
)

audit = Table(
    "audit",
    metadata,
    _id(primary_key=True),
    _at("at", False),
    _name("by"),
    _name("action"),
    Column("about", String(400), nullable=False, index=True),
    Column("why", Text, nullable=False),
    Column("facts", Text, nullable=False),  # JSON of ids and names, never values
    _id("chain"),  # set by the background sealer
)
