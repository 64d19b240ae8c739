"""What data is, and what was found in it, as plain data that crosses processes and is stored."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from multi_llm_comparator.applications.reading.pieces import Place, Remark
from multi_llm_comparator.core.closed_model import ClosedModel

InsightType = Literal["trends", "anomalies", "comparison"]


class Series(ClosedModel):
    """Values by label. ``is_ordered``: the labels are times, in their order. ``how`` says how rows were added up:
    "" (as given), "sum" or "mean"; ``rows`` of how many."""

    name: str
    unit: str = ""
    labels: tuple[str, ...]
    values: tuple[float, ...]
    is_ordered: bool = False
    how: Literal["", "sum", "mean"] = ""
    rows: int = 0
    place: Place = Place()

    @property
    def is_percent(self) -> bool:
        return self.unit in ("%", "％", "percent")

    @property
    def title(self) -> str:
        return f"{self.name} ({self.unit})" if self.unit else self.name


class Finding(ClosedModel):
    """One thing that was computed. ``figures`` are numbers, ``percents`` percentages, ``labels`` texts of the data; the
    sentence for ``code`` is in :mod:`applications.words`."""

    code: str
    about: tuple[InsightType, ...]
    series: str
    other: str = ""
    unit: str = ""
    figures: dict[str, float] = Field(default={})
    percents: dict[str, float] = Field(default={})
    labels: dict[str, str] = Field(default={})


class Data(ClosedModel):
    """The data of a document with all findings. ``data_points`` are the numbers that were read."""

    name: str = ""
    format: str = "text"
    title: str = ""
    series: tuple[Series, ...]
    findings: tuple[Finding, ...]
    data_points: int
    text: str = ""
    remarks: tuple[Remark, ...] = ()
