"""For whom each run was made. What is there was made before anybody was told apart: it is this machine's own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("runs", sa.Column("caller", sa.String(100), nullable=False, server_default=""))
    op.create_index("runs_by_caller", "runs", ["caller", "created_at", "id"])


def downgrade() -> None:
    op.drop_index("runs_by_caller", "runs")
    op.drop_column("runs", "caller")
