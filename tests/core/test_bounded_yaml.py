from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from multi_llm_comparator.core.bounded_yaml import MAX_DEPTH, MAX_NODES, parse_yaml

# PyYAML itself does not read back all that it writes, of control characters.
LETTERS = "ab 字é:#-1.'\"{[&*?!%@\n"
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(LETTERS, max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(LETTERS, max_size=8), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=200)
@given(plain, st.booleans())
def test_what_is_written_is_read_as_it_was(value: Any, flow: bool) -> None:
    assert parse_yaml(yaml.safe_dump(value, allow_unicode=True, default_flow_style=flow).encode()) == value


def test_numbers_are_read_as_ever_but_for_those_with_colons() -> None:
    text = b"[1, -2, 1_000, 0x1F, 0b11, 017, 0, 1.5, .5, 1.e+3, -.inf, 1:30, 1:30.5, 1e5, 09]"
    read = [1, -2, 1000, 31, 3, 15, 0, 1.5, 0.5, 1000.0, -math.inf, "1:30", "1:30.5", "1e5", "09"]
    assert parse_yaml(text) == read


def test_anchors_and_merges_are_read() -> None:
    text = b"usual: &u {a: 1, b: 2}\nother: {<<: *u, b: 3}\nsame: *u\n"
    assert parse_yaml(text) == {"usual": {"a": 1, "b": 2}, "other": {"a": 1, "b": 3}, "same": {"a": 1, "b": 2}}


def bomb(levels: int) -> bytes:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines).encode()


def merges(levels: int) -> bytes:
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [{','.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, levels)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (bomb(12), f"more than {MAX_NODES} values by line 5"),
        (merges(12), "values"),
        (b"a: &a\n  b: *a", "within what it stands for"),
        (b"[*nowhere]", "undefined alias"),
        (b"- a\n" * (MAX_NODES + 1), "values"),
        (b"---\n" * (MAX_NODES + 1), "values"),
        (b"[" * (MAX_DEPTH + 1), f"more than {MAX_DEPTH} levels"),
        (b"- " * (MAX_DEPTH + 1), "levels"),
        (b"{a: " * 500_000, "levels"),
        (b"!!int '1:1:1:1'", "the tag 'tag:yaml.org,2002:int' in line 1"),
        (b"!!binary aGVsbG8=", "the tag"),
        (b"!!python/object/apply:os.system [ls]", "the tag"),
        (b"a: 1\na: 2", "the key 'a' stands twice in line 1"),
        (b"? [1, 2]\n: 3", "unhashable key"),
        (b"a: \xff", "codec can't|invalid"),
        (b"a: \x07", "control characters|special characters"),
        (b"a: 2001-99-99", "month must be"),
        (b"--- 1\n--- 2", "line 2"),
    ],
)
def test_what_would_take_long_or_means_something_else_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_yaml(raw)


@pytest.mark.parametrize("number", ["1:" * 100_000 + "1", "9" * 100_000, "0x" + "f" * 100_000, "0b" + "1" * 100_000])
def test_a_number_longer_than_any_figure_is_a_text(number: str) -> None:
    assert parse_yaml(f"a: {number}".encode()) == {"a": number}


def test_what_is_refused_is_not_quoted() -> None:
    with pytest.raises(ValueError, match=r"line \d, column \d") as caught:
        parse_yaml(b'a:\n  key: "sk-secret-123456\n')
    assert "sk-secret" not in str(caught.value)


@settings(max_examples=300)
@given(st.binary(max_size=60) | st.text("[]{}:,-?*&!|>'\"#\n \tab01", max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused_in_one_way(raw: bytes) -> None:
    try:
        parse_yaml(raw)
    except ValueError as error:
        assert str(error) or raw
