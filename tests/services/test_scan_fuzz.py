"""Damaged headers, two thousand of them: every scan ends quickly, with a model listed and a problem that is told."""

from __future__ import annotations

import json
import random
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.services.scan.folder import scan_folder
from tests.support.model_files import LLAMA, TENSORS, WEIGHTS, checkpoint, framed, gguf_bytes, safetensors_bytes

MUTANTS_PER_FORMAT = 1_000
# Of processor time, which a busy machine does not stretch. Against blow-ups: the usual scan takes a millisecond.
LONGEST_SCAN_S = 1.0
NASTY = (0, 1, 2**7, 2**8 - 1, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


def mutated(seed: bytes, rng: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        kind = rng.randrange(7)
        at = rng.randrange(len(data)) if data else 0
        match kind:
            case 0 if data:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                del data[at:]
            case 2:
                data[at : at + 8] = struct.pack("<Q", rng.choice(NASTY))
            case 3:
                data[at : at + 4] = struct.pack("<I", rng.choice(NASTY) & 0xFFFFFFFF)
            case 4:
                del data[at : at + rng.randrange(1, 32)]
            case 5:
                data[at:at] = rng.randbytes(rng.randrange(1, 64))
            case _:
                # A number that is really there, a length or a type code, put somewhere else.
                data[at : at + 8] = data[(at // 2) : (at // 2) + 8]
    return bytes(data)


def aimed_at_fields(seed: bytes, rng: random.Random) -> bytes:
    """Change one of the first fields, where all counts and lengths are: few random flips would ever hit them."""
    data = bytearray(seed)
    at = rng.choice((0, 4, 8, 16, 24, 32, *range(24, min(400, len(data) - 8))))
    data[at : at + 8] = struct.pack("<Q", rng.choice(NASTY))
    return bytes(data)


def mutants(seeds: list[bytes], rng: random.Random) -> list[bytes]:
    ways = (mutated, mutated, aimed_at_fields)
    return [rng.choice(ways)(rng.choice(seeds), rng) for _ in range(MUTANTS_PER_FORMAT)]


def json_mutants(rng: random.Random) -> list[bytes]:
    """Headers that are still JSON, with values of every kind where others belong."""
    seed = safetensors_bytes(WEIGHTS)
    length = struct.unpack("<Q", seed[:8])[0]
    made = []
    for _ in range(200):
        header = json.loads(seed[8 : 8 + length])
        tensor = rng.choice([name for name in header if name != "__metadata__"])
        odd: Any = rng.choice([None, True, -1, 1.5, 2**70, "x", [], {}, [[]], [2**62] * 4, [0, 2**63], "\ud800", 1e308])
        header[tensor] = odd if rng.random() < 0.2 else {**header[tensor], rng.choice(list(header[tensor])): odd}
        text = json.dumps(header).encode()
        made.append(struct.pack("<Q", len(text)) + text + seed[8 + length :])
    return made


def scan_all(folder: Path, files: list[Path]) -> None:
    """One scan per mutant, each alone in its folder."""
    slowest = 0.0
    for path in files:
        started = time.process_time()
        models = scan_folder(path.parent, "fuzz")
        slowest = max(slowest, time.process_time() - started)
        assert len(models) == 1, path
        for model in models:
            assert model.problem is None or isinstance(model.problem, str)
            json.dumps(model.config, ensure_ascii=False, allow_nan=True).encode()
    assert slowest < LONGEST_SCAN_S


@pytest.mark.parametrize("part", range(4))
def test_mutated_gguf_headers(tmp_path: Path, part: int) -> None:
    rng = random.Random(f"gguf {part}")
    seeds = [
        gguf_bytes(),
        gguf_bytes({**LLAMA, "llama.attention.head_count_kv": [2, 2], "general.alignment": 32}),
        gguf_bytes(version=2),
        gguf_bytes(LLAMA, TENSORS[:1]),
    ]
    files = []
    for i, content in enumerate(mutants(seeds, rng)[: MUTANTS_PER_FORMAT // 4]):
        files.append(tmp_path / str(i) / "m.gguf")
        files[-1].parent.mkdir()
        files[-1].write_bytes(content)
    scan_all(tmp_path, files)


@pytest.mark.parametrize("part", range(4))
def test_mutated_safetensors_headers(tmp_path: Path, part: int) -> None:
    rng = random.Random(f"safetensors {part}")
    contents = mutants([safetensors_bytes(WEIGHTS)], rng)[: MUTANTS_PER_FORMAT // 4] + json_mutants(rng)[:50]
    files = []
    for i, content in enumerate(contents):
        inside = i % 2 == 0
        folder = checkpoint(tmp_path / str(i), weights=False) if inside else tmp_path / str(i)
        folder.mkdir(exist_ok=True)
        files.append(folder / "model.safetensors")
        files[-1].write_bytes(content)
    scan_all(tmp_path, files)


def test_the_costliest_headers_within_the_bounds_end_in_time(tmp_path: Path) -> None:
    """As many keys, words, tensors and JSON values as the bounds let through."""
    words = b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 8, 2_000_000)
    costly = {
        "words.gguf": words + bytes(8 * 2_000_000),
        "keys.gguf": gguf_bytes({f"key{i}": i for i in range(20_000)}, ()),
        "lists.gguf": gguf_bytes({f"key{i}": [""] * 64 for i in range(20_000)}, ()),
        "numbers.gguf": gguf_bytes({f"key{i}": [i] * 2_000 for i in range(4_000)}, ()),
        "texts.gguf": gguf_bytes({"general.name": "\u00e9" * 2**23}, ()),
        "tensors.gguf": gguf_bytes(LLAMA, [(f"tensor{i}", (1,), 24) for i in range(20_000)]),
        "numbers.safetensors": framed(b'{"a":[' + b"1e5," * 4_000_000 + b"1]}"),
        "names.safetensors": framed(b"{" + b",".join(b'"%d":1' % i for i in range(440_000)) + b"}"),
        "values.safetensors": framed(b'{"a":[' + b"[]," * 5_592_000 + b"[]]}"),
        "tensors.safetensors": safetensors_bytes({f"model.layers.{i}.weight": ("F32", (1, 1)) for i in range(65_000)}),
    }
    for name, content in costly.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_bytes(content)
        started = time.process_time()
        assert len(scan_folder(tmp_path / name, "fuzz")) == 1
        # A guard against hangs, with room for a busy machine: half a second is what it takes on a quiet one.
        assert time.process_time() - started < 5 * LONGEST_SCAN_S, name
