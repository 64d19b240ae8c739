"""The scripted engine does what its script says."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Failed, Finished, Queued, Started, TextDelta
from multi_llm_comparator.core.exceptions import InsufficientMemoryError, ModelLoadError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.base import Engine, LoadOptions
from multi_llm_comparator.inferencers.registry import open_engine
from tests.support.requests import run, text_of


def write_script(folder: Path, **script: Any) -> str:
    path = folder / "model.json"
    path.write_text(json.dumps(script), encoding="utf-8")
    return str(path)


def open_script(folder: Path, options: LoadOptions | None = None, **script: Any) -> Engine:
    return open_engine("scripted", write_script(folder, **script), options or LoadOptions())


def ask(text: str, **config: Any) -> GenerationRequest:
    return GenerationRequest(messages=(Message("user", text),), config=ModelConfig(**config))


def test_an_empty_script_echoes_the_last_message_word_by_word(tmp_path: Path) -> None:
    request = ask("three little words\n")
    events = run(open_script(tmp_path), request)
    assert isinstance(events[0], Started)
    assert [e.text for e in events[1:-1] if isinstance(e, TextDelta)] == ["three", " little", " words", "\n"]
    end = events[-1]
    assert isinstance(end, Finished)
    assert (end.reason, end.completion_tokens) == ("stop", 4)


def test_the_first_fitting_pattern_answers_and_otherwise_the_rest(tmp_path: Path) -> None:
    answers = [{"pattern": "(?i)hello", "text": "Hi."}, {"pattern": "h", "text": "no"}]
    engine = open_script(tmp_path, answers=answers, otherwise="What?")
    for said, answer in (("HELLO there", "Hi."), ("oh", "no"), ("abc", "What?")):
        request = ask(said)
        assert text_of(run(engine, request), request) == answer


def test_max_tokens_stop_texts_and_the_context_end_an_answer(tmp_path: Path) -> None:
    engine = open_script(tmp_path, LoadOptions(n_ctx=16), otherwise=" ".join(map(str, range(30))))
    short, stopped, full = ask("a", max_tokens=2), ask("a", stop=(" 3",)), ask("a")
    events = run(engine, short, stopped, full)
    assert (text_of(events, short), text_of(events, stopped)) == ("0 1", "0 1 2")
    reasons = {e.request_id: (e.reason, e.completion_tokens) for e in events if isinstance(e, Finished)}
    assert reasons == {short.id: ("length", 2), stopped.id: ("stop", 4), full.id: ("length", 15)}


def test_a_prompt_beyond_the_context_fails_with_the_numbers(tmp_path: Path) -> None:
    failed = run(open_script(tmp_path, LoadOptions(n_ctx=16)), ask("word " * 20))[-1]
    assert isinstance(failed, Failed)
    assert failed.error_type == "ContextOverflowError"
    assert "21" in failed.message or "20" in failed.message


def test_continuing_gives_the_rest_of_the_answer(tmp_path: Path) -> None:
    messages = (Message("user", "go"), Message("assistant", "one two"))
    request = GenerationRequest(messages=messages, continue_final=True)
    assert text_of(run(open_script(tmp_path, otherwise="one two three"), request), request) == " three"


def test_those_beyond_the_slots_wait_in_order_and_are_told_so(tmp_path: Path) -> None:
    requests = [ask("a b") for _ in range(3)]
    events = run(open_script(tmp_path, LoadOptions(parallel=1)), *requests)
    told = [(e.request_id, e.ahead) for e in events if isinstance(e, Queued)]
    assert told == [(requests[1].id, 0), (requests[2].id, 1), (requests[2].id, 0)]
    assert [e.request_id for e in events if isinstance(e, Finished)] == [r.id for r in requests]


def test_cancel_ends_active_and_waiting_requests(tmp_path: Path) -> None:
    engine = open_script(tmp_path, LoadOptions(parallel=1), tokens_per_second=1)
    active, waiting = ask("a b c"), ask("a")
    engine.submit(active)
    engine.submit(waiting)
    engine.step()
    for request in (active, waiting, ask("unknown")):
        engine.cancel(request.id)
    assert [e.reason for e in engine.step() if isinstance(e, Finished)] == ["cancelled", "cancelled"]
    assert not engine.is_busy


def test_speed_and_first_token_are_never_faster_than_the_script_says(tmp_path: Path) -> None:
    engine = open_script(tmp_path, tokens_per_second=100, time_to_first_token_s=0.1)
    begin = time.monotonic()
    run(engine, ask("a b c d e f"))
    assert time.monotonic() - begin >= 0.1 + 5 / 100


def test_an_error_after_some_tokens_keeps_their_text(tmp_path: Path) -> None:
    fault = {"kind": "error", "after_tokens": 2, "pattern": "trouble", "message": "as asked"}
    engine = open_script(tmp_path, faults=[fault])
    fine, bad = ask("no worry at all"), ask("make trouble now please")
    events = run(engine, fine, bad)
    assert text_of(events, bad) == "make trouble"
    assert text_of(events, fine) == "no worry at all"
    failed = [e for e in events if isinstance(e, Failed)]
    assert [(f.request_id, f.error_type, f.message) for f in failed] == [(bad.id, "InferenceError", "as asked")]


def test_loading_fails_as_asked_unless_loaded_safely(tmp_path: Path) -> None:
    fault = {"kind": "error", "at": "load", "unless_safe": True, "error_type": "InsufficientMemoryError"}
    with pytest.raises(InsufficientMemoryError, match="the script says so"):
        open_script(tmp_path, faults=[fault])
    assert open_script(tmp_path, LoadOptions(safe=True), faults=[fault]).info["safe"] is True


@pytest.mark.parametrize(("kind", "status"), [("crash", -6), ("exit", 3)])
def test_a_crash_takes_the_process_with_it(tmp_path: Path, kind: str, status: int) -> None:
    path = write_script(tmp_path, faults=[{"kind": kind, "at": "load"}])
    code = "import sys; from multi_llm_comparator.inferencers.registry import open_engine as o\n"
    code += "from multi_llm_comparator.inferencers.base import LoadOptions as L; o('scripted', sys.argv[1], L())"
    done = subprocess.run([sys.executable, "-c", code, path], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == status


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"unknown": 1}', '{"tokens_per_second": 0}', '{"answers": [{"pattern": "(", "text": ""}]}'],
)
def test_a_file_that_is_no_script_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "model.json"
    path.write_text(content)
    with pytest.raises(ModelLoadError, match=r"model\.json"):
        open_engine("scripted", str(path), LoadOptions())


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="absent"):
        open_engine("scripted", str(tmp_path / "absent"), LoadOptions())
