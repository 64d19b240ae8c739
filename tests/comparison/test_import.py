"""Reading runs that anybody may have written."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multi_llm_comparator.comparison import importing
from multi_llm_comparator.comparison.documents import answer_items, conversation_from, run_record
from multi_llm_comparator.comparison.export import export_run, import_run
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.tracking.records import RunFilter
from multi_llm_comparator.tracking.store import Store
from tests.comparison.asking import answer, asked
from tests.comparison.test_snapshots import after_all, step
from tests.support.scripted_source import ScriptedSource


@pytest.fixture
async def exported(registry: ComparisonRegistry, source: ScriptedSource) -> dict[str, Any]:
    comparison, (a, b) = await asked(registry, source)
    await a.answer("five", "!")
    await b.start()
    await b.say("4")
    await b.fail()
    await comparison.wait()
    run: dict[str, Any] = json.loads(export_run(comparison.snapshot(), "json"))
    return run


def as_bytes(document: object) -> bytes:
    return json.dumps(document).encode()


async def test_an_exported_run_becomes_a_run_of_its_own_that_knows_where_it_came_from(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (a, b) = await asked(registry, source, shared_thread=True)
    await a.answer("five", "!")
    await b.fail()
    await comparison.wait()
    await comparison.regenerate("b")
    await (await source.call(2)).answer("5")
    await comparison.wait()
    before = comparison.snapshot()
    imported = await registry.import_run(export_run(before, "json"))
    after = imported.snapshot()
    assert after.id != before.id
    assert (after.title, after.panes, after.shared_thread) == (before.title, before.panes, True)
    assert after.imported_from is not None
    assert (after.imported_from.run_id, after.imported_from.created_at) == (before.id, before.created_at)
    assert [one.text for one in after.turns[0].attempts["b"]] == ["", "5"]
    assert after.turns[0].answers["a"].legs == before.turns[0].answers["a"].legs
    assert after.turns[0].answers["a"].answer_id != before.turns[0].answers["a"].answer_id
    assert [run.id for run in await registry.runs.list(RunFilter(text="five!"))] == [after.id, before.id]
    await imported.send("And 7?")
    assert (await source.call(3)).request.messages[1].content == "five!"


async def test_an_answer_that_was_exported_half_written_can_be_continued(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (a, _) = await asked(registry, source)
    await a.start()
    await a.say("half")
    imported = await registry.import_run(export_run(comparison.snapshot(), "json"))
    assert answer(imported, "a").progress.error_type == "AnswerInterrupted"
    assert answer(imported, "a").can_continue


@settings(deadline=None, max_examples=40)
@given(st.lists(step, max_size=30))
def test_any_state_survives_export_and_import(steps: list[Any]) -> None:
    before = after_all(steps)
    run, answers = import_run(export_run(before, "json"))
    after = conversation_from(run, answers).snapshot()
    assert [turn.prompt for turn in after.turns] == [turn.prompt for turn in before.turns]
    assert [turn.chosen for turn in after.turns] == [turn.chosen for turn in before.turns]
    legs = [[a.legs for a in turn.answers.values()] for turn in after.turns]
    assert legs == [[a.legs for a in turn.answers.values()] for turn in before.turns]
    again, more = import_run(export_run(after, "json"))
    assert (again.title, again.detail, again.search_text) == (run.title, run.detail, run.search_text)
    assert len(more) == len(answers)


def test_a_file_cannot_bring_the_leave_to_run_its_models_code(exported: dict[str, Any]) -> None:
    exported["run"]["panes"][0]["config"]["trust_remote_code"] = True
    exported["answers"][0]["record"]["config"]["trust_remote_code"] = True
    snapshot = conversation_from(*import_run(as_bytes(exported))).snapshot()
    assert not any(pane.config.trust_remote_code for pane in snapshot.panes)
    assert not any(a.config.trust_remote_code for turn in snapshot.turns for a in turn.answers.values())


def test_more_tokens_than_are_allowed_here_are_brought_down_to_what_is(exported: dict[str, Any]) -> None:
    exported["run"]["panes"][0]["config"]["max_tokens"] = 10**6
    snapshot = conversation_from(*import_run(as_bytes(exported))).snapshot()
    assert snapshot.panes[0].config.max_tokens == get_settings().max_tokens_limit


def change(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    place: Any = changed
    *steps, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in steps:
        place = place[part]
    place[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("format", "something else"),
        ("schema_version", 2),
        ("schema_version", "1"),
        ("created_at", -1),
        ("created_at", 1e300),
        ("id", "x" * 65),
        ("title", "x" * 201),
        ("answers", {}),
        ("answers/0/turn", 1),
        ("answers/0/turn", -1),
        ("answers/0/attempt", 2),
        ("answers/0/attempt", 0),
        ("answers/0/pane_id", "../../etc"),
        ("answers/0/pane_id", "b"),
        ("answers/0/text", None),
        ("answers/0/extra", 1),
        ("answers/0/record/legs", []),
        ("answers/0/record/legs/0/text_chars", -5),
        ("answers/0/record/legs/0/progress/state", "dancing"),
        ("answers/0/record/legs/0/progress/ended_at", 1e15),
        ("answers/0/record/legs/0/progress/tokens", -1),
        ("answers/0/record/legs/0/progress/requested_at", None),
        ("answers/0/record/curve", [[1, 2, 3]]),
        ("answers/0/record/curve", [[1, 2]] * 1000),
        ("answers/0/record/config/temperature", "hot"),
        ("answers/0/record/config/__class__", "x"),
        ("answers/0/record/model/metadata", {"a": {"b": 1}}),
        ("answers/0/record/versions", {str(n): "1" for n in range(51)}),
        ("run/panes", []),
        ("run/panes/0/config/temperature", 9),
        ("run/panes/0/config/stop", ["x" * 1000]),
        ("run/panes/0/target", "x" * 5000),
        ("run/panes/0/id", "a b"),
        ("run/panes/1/id", "a"),
        ("run/turns/0/prompt", "x" * 200_001),
        ("run/turns/0/selected", {"a": "first"}),
        ("run/shared_thread", {}),
        ("run/unknown", 1),
    ],
)
def test_a_run_with_anything_wrong_in_it_is_refused(exported: dict[str, Any], path: str, value: object) -> None:
    assert import_run(as_bytes(exported))
    with pytest.raises(DocumentError):
        import_run(as_bytes(change(exported, path, value)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"format": "multi-llm-comparator run", "schema_version": 1, "x": ' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"format": "multi-llm-comparator run", "schema_version": 1, "exported_at": NaN}',
        b'{"format": "multi-llm-comparator run", "schema_version": 1, "exported_at": 1e999}',
        b'{"format": "multi-llm-comparator run", "schema_version": ' + b"9" * 4000 + b"}",
        b'{"format": "multi-llm-comparator run", "schema_version": ' + b"9" * 100_000 + b"}",
    ],
)
def test_a_file_that_is_no_run_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError):
        import_run(data)


def test_a_file_that_is_too_large_is_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MAX_IMPORT_BYTES", 100)
    with pytest.raises(DocumentError, match="at most 100 are read"):
        import_run(b"[" * 101)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**60) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_put_into_a_run_it_is_read_or_refused_and_never_anything_else(
    exported: dict[str, Any], data: st.DataObject
) -> None:
    place: Any = exported
    path: list[str] = []
    while isinstance(place, dict | list) and place and (not path or data.draw(st.booleans())):
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        path.append(str(key))
        place = place[key]
    changed = change(exported, "/".join(path), data.draw(json_values))
    try:
        run, answers = import_run(as_bytes(changed))
    except DocumentError:
        return
    snapshot = conversation_from(run, answers).snapshot()
    assert run_record(snapshot).id == run.id
    assert len(answer_items(snapshot)) == len(answers)
    for format in ("json", "csv", "markdown", "html"):
        assert export_run(snapshot, format)


async def test_nothing_of_a_refused_file_reaches_the_store(
    registry: ComparisonRegistry, store: Store, exported: dict[str, Any]
) -> None:
    before = store.count_runs()
    with pytest.raises(DocumentError):
        await registry.import_run(as_bytes(change(exported, "answers/0/attempt", 7)))
    assert store.count_runs() == before


def test_a_configuration_in_a_run_is_what_it_was(exported: dict[str, Any]) -> None:
    config = ModelConfig(temperature=0, top_k=7, stop=("a", "b"), seed=1, n_threads=2, quantization="4bit")
    as_data = {**exported["run"]["panes"][0]["config"], "temperature": 0, "top_k": 7, "stop": ["a", "b"], "seed": 1}
    as_data |= {"n_threads": 2, "quantization": "4bit"}
    snapshot = conversation_from(*import_run(as_bytes(change(exported, "run/panes/0/config", as_data)))).snapshot()
    assert snapshot.panes[0].config == config
