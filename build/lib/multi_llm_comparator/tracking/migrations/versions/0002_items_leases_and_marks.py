"""Answers become items; runs get a phase, an origin, a parent, models, tags, notes; leases and points."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# The longest line that version 0001 kept: what is as long was cut, and its last name with it.
_CUT_CHARS = 500


def upgrade() -> None:
    _widen_runs()
    _make_tables()
    _move_answers()
    _read_states()
    _read_models()


def _run_id() -> sa.Column[str]:
    return sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)


def _widen_runs() -> None:
    for name, kind in (
        ("phase", sa.String(32)),
        ("origin", sa.String(32)),
        ("note", sa.Text()),
        ("folded_marks", sa.Text()),
    ):
        op.add_column("runs", sa.Column(name, kind, nullable=False, server_default=""))
    op.add_column("runs", sa.Column("parent_id", sa.String(64)))
    op.add_column("runs", sa.Column("renamed", sa.Text))


def _make_tables() -> None:
    op.create_table(
        "leases",
        _run_id(),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("began_at", sa.Float(53), nullable=False),
        sa.Column("until", sa.Float(53), nullable=False),
    )
    op.create_table("run_models", _run_id(), sa.Column("model", sa.String(500), primary_key=True))
    op.create_index("runs_by_model", "run_models", ["model"])
    op.create_table(
        "items",
        _run_id(),
        sa.Column("key", sa.String(128), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("score", sa.Float(53)),
        sa.Column("record", sa.JSON, nullable=False),
        sa.Column("updated_at", sa.Float(53), nullable=False),
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
    )
    op.create_table(
        "tags",
        _run_id(),
        sa.Column("key", sa.String(128), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("tag", sa.String(64), primary_key=True),
    )
    op.create_index("runs_by_tag", "tags", ["tag"])
    op.create_table(
        "points",
        _run_id(),
        sa.Column("series", sa.String(128), primary_key=True),
        sa.Column("step", sa.Integer, primary_key=True),
        sa.Column("value", sa.Float(53), nullable=False),
        sa.Column("at", sa.Float(53), nullable=False),
    )


def _move_answers() -> None:
    # The id of an answer to a comparison is part of its exports, so its record keeps it. A step was named by its run,
    # and has been one row whatever the number of its attempts.
    on_postgres = op.get_bind().dialect.name == "postgresql"
    with_id = (
        "CAST(jsonb_set(CAST(a.record AS jsonb), '{id}', to_jsonb(a.id)) AS json)"
        if on_postgres
        else "json_set(a.record, '$.id', a.id)"
    )
    op.execute(
        f"""
        INSERT INTO items (run_id, key, attempt, position, status, text, record, updated_at, folded)
        SELECT a.run_id,
               CASE WHEN r.kind = 'plan' THEN a.pane_id ELSE CAST(a.turn AS VARCHAR) || '/' || a.pane_id END,
               CASE WHEN r.kind = 'plan' THEN 1 ELSE a.attempt END,
               a.turn, a.status, a.text,
               CASE WHEN r.kind = 'plan' THEN a.record ELSE {with_id} END,
               a.updated_at, a.folded
        FROM answers a JOIN runs r ON r.id = a.run_id
        """
    )
    op.drop_table("answers")


def _read_states() -> None:
    op.execute("UPDATE runs SET phase = status WHERE status IN ('planning', 'aggregating')")
    op.execute("UPDATE runs SET status = 'running' WHERE status IN ('planning', 'aggregating')")
    op.execute("UPDATE runs SET status = 'queued' WHERE status = 'new'")


def _read_models() -> None:
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT id, detail FROM runs WHERE detail <> ''")).all()
    found = []
    for run_id, detail in rows:
        names = detail.split(", ")
        whole = names[:-1] if len(detail) >= _CUT_CHARS else names
        found += [{"run_id": run_id, "model": name} for name in dict.fromkeys(filter(None, whole))]
    if found:
        connection.execute(sa.text("INSERT INTO run_models (run_id, model) VALUES (:run_id, :model)"), found)


def downgrade() -> None:
    raise NotImplementedError("version 0001 has no place for tags, notes and points; restore a copy of the database")
