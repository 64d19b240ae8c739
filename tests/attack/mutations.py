"""What a hostile or broken sender makes of good data: bytes, JSON and texts, the same ones for the same seed."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Sequence
from typing import Any

HOSTILE_NUMBERS: tuple[Any, ...] = (0, -1, 2**31, 2**63, -(2**63), 2**64 - 1, 1e308, float("nan"), float("inf"), 0.1)
HOSTILE_TEXTS = (
    "",
    "\x00",
    "\ud800",
    "\u202e\u2066",
    "../../../etc/passwd",
    "![x](http://attacker.test/x)",
    "<img src=http://attacker.test/x>",
    "{{ 7 * 7 }}",
    "%s%n",
    "'; drop table runs; --",
    "9" * 400,
    "a" * 100_000,
)
# Where the readers of Markdown, of formulas and of plans begin something.
FRAGMENTS = (
    *(
        "`",
        "``",
        "```",
        "~~~",
        "\\[",
        "\\]",
        "\\(",
        "\\)",
        "$",
        "$$",
        "![",
        "](",
        "[",
        "]",
        "<",
        ">",
        "*",
        "_",
        "|",
        "|-",
    ),
    *("#", "> ", "1. ", "    ", "\t", "\n", "\n\n", "\r\n", "\\", "&amp;", "&#33;", ":red[", ":material/x:", "<think>"),
    *("</think>", "http://attacker.test/", "<img src=x>", "<script>", "<!--", "```mermaid\n", "\u2060", "\u202e", "世"),
    *("🙂", "a", "word ", "<Step", ' ID="1"', "</Step>", "<Plan>", "<![CDATA[", "]]>", "&x;", "<!DOCTYPE a>"),
)
MAX_TEXT_CHARS = 1_000_000


def mutated_bytes(rng: random.Random, data: bytes) -> bytes:
    """``data`` with one to eight changes: bits, cuts, repetitions, numbers that lie, parts that change places."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(7):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                del changed[at:]
            case 2:
                changed[at:at] = changed[at : at + rng.randint(1, 64)] * rng.randint(1, 50)
            case 3:
                changed[at : at + 8] = rng.choice((0, 1, 2**31, 2**32, 2**62, 2**64 - 1)).to_bytes(8, "little")
            case 4:
                del changed[at : at + rng.randint(1, 64)]
            case 5:
                changed[at:at] = rng.randbytes(rng.randint(1, 64))
            case _:
                # Most of what a reader decides by stands at the beginning.
                changed[at % 64 : at % 64 + 4] = rng.randbytes(4)
        if not changed:
            return bytes(changed)
    return bytes(changed)


def mutated_archive(rng: random.Random, data: bytes) -> bytes:
    """The ZIP archive ``data`` with one of its files changed, packed again in one of the known ways."""
    written = io.BytesIO()
    packing = rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(written, "w", packing) as changed:
        victim = rng.choice(archive.namelist())
        for name in archive.namelist():
            content = archive.read(name)
            changed.writestr(name, mutated_bytes(rng, content) if name == victim else content)
    return written.getvalue()


def mutated_json(rng: random.Random, value: Any) -> bytes:
    """JSON of ``value`` with one to four values replaced, left out or nested beyond reason; now and then no JSON."""
    copy = json.loads(json.dumps(value))
    for _ in range(rng.randint(1, 4)):
        holder, key = _place(rng, copy)
        if holder is None:
            copy = _hostile_value(rng)
        elif rng.random() < 0.2:
            del holder[key]
        else:
            holder[key] = _hostile_value(rng)
    data = json.dumps(copy).encode("utf-8", "surrogatepass")
    return mutated_bytes(rng, data) if rng.random() < 0.2 else data


def _place(rng: random.Random, value: Any) -> tuple[Any, Any]:
    """Some place within ``value``: what holds it, and its key or number there."""
    holder, key = None, None
    while isinstance(value, dict | list) and value:
        holder = value
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        value = value[key]
        if rng.random() < 0.3:
            break
    return holder, key


def _hostile_value(rng: random.Random) -> Any:
    match rng.randrange(5):
        case 0:
            return rng.choice(HOSTILE_NUMBERS)
        case 1:
            return rng.choice(HOSTILE_TEXTS)
        case 2:
            return rng.choice((None, True, False, [], {}))
        case 3:
            nested: Any = "end"
            for _ in range(rng.choice((10, 200, 900))):
                nested = [nested] if rng.random() < 0.5 else {"a": nested}
            return nested
        case _:
            return [rng.choice(HOSTILE_TEXTS[:-1])] * rng.choice((2, 1000))


def hostile_text(rng: random.Random, seeds: Sequence[str] = ()) -> str:
    """A text of some fragments, each once or very often; of a seed, with fragments put into it."""
    if seeds and rng.random() < 0.5:
        text = rng.choice(seeds)
        for _ in range(rng.randint(1, 12)):
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice(FRAGMENTS) * rng.choice((1, 1, 3, 100)) + text[at:]
        return text
    few = [rng.choice(FRAGMENTS) for _ in range(rng.randint(1, 4))]
    parts = [rng.choice(few) * rng.choice((1, 2, 7, 30)) for _ in range(rng.choice((3, 30, 300, 3000)))]
    return "".join(parts)[: rng.choice((1000, 10_000, MAX_TEXT_CHARS))]
