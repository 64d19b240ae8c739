"""Numbers as people read them, in the languages that pages and exported files have."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

Language = Literal["en", "zh"]
NOTHING = "–"
_UNITS = {
    "en": ("{} ms", "{} s", "{} min {:02d} s", "{} h {:02d} min"),
    "zh": ("{} 毫秒", "{} 秒", "{} 分 {:02d} 秒", "{} 小时 {:02d} 分"),
}


def seconds(value: float | None, language: Language = "en") -> str:
    """``35 ms``, ``0.42 s``, ``3.1 s``, ``48 s``, ``2 min 05 s``; in Chinese ``35 毫秒``, ``2 分 05 秒``."""
    if value is None:
        return NOTHING
    milliseconds, short, minutes_long, hours_long = _UNITS[language]
    if value < 0.0995:
        return milliseconds.format(f"{value * 1000:.0f}")
    if value < 99.5:
        return short.format(f"{value:.{2 if value < 0.995 else 1 if value < 9.95 else 0}f}")
    minutes, rest = divmod(round(value), 60)
    return minutes_long.format(minutes, rest) if minutes < 60 else hours_long.format(minutes // 60, minutes % 60)


def count(value: int | None) -> str:
    """``1,024``."""
    return NOTHING if value is None else f"{value:,}"


def size(n_bytes: float | None) -> str:
    """``812 B``, ``4.1 MB``, ``213 MB``, ``7.4 GB``; powers of ten, as everywhere in the workbench."""
    if n_bytes is None:
        return NOTHING
    value, unit = float(n_bytes), "B"
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.5 else f"{value:.1f} {unit}"


def gb(n_bytes: float) -> str:
    """``0.25 GB``: of memory, where small differences decide."""
    return f"{n_bytes / 1e9:.2f} GB"


def percent(share: float | None) -> str:
    """A share of 1 as ``37%``."""
    return NOTHING if share is None else f"{share:.0%}"


def iso_time(moment: float | None) -> str:
    """Seconds since the epoch as ``2026-11-21T10:02:15.123Z``; empty for none."""
    if moment is None:
        return ""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def cut_line(text: str, most: int) -> str:
    """The text in one line of at most ``most`` characters; where it was cut it ends in …."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def cut(text: str, most: int) -> str:
    """So many characters of a text, with its lines; where it was cut … follows."""
    return text if len(text) <= most else f"{text[:most]} …"
