"""Links that show one run: to whoever has them, for a time, until they are taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from multi_llm_comparator.core import signed_tokens
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.signed_tokens import make_token
from multi_llm_comparator.sharing import links as links_module
from multi_llm_comparator.sharing.links import DAY_S, FILE, PATH, SCOPE, SharedLinks


def token(path: str) -> str:
    return path.removeprefix(PATH)


def test_a_link_shows_its_run_until_it_is_taken_back(tmp_path: Path) -> None:
    links = SharedLinks(tmp_path)
    first, path = links.make("run1", DAY_S)
    _, other = links.make("run2", DAY_S)
    assert (links.run_of(token(path)), links.run_of(token(other))) == ("run1", "run2")
    assert [link.id for link in links.of_run("run1")] == [first.id]
    assert SharedLinks(tmp_path).run_of(token(links.path_of(first))) == "run1"
    links.take_back(first.id)
    assert (links.run_of(token(path)), links.run_of(token(other)), links.of_run("run1")) == (None, "run2", [])


def test_a_link_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    links = SharedLinks(tmp_path)
    link, path = links.make("run1", DAY_S)
    later = link.expires_at + 1
    monkeypatch.setattr(links_module, "now", lambda: later)
    monkeypatch.setattr(signed_tokens, "now", lambda: later)
    assert links.run_of(token(path)) is None
    assert links.of_run("run1") == []


def test_links_of_deleted_runs_are_forgotten(tmp_path: Path) -> None:
    links = SharedLinks(tmp_path)
    _, path = links.make("run1", DAY_S)
    links.forget_runs(["run1", "unknown"])
    assert links.run_of(token(path)) is None


def test_nobody_else_can_make_a_link(tmp_path: Path) -> None:
    links = SharedLinks(tmp_path)
    assert links.run_of("anything") is None
    link, path = links.make("run1", DAY_S)
    forged = make_token("x" * 40, link.id, frozenset({SCOPE}), DAY_S)
    other_use = SharedLinks(tmp_path)._read()
    assert other_use is not None
    as_key = make_token(other_use.secret, link.id, frozenset({"admin"}), DAY_S)
    for wrong in (forged, as_key, token(path)[:-2], token(path) + "x", "", "a.b.c"):
        assert links.run_of(wrong) is None


def test_the_file_is_for_its_user_alone_and_a_damaged_one_shows_nothing(tmp_path: Path) -> None:
    links = SharedLinks(tmp_path)
    _, path = links.make("run1", DAY_S)
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    (tmp_path / FILE).write_text("{}")
    assert links.run_of(token(path)) is None


@pytest.mark.parametrize("days", [0, -1, 366])
def test_a_link_is_for_a_time(tmp_path: Path, days: int) -> None:
    with pytest.raises(ConfigurationError, match="365 days"):
        SharedLinks(tmp_path).make("run1", days * DAY_S)
