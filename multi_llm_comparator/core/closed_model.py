"""Data with just the fields that are declared."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ClosedModel(BaseModel):
    """A field that is not declared is refused, and nothing changes once it is made."""

    model_config = ConfigDict(extra="forbid", frozen=True)
