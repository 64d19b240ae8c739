"""The tables, as the newest migration leaves them."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

# The revision of migrations/versions that makes what is declared here.
SCHEMA_REVISION = "0001"

metadata = MetaData()

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
    Index("runs_by_time", "created_at", "id"),
)

answers = Table(
    "answers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("run_id", String(64), ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("turn", Integer, nullable=False),
    Column("pane_id", String(64), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("status", String(32), nullable=False),
    Column("text", Text, nullable=False),
    Column("record", JSON, nullable=False),
    Column("updated_at", Float(53), nullable=False),
    Column("folded", Text, nullable=False),
    UniqueConstraint("run_id", "turn", "pane_id", "attempt", name="answers_once"),
)
