from __future__ import annotations

import asyncio
import json
import platform
import sys
from collections.abc import AsyncGenerator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest

from multi_llm_comparator.core.at_work import WorkingProcess
from multi_llm_comparator.core.events import Event
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError, RunAtWorkError, StoreError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.work_folder import read_setup
from multi_llm_comparator.evaluation.dataset_build import PAIRS_FILE, write_pairs
from multi_llm_comparator.evaluation.dataset_run import DatasetRun, OutcomeJournal
from multi_llm_comparator.evaluation.datasets import Question
from multi_llm_comparator.evaluation.judging import Judge
from multi_llm_comparator.evaluation.outcomes import QuestionOutcome
from multi_llm_comparator.evaluation.report_dataset import write_dataset_report
from multi_llm_comparator.evaluation.solving import Baseline, PlanOnly, Solver
from multi_llm_comparator.plans.config import EvaluationSection
from multi_llm_comparator.plans.options import PlanOptions
from multi_llm_comparator.plans.parse import parse_plan
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.records import RunFilter
from multi_llm_comparator.tracking.store import Store
from tests.evaluation.test_judging import scores
from tests.plans.test_parse import PLAN
from tests.plans.test_plan_run import OPTIONS, ByTarget
from tests.support.scripted_source import ScriptedSource
from tests.support.tiny_checkpoint import make_tokenizer

QUESTIONS = [Question("1", "What is it?", "568"), Question("2", "And that?", "9"), Question("3", "Who knows?")]
SETUP = {"mode": "dataset", "config": {"models": {"small_model": "small"}, "dataset": {"limit": 3}}}


class Counting:
    """Answers at once, and knows which questions it was asked."""

    def __init__(self, state: str = "done") -> None:
        self.asked: list[str] = []
        self.state = state
        self.in_flight = self.most_in_flight = 0

    async def __call__(self, question: Question) -> QuestionOutcome:
        self.asked.append(question.id)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(0)
        self.in_flight -= 1
        correct = None if question.answer is None else question.answer == "568"
        known: dict[str, Any] = {"id": question.id, "question": question.text, "expected": question.answer}
        return QuestionOutcome(**known, state=self.state, correct=correct)


async def test_an_outcome_counts_for_the_question_it_was_asked_for_and_no_other(tmp_path: Path) -> None:
    """Without ids questions are known by their place, and something was put in before them."""
    folder, solve = tmp_path / "run", Counting()
    await DatasetRun(QUESTIONS, OutcomeJournal(folder, SETUP), solve).run()
    moved = [Question("1", "A new one?", "1"), Question("2", "What is it?", "568"), Question("3", "Who knows?")]
    solve.asked.clear()
    outcomes = await DatasetRun(moved, OutcomeJournal(folder, SETUP), solve).run()
    assert solve.asked == ["1", "2"]
    assert [o.question for o in outcomes] == ["A new one?", "What is it?", "Who knows?"]
    corrected = [moved[0], moved[1], Question("3", "Who knows?", "nobody")]
    assert len(DatasetRun(corrected, OutcomeJournal(folder, SETUP), solve).outcomes) == 2


async def test_a_folder_that_another_process_works_on_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    OutcomeJournal(folder, SETUP)
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    began = psutil.Process(other.pid).create_time()
    worker = asdict(WorkingProcess(platform.node(), other.pid, began))
    (folder / "worker.json").write_text(json.dumps(worker), encoding="utf-8")
    with pytest.raises(RunAtWorkError, match=f"process {other.pid} is at work"):
        OutcomeJournal(folder, SETUP)
    other.kill()
    await other.wait()
    OutcomeJournal(folder, SETUP)


async def test_outcomes_that_cannot_be_written_end_the_run_with_the_reason(tmp_path: Path) -> None:
    journal = OutcomeJournal(tmp_path / "run", SETUP)
    (tmp_path / "run" / "outcomes.jsonl").mkdir()
    with pytest.raises(StoreError, match="cannot write"):
        await DatasetRun(QUESTIONS, journal, Counting()).run()


async def test_several_questions_are_in_flight_but_no_more_than_allowed(tmp_path: Path) -> None:
    solve = Counting()
    questions = [Question(str(n), "q") for n in range(20)]
    await DatasetRun(questions, OutcomeJournal(tmp_path / "run", SETUP), solve, in_flight=3).run()
    assert (solve.most_in_flight, len(solve.asked)) == (3, 20)


async def test_a_second_run_in_the_same_folder_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    await DatasetRun(QUESTIONS[:2], OutcomeJournal(folder, SETUP), Counting()).run()
    solve = Counting()
    run = DatasetRun(QUESTIONS, OutcomeJournal(folder, SETUP), solve)
    outcomes = await run.run()
    assert solve.asked == ["3"]
    assert [o.id for o in outcomes] == ["1", "2", "3"]
    standing = run.standing()
    assert (standing.ended, standing.judged, standing.accuracy) == (3, 2, 0.5)


async def test_what_failed_is_asked_again(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    await DatasetRun(QUESTIONS, OutcomeJournal(folder, SETUP), Counting("failed")).run()
    solve = Counting()
    outcomes = await DatasetRun(QUESTIONS, OutcomeJournal(folder, SETUP), solve).run()
    assert sorted(solve.asked) == ["1", "2", "3"]
    assert {o.state for o in outcomes} == {"done"}


async def test_what_failed_counts_as_ended_and_as_not_right(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    questions = [Question(str(n), "q", "568" if n < 2 else "9") for n in range(4)]

    async def half(question: Question) -> QuestionOutcome:
        known: dict[str, Any] = {"id": question.id, "question": question.text, "expected": question.answer}
        known["correct"] = question.answer == "568"
        return QuestionOutcome(**known, state="done" if known["correct"] else "failed")

    run = DatasetRun(questions, OutcomeJournal(folder, SETUP), half)
    outcomes = await run.run()
    standing = run.standing()
    assert (standing.ended, standing.failed, standing.seconds_left) == (4, 2, 0.0)
    assert standing.accuracy == 0.5
    report = write_dataset_report(tmp_path, outcomes, {}).read_text(encoding="utf-8")
    assert "| accuracy | 50.0% |" in report
    again = DatasetRun(questions, OutcomeJournal(folder, SETUP), half).standing()
    assert (again.ended, again.failed, again.judged) == (2, 0, 2)


async def test_a_stopped_run_keeps_what_had_ended(tmp_path: Path) -> None:
    source, folder = ScriptedSource(), tmp_path / "run"
    run = DatasetRun(QUESTIONS, OutcomeJournal(folder, SETUP), Baseline(source, "m"), in_flight=1)
    running = asyncio.create_task(run.run())
    await (await source.call(0)).answer("568")
    await source.call(1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    journal = OutcomeJournal(folder, SETUP)
    assert {i: o.correct for i, o in journal.outcomes.items()} == {"1": True}


async def test_a_line_that_was_cut_off_is_dropped_and_its_question_asked_again(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    await DatasetRun(QUESTIONS, OutcomeJournal(folder, SETUP), Counting(), in_flight=1).run()
    path = folder / "outcomes.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    solve = Counting()
    await DatasetRun(QUESTIONS, OutcomeJournal(folder, SETUP), solve).run()
    assert solve.asked == ["3"]
    assert len(path.read_text(encoding="utf-8").splitlines()) == 3


def test_a_folder_of_other_settings_or_other_things_is_refused(tmp_path: Path) -> None:
    OutcomeJournal(tmp_path / "run", SETUP)
    other = {"mode": "dataset", "config": {"models": {"small_model": "tiny"}, "dataset": {"limit": 9}}}
    with pytest.raises(ConfigurationError, match=r"\(config\.models\.small_model\)"):
        OutcomeJournal(tmp_path / "run", other)
    with pytest.raises(ConfigurationError, match="something else"):
        OutcomeJournal(tmp_path, SETUP)
    with pytest.raises(DocumentError):
        read_setup(tmp_path)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    OutcomeJournal(tmp_path / "run", SETUP)
    (tmp_path / "run" / "outcomes.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(DocumentError, match="line 1"):
        OutcomeJournal(tmp_path / "run", SETUP)


async def test_a_question_is_planned_solved_scored_and_judged() -> None:
    source = ByTarget(planner=PLAN, small="7", large="568", judge=[scores("planner"), scores("executor")])
    evaluation = EvaluationSection(enabled=True, planner_enabled=True, executor_enabled=True, model="judge")
    solve = Solver(source, OPTIONS, judge=Judge(source, "judge"), evaluation=evaluation)
    outcome = await solve(QUESTIONS[0])
    assert (outcome.answer, outcome.correct, outcome.state) == ("568", True, "done")
    assert [s.size for s in outcome.steps] == ["small", "small", "large"]
    assert outcome.metrics is not None and outcome.metrics.steps == 3
    assert {v.part for v in outcome.verdicts} == {"planner", "executor"}
    assert QuestionOutcome.model_validate_json(outcome.model_dump_json()) == outcome


async def test_the_run_of_a_question_is_found_among_the_stored_ones(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    source = ByTarget(planner=PLAN, small="7", large="568")
    registry = PlanRegistry(RunRegistry(store), source)
    await Solver(source, OPTIONS, plans=registry)(QUESTIONS[0])
    [summary] = await registry.runs.list()
    run = await registry.get(summary.id)
    assert (run.question, run.state, run.answer) == (QUESTIONS[0].text, "done", "568")
    assert {step.state for step in run.steps.values()} == {"done"}
    store.close()


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_a_question_that_was_in_the_middle_goes_on_with_what_it_has_finished(tmp_path: Path, how: str) -> None:
    store, reached = Store(f"sqlite:///{tmp_path / 'runs.db'}"), asyncio.Event()

    class Stuck(ByTarget):
        async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
            if target == "large":
                reached.set()
                await asyncio.sleep(3600)
            async for event in super().stream(target, request):
                yield event

    def run(source: ByTarget) -> DatasetRun:
        journal = OutcomeJournal(tmp_path / "run", SETUP)
        plans = PlanRegistry(RunRegistry(store), source)
        return DatasetRun(QUESTIONS[:1], journal, Solver(source, OPTIONS, plans=plans, begun=journal))

    first = asyncio.create_task(run(Stuck(planner=PLAN, small="7")).run())
    await asyncio.wait_for(reached.wait(), 20)
    if how == "stopped":
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    source = ByTarget(planner=PLAN, small="7", large="568")
    (outcome,) = await run(source).run()
    assert (outcome.state, outcome.answer) == ("done", "568")
    # Killed before its plan was stored whole, the planner is asked anew, and what it had begun is recognised.
    assert source.targets()[-1] == "large" and "small" not in source.targets()
    assert store.count_runs(RunFilter(kind="plan")) == 1
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    store.close()


async def test_a_plan_alone_asks_no_other_model() -> None:
    source = ByTarget(planner=f"<think>split it</think>{PLAN}")
    outcome = await PlanOnly(source, OPTIONS)(QUESTIONS[0])
    assert source.targets() == ["planner"]
    assert (outcome.state, outcome.correct, outcome.thinking) == ("done", None, "split it")
    assert outcome.metrics is not None
    assert (outcome.metrics.steps, outcome.metrics.depth) == (3, 2)
    assert parse_plan(outcome.plan or "") == parse_plan(PLAN)


async def test_a_plan_alone_is_judged_where_there_is_a_judge() -> None:
    source = ByTarget(planner=PLAN, judge=scores("planner"))
    outcome = await PlanOnly(source, OPTIONS, judge=Judge(source, "judge"))(QUESTIONS[0])
    assert [(v.part, v.error) for v in outcome.verdicts] == [("planner", None)]


@pytest.mark.parametrize(("planner", "asked"), [("no plan", 3), (None, 1)])
async def test_a_planner_without_a_plan_is_asked_again_but_a_broken_one_is_not(planner: str | None, asked: int) -> None:
    source = ByTarget(planner=planner)
    outcome = await PlanOnly(source, OPTIONS)(QUESTIONS[0])
    assert (outcome.state, len(source.asked)) == ("failed", asked)
    assert outcome.error


async def pairs(
    tmp_path: Path, source: ByTarget, *, planner_prompt: str | None = None, save_thinking: bool = True
) -> list[Any]:
    options = PlanOptions(executor=OPTIONS.executor, router_model="planner", aggregation="last_step")
    outcomes = [await Solver(source, options)(question) for question in QUESTIONS]
    count = write_pairs(tmp_path, outcomes, save_thinking=save_thinking, system_prompt=planner_prompt)
    lines = [json.loads(line) for line in (tmp_path / PAIRS_FILE).read_text(encoding="utf-8").splitlines()]
    assert len(lines) == count
    return lines


async def test_pairs_are_chats_of_those_whose_answer_is_not_known_to_be_wrong(tmp_path: Path) -> None:
    source = ByTarget(planner=f"<think>split it</think>{PLAN}", small="7", large="568")
    lines = await pairs(tmp_path, source)
    assert [line["messages"][1]["content"] for line in lines] == ["What is it?", "Who knows?"]
    assert [m["role"] for m in lines[0]["messages"]] == ["system", "user", "assistant"]
    assert lines[0]["messages"][2]["content"].startswith("<think>\nsplit it\n</think>\n\n<Plan>")
    plain = await pairs(tmp_path, source, planner_prompt="", save_thinking=False)
    assert [m["role"] for m in plain[0]["messages"]] == ["user", "assistant"]
    assert parse_plan(plain[0]["messages"][1]["content"]) == parse_plan(PLAN)


async def test_questions_answered_without_a_plan_make_no_pair(tmp_path: Path) -> None:
    assert await pairs(tmp_path, ByTarget(planner="no plan", small="7", large="568")) == []


async def test_a_single_model_is_asked_the_question_itself() -> None:
    source = ByTarget(m="It is 568")
    outcome = await Baseline(source, "m")(QUESTIONS[0])
    assert source.asked[0][1].messages[-1].content == "What is it?"
    assert (outcome.correct, outcome.state, outcome.plan_is_direct) == (True, "done", True)
    assert outcome.metrics is not None and outcome.metrics.tokens == len("It is 568")


async def test_an_answer_that_takes_too_long_has_failed() -> None:
    source = ScriptedSource()
    outcome = await Baseline(source, "m", timeout_s=0.01)(QUESTIONS[0])
    assert outcome.state == "failed"
    assert "within 0.01 s" in (outcome.error or "")
    assert source.calls[0].closed.is_set()


async def test_pairs_load_as_trainers_load_them(tmp_path: Path) -> None:
    # It takes seconds to import, which only one worker of the tests has to.
    from datasets import load_dataset

    source = ByTarget(planner=f"<think>分开 it</think>{PLAN}", small="7", large="568")
    written = await pairs(tmp_path, source)
    rows = load_dataset("json", data_files=str(tmp_path / PAIRS_FILE), split="train", cache_dir=str(tmp_path / "cache"))
    assert rows.column_names == ["messages"]
    assert [row["messages"] for row in rows] == [line["messages"] for line in written]
    tokenizer = make_tokenizer()
    encoded = tokenizer.apply_chat_template(rows[0]["messages"], tokenize=True, return_dict=True)
    text = tokenizer.decode(encoded["input_ids"])
    assert rows[0]["messages"][-1]["content"] in text
    prompt = tokenizer.apply_chat_template(rows[0]["messages"][:-1], tokenize=False, add_generation_prompt=True)
    # What a trainer masks, and what it learns, lie one behind the other.
    assert text.startswith(prompt)
