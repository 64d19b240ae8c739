"""Numbers as people read them: with their unit, and rounded to what they mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from multi_llm_comparator.core import readable
from multi_llm_comparator.core.readable import NOTHING as NOTHING
from multi_llm_comparator.core.readable import count as count
from multi_llm_comparator.core.readable import size as size
from multi_llm_comparator.ui.kit.i18n import current_language

_KIB = 1024


def seconds(value: float | None) -> str:
    """As :func:`readable.seconds`, in the reader's language."""
    return readable.seconds(value, current_language())


def speed(tokens_per_second: float | None) -> str:
    """Tokens per second without the unit: one decimal below 100."""
    if tokens_per_second is None:
        return NOTHING
    return f"{tokens_per_second:.1f}" if tokens_per_second < 99.95 else f"{tokens_per_second:,.0f}"


def device(name: str) -> str:
    """``cpu``, ``cuda:1``, ``mps`` as people call them in both languages: ``CPU``, ``GPU 1``, ``Apple GPU``."""
    kind, _, number = name.partition(":")
    if kind == "cuda":
        return f"GPU {number or 0}"
    return {"cpu": "CPU", "mps": "Apple GPU"}.get(kind, name)


def dollars(value: float | None) -> str:
    """US dollars, as small as they matter: $0, $0.0031, $1.20."""
    if value is None:
        return NOTHING
    if value == 0:
        return "$0"
    if 0 < value < 0.0001:
        return "<$0.0001"
    return f"${value:.2f}" if value >= 0.1 or value == round(value, 2) else f"${value:.4f}"


def parameters(value: int | None) -> str:
    """``260 K``, ``4.9 M``, ``7.2 B``: as models are named."""
    if value is None:
        return NOTHING
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if value >= limit * 0.9995:
            scaled = value / limit
            return f"{scaled:.0f} {unit}" if scaled >= 99.5 else f"{scaled:.1f} {unit}"
    return str(value)


def context(tokens: int | None) -> str:
    """``512``, ``4K``, ``128K``: context lengths are powers of two."""
    if tokens is None:
        return NOTHING
    return f"{tokens / _KIB:g}K" if tokens >= _KIB and tokens % 256 == 0 else f"{tokens:,}"


def moment(at: float, timezone: str | None) -> str:
    """A time of day in the reader's time zone, to the second."""
    return datetime.fromtimestamp(at, zone(timezone)).strftime("%Y-%m-%d %H:%M:%S %Z")


def age(at: float, now: float) -> tuple[str, int]:
    """How long ago, as the key of a phrase and its number: ("minutes", 5)."""
    ago = timedelta(seconds=max(0.0, now - at))
    for unit, length in (("days", timedelta(days=1)), ("hours", timedelta(hours=1)), ("minutes", timedelta(minutes=1))):
        if ago >= length:
            return unit, ago // length
    return "just_now", 0


def zone(name: str | None) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
