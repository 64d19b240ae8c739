"""Entries of the task groups' file changed one by one: what is meant is said, and everything else stays as it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multi_llm_comparator.core.bounded_yaml import parse_yaml
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.groups.yaml_edit import put, remove, rename

FILE = """# What answers here.

models:
  far: {provider: openai, base_url: 'http://127.0.0.1:9/v1'}  # the big one

task_groups:
  # For short questions.
  fast:
    description: "quick: and cheap"
    echelon1: { models: [a, 'b'], timeout: 60 }   # first
    # Slower, better.
    echelon2:
      models:
        - c  # good
        # may be away
        - d
      rpm_limit: 100   # as agreed
    fallback_strategy: echelon_down

  slow: {e: {models: [d]}}
# Pools come last.
polling_pools:
  p: {task_groups: [fast, slow]}
"""


def lines_between(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that are only in the first, and only in the second."""
    old, new = before.splitlines(), after.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


def test_a_number_changes_on_its_line_and_keeps_its_comment() -> None:
    changed = put(FILE, ("task_groups", "fast", "echelon2", "rpm_limit"), 250)
    assert lines_between(FILE, changed) == (
        ["      rpm_limit: 100   # as agreed"],
        ["      rpm_limit: 250   # as agreed"],
    )


def test_a_value_that_is_the_same_changes_nothing() -> None:
    data = parse_yaml(FILE.encode())
    assert put(FILE, ("task_groups", "fast"), data["task_groups"]["fast"]) == FILE


def test_a_level_on_one_line_is_written_anew_and_the_rest_stays() -> None:
    changed = put(FILE, ("task_groups", "fast", "echelon1"), {"models": ["b", "x"], "timeout": 60})
    gone, come = lines_between(FILE, changed)
    assert len(gone) == len(come) == 1
    assert "models: ['b', x]" in come[0] and come[0].endswith("# first")


def test_items_of_a_list_move_with_their_comments() -> None:
    changed = put(FILE, ("task_groups", "fast", "echelon2", "models"), ["d", "e", "c"])
    assert "        # may be away\n        - d\n        - e\n        - c  # good\n" in changed


def test_a_level_goes_and_the_comment_above_it_stays() -> None:
    changed = remove(FILE, ("task_groups", "fast", "echelon2"))
    assert "    # Slower, better.\n    fallback_strategy: echelon_down\n" in changed
    assert "may be away" not in changed and "# first" in changed


def test_a_group_comes_last_and_a_limit_comes_into_a_group_of_one_line() -> None:
    group = {"e": {"models": ["a"]}, "when_full": "next"}
    changed = put(FILE, ("task_groups", "new"), group)
    at = changed.index("  new:\n    e: {models: [a]}\n    when_full: next\n# Pools")
    assert changed[:at] == FILE[:at]
    assert "  slow: {e: {models: [d], rpm_limit: 5}}\n" in put(FILE, ("task_groups", "slow", "e", "rpm_limit"), 5)


def test_a_name_changes_in_its_place() -> None:
    assert rename(FILE, ("task_groups", "fast"), "yes") == FILE.replace("  fast:\n", '  "yes":\n')
    with pytest.raises(ConfigurationError, match="taken"):
        rename(FILE, ("task_groups", "fast"), "slow")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a: &x {b: 1}\nc: *x\n", ("c", "b")),
        ("a:\n  - 1\n", ("a", "b")),
        ("{a: {b: 1}}\n", ("c", "d")),
        ("a: {b: 1, # one\n  c: 2}\n", ("a", "b")),
    ],
)
def test_a_form_that_cannot_be_kept_is_left_to_an_editor(text: str, path: tuple[str, ...]) -> None:
    try:
        changed = put(text, path, 5)
    except ConfigurationError as exc:
        assert "editor" in str(exc)
    else:
        assert changed.count("#") == text.count("#")


names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]), min_size=1, max_size=12)
plain_names = (
    st.sampled_from(["fast", "slow", "yes", "1", "on", "a-b", "组", "null", "#x", "x: y", "'q'", "*a", "&b"]) | names
)
values: st.SearchStrategy[Any] = st.one_of(
    st.integers(1, 10**9), plain_names, st.lists(plain_names, min_size=1, max_size=4, unique=True)
)
levels = st.dictionaries(st.sampled_from(["models", "rpm_limit", "timeout"]), values, min_size=1)
groups = st.dictionaries(st.sampled_from(["e1", "e2", "description"]), levels | values, min_size=1)
files = st.dictionaries(plain_names, groups, min_size=1, max_size=3)


@st.composite
def written(draw: st.DrawFn) -> tuple[str, dict[str, Any], list[str]]:
    """A file as somebody writes it, with comments above entries and behind them; what it says; the comments."""
    data = draw(files)
    text = ""
    comments: list[str] = []

    def comment(column: int) -> str:
        comments.append(f"# comment {len(comments)}")
        return " " * column + comments[-1]

    for name, group in data.items():
        text += (comment(0) + "\n" if draw(st.booleans()) else "") + ("\n" if draw(st.booleans()) else "")
        # By the function itself, entry by entry.
        text += put("", (name,), {"there": {"x": 1}}).splitlines()[0]
        text += "\n" if draw(st.booleans()) else f"  {comment(0)}\n"
        for key, value in group.items():
            text += comment(2) + "\n" if draw(st.booleans()) else ""
            entry = put("", (key,), value).rstrip("\n").splitlines()
            entry[-1] += f"  {comment(0)}" if draw(st.booleans()) else ""
            text += "".join(f"  {line}\n" for line in entry)
    return text, data, comments


@settings(max_examples=40)
@given(written(), st.data())
def test_whatever_is_changed_every_other_comment_and_line_stays_in_order(
    file: tuple[str, dict[str, Any], list[str]], data: st.DataObject
) -> None:
    text, says, comments = file
    assert parse_yaml(text.encode()) == says
    name = data.draw(st.sampled_from(sorted(says)))
    key = data.draw(st.sampled_from(sorted(says[name])) | st.just("new"))
    value = data.draw(values | levels)
    changed = put(text, (name, key), value)
    assert parse_yaml(changed.encode()) == {**says, name: {**says[name], key: value}}
    assert [comment for comment in comments if comment in changed] == comments
    assert sorted(comments, key=changed.index) == comments
    new_name = data.draw(plain_names.filter(lambda one: one not in says))
    renamed = rename(text, (name,), new_name)
    assert list(parse_yaml(renamed.encode())) == [new_name if one == name else one for one in says]
    assert sorted(comments, key=renamed.index) == comments
    others = [line for line in text.splitlines() if line.startswith("#")]
    if len(says) > 1:
        without = remove(text, (name,))
        assert parse_yaml(without.encode()) == {one: group for one, group in says.items() if one != name}
        assert [line for line in without.splitlines() if line in others] == others
