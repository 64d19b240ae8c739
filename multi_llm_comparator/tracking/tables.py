"""The tables, as the newest migration leaves them."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

# The revision of migrations/versions that makes what is declared here.
SCHEMA_REVISION = "0004"

metadata = MetaData()


def _of_a_run() -> Column[str]:
    return Column("run_id", String(64), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)


runs = Table(
    "runs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("title", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("status", String(32), nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("updated_at", Float(53), nullable=False),
    Column("schema_version", Integer, nullable=False),
    Column("document", JSON, nullable=False),
    # Title, detail and prompts with case folded away: no database folds Chinese, Greek and German text alike.
    Column("folded", Text, nullable=False),
    Column("phase", String(32), nullable=False, server_default=""),
    Column("origin", String(32), nullable=False, server_default=""),
    # No foreign key: what was made from a run stays when that one is deleted.
    Column("parent_id", String(64)),
    # For whom it was made: the id of a key and the like, empty for this machine's own.
    Column("caller", String(100), nullable=False, server_default=""),
    # What users add. A run that is saved again leaves these as they are.
    Column("renamed", Text),
    Column("note", Text, nullable=False, server_default=""),
    Column("folded_marks", Text, nullable=False, server_default=""),
    Index("runs_by_time", "created_at", "id"),
    Index("runs_by_caller", "caller", "created_at", "id"),
)

# Who works on a run, until when if it does not say so again. A table of its own: renewing it must not touch the run.
leases = Table(
    "leases",
    metadata,
    _of_a_run(),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("began_at", Float(53), nullable=False),
    Column("until", Float(53), nullable=False),
)

models = Table(
    "run_models",
    metadata,
    _of_a_run(),
    Column("model", String(500), primary_key=True),
    Index("runs_by_model", "model"),
)

# The parts of a run that have an outcome of their own: an answer, a step, a question of a data set.
items = Table(
    "items",
    metadata,
    _of_a_run(),
    Column("key", String(128), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("status", String(32), nullable=False),
    Column("text", Text, nullable=False),
    Column("score", Float(53)),
    Column("record", JSON, nullable=False),
    Column("updated_at", Float(53), nullable=False),
    Column("folded", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
)

# Of runs (key "", attempt 0) and of their items.
tags = Table(
    "tags",
    metadata,
    _of_a_run(),
    Column("key", String(128), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("tag", String(64), primary_key=True),
    Index("runs_by_tag", "tag"),
)

points = Table(
    "points",
    metadata,
    _of_a_run(),
    Column("series", String(128), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("value", Float(53), nullable=False),
    Column("at", Float(53), nullable=False),
)

# Keys that programs show to the API: of each only a digest.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("scopes", String(100), nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("expires_at", Float(53)),
    Column("revoked_at", Float(53)),
    Column("last_used_at", Float(53)),
    Column("limits", JSON, nullable=False),
)

# One row for each request to the API, without contents.
api_usage = Table(
    "api_usage",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float(53), nullable=False),
    Column("caller", String(100), nullable=False),
    Column("model", String(300), nullable=False),
    Column("path", String(100), nullable=False),
    Column("status", Integer, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("micro_usd", Integer),
    Column("latency_s", Float(53), nullable=False),
    Column("first_text_s", Float(53)),
    Index("usage_by_time", "at"),
)
