from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.events import Event, Failed, Finished, Started, TextDelta
from multi_llm_comparator.core.exceptions import DocumentError, InvalidParameterError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from multi_llm_comparator.training.data.chats import Chat
from multi_llm_comparator.training.data.dataset import open_dataset
from multi_llm_comparator.training.data.distill import (
    DistilledAnswer,
    DistillOptions,
    make_prompts,
    read_prompts,
    write_training_file,
)
from multi_llm_comparator.training.data.distillation import MAX_FAILURES, Distillation
from multi_llm_comparator.training.data.distillations import DistillationRegistry
from multi_llm_comparator.training.data.spec import DataSpec
from tests.support.scripted_source import ScriptedSource

PROMPTS = make_prompts((Message("user", f"ask {n}"),) for n in range(6))


class Echo:
    """Answers each prompt with itself at once; fails for some, and counts how many are asked at a time."""

    def __init__(self, *, failing: str = "\0", reason: Any = "stop") -> None:
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0
        self._failing, self._reason = failing, reason

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        prompt = request.with_system_prompt()[-1].content
        self.asked.append(prompt)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if self._failing in prompt:
            yield Failed(request_id=request.id, error_type="InferenceError", message="it broke")
            return
        yield Started(request_id=request.id, prompt_tokens=1, prompt=prompt, seed=1)
        yield TextDelta(request_id=request.id, text=f"said: {prompt}", tokens=1)
        yield Finished(request_id=request.id, reason=self._reason, prompt_tokens=1, completion_tokens=1, at=now())


def opened(store: Store, source: Any) -> DistillationRegistry:
    return DistillationRegistry(RunRegistry(store, save_interval_s=0.01), source)


async def finished(registry: DistillationRegistry, **options: Any) -> Distillation:
    run = await registry.start(PROMPTS, DistillOptions(target="model", **options))
    await run.wait()
    return run


async def test_every_prompt_is_answered_with_bounded_concurrency_and_stored(store: Store) -> None:
    source = Echo()
    run = await finished(opened(store, source), concurrency=2, system_prompt="Be brief")
    assert (run.state, run.snapshot().done, source.most_at_once) == ("done", 6, 2)
    again = await opened(store, Echo()).get(run.id)
    assert again.answers == run.answers
    assert again.prompts == PROMPTS
    assert [answer.text for answer in again.answers.values()] == [f"said: ask {n}" for n in range(6)]
    (summary,) = await opened(store, Echo()).runs.list()
    assert (summary.kind, summary.title, summary.detail) == ("distillation", "ask 0", "model")


async def test_killed_it_loses_the_answers_in_flight_only(store: Store) -> None:
    source = ScriptedSource()
    registry = opened(store, source)
    run = await registry.start(PROMPTS, DistillOptions(target="model", concurrency=1))
    for number in range(2):
        await (await source.call(number)).answer("fine")
    third = await source.call(2)
    await third.start()
    # The process is gone: nothing is said to it any more, and another one opens the store.
    stored = await asyncio.to_thread(store.load_whole, run.id)
    assert [item.text for item in stored[1]] == ["fine", "fine"]
    await run.stop()
    echo = Echo()
    resumed = await opened(store, echo).runs.resume(run.id, Distillation)
    await resumed.wait()
    assert resumed.state == "done"
    assert echo.asked == ["ask 2", "ask 3", "ask 4", "ask 5"]
    assert [answer.text for answer in resumed.answers.values()][:3] == ["fine", "fine", "said: ask 2"]


async def test_stopped_and_resumed_nothing_is_asked_twice(store: Store) -> None:
    source = ScriptedSource()
    registry = opened(store, source)
    run = await registry.start(PROMPTS, DistillOptions(target="model", concurrency=1))
    await (await source.call(0)).answer("fine")
    call = await source.call(1)
    await run.stop()
    assert run.state == "stopped"
    assert call.closed.is_set()
    assert await registry.runs.resume(run.id, Distillation) is run
    for number in range(2, 7):
        await (await source.call(number)).answer("good")
    await run.wait()
    assert (run.state, run.snapshot().done) == ("done", 6)


async def test_what_fails_is_told_and_tried_again_when_resumed(store: Store) -> None:
    registry = opened(store, Echo(failing="3"))
    run = await finished(registry)
    assert (run.state, run.snapshot().done, run.snapshot().failed) == ("done", 5, 1)
    assert "it broke" in run.answers[PROMPTS[3].key].error
    echo = Echo()
    again = await opened(store, echo).runs.resume(run.id, Distillation)
    await again.wait()
    assert echo.asked == ["ask 3"]
    assert again.snapshot().failed == 0


async def test_a_target_that_never_answers_is_given_up(store: Store) -> None:
    prompts = make_prompts((Message("user", f"ask {n}"),) for n in range(40))
    source = Echo(failing="ask")
    run = await opened(store, source).start(prompts, DistillOptions(target="model", concurrency=1))
    await run.wait()
    assert run.state == "failed"
    assert "in a row were not answered: it broke" in (run.error or "")
    assert len(source.asked) == MAX_FAILURES


async def test_reviewed_answers_become_a_training_file(store: Store, tmp_path: Path) -> None:
    registry = opened(store, Echo())
    run = await finished(registry)
    keys = [prompt.key for prompt in PROMPTS]
    await run.review(keys[0], "rejected")
    await run.review(keys[1], "kept", "a better answer")
    await run.review(keys[2], "kept")
    again = await opened(store, Echo()).get(run.id)
    path = tmp_path / "data.jsonl"
    assert write_training_file(path, again.snapshot().pairs) == 2
    chats = [chat for chat in open_dataset(DataSpec(source=str(path))) if isinstance(chat, Chat)]
    assert [chat.answers for chat in chats] == [("a better answer",), ("said: ask 2",)]
    with pytest.raises(DocumentError, match="to review yet"):
        await run.review("unknown", "kept")


async def test_what_nobody_has_looked_at_is_used_once_all_of_it_is_taken_and_no_longer_when_that_is_taken_back(
    store: Store, tmp_path: Path
) -> None:
    registry = opened(store, Echo(failing="5"))
    run = await finished(registry)
    keys = [prompt.key for prompt in PROMPTS]
    path = tmp_path / "data.jsonl"
    with pytest.raises(DocumentError, match="no answer is to be used; keep some first, or take those"):
        write_training_file(path, run.snapshot().pairs)
    assert not path.exists()
    await run.review(keys[0], "rejected")
    await run.review(keys[1], "kept")
    assert (run.snapshot().used, run.snapshot().can_be_taken) == (1, 3)
    await run.take_unread()
    again = (await opened(store, Echo()).get(run.id)).snapshot()
    assert [again.answers[key].review for key in keys] == ["rejected", "kept", "taken", "taken", "taken", "open"]
    assert (again.used, again.can_be_taken, again.reviewed("taken")) == (4, 0, 3)
    assert write_training_file(path, again.pairs) == 4
    # What is answered later is to be decided anew.
    later = await opened(store, Echo()).runs.resume(run.id, Distillation)
    await later.wait()
    assert (later.snapshot().used, later.snapshot().can_be_taken) == (4, 1)
    await later.leave_unread()
    assert (later.snapshot().used, later.snapshot().can_be_taken) == (1, 4)


async def test_an_export_has_the_answers_that_somebody_decided_to_use(store: Store) -> None:
    registry = opened(store, Echo())
    run = await finished(registry)
    with pytest.raises(DocumentError, match="no answer is to be used"):
        await registry.export(run.id, "jsonl", "en")
    await run.take_unread()
    assert (await registry.export(run.id, "jsonl", "en")).count(b"\n") == len(PROMPTS)


async def test_an_answer_without_an_end_is_used_only_if_somebody_kept_it(store: Store) -> None:
    run = await finished(opened(store, Echo(reason="length")))
    assert run.answers[PROMPTS[0].key].is_cut
    await run.take_unread()
    assert run.snapshot().used == 0
    await run.review(PROMPTS[0].key, "kept")
    assert run.snapshot().used == 1


async def test_parameters_are_checked_before_anything_is_asked(store: Store) -> None:
    registry = opened(store, Echo())
    with pytest.raises(InvalidParameterError):
        await registry.start(PROMPTS, DistillOptions(target="model", parameters={"temperature": 9.0}))
    with pytest.raises(DocumentError, match="no prompts"):
        await registry.start([], DistillOptions(target="model"))


def test_nothing_used_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="no answer is to be used"):
        write_training_file(tmp_path / "data.jsonl", [(PROMPTS[0], DistilledAnswer())])


def test_prompts_come_from_lines_or_from_any_data_set(tmp_path: Path) -> None:
    lines = tmp_path / "prompts.txt"
    lines.write_text("one\n\n two \none\n", encoding="utf-8")
    rows = [
        {"prompt": "one"},
        {"instruction": "tw", "input": "o", "output": "left out"},
        {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "three"},
                      {"role": "assistant", "content": "left out"}, {"role": "user", "content": "later"}]},
        {"foo": 1},
    ]  # fmt: skip
    table = tmp_path / "rows.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert [[m.content for m in prompt.messages] for prompt in read_prompts(lines)] == [["one"], ["two"]]
    assert [[m.content for m in p.messages] for p in read_prompts(table)] == [["one"], ["tw\no"], ["s", "three"]]
    assert read_prompts(lines)[0].key == read_prompts(table)[0].key
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(DocumentError, match="no prompts"):
        read_prompts(tmp_path / "empty.txt")
