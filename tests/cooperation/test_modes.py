"""Each mode asks whom it should, and makes one answer of theirs."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest

from multi_llm_comparator.cooperation import integration
from multi_llm_comparator.cooperation.calls import Call
from multi_llm_comparator.cooperation.desk import Desk
from multi_llm_comparator.cooperation.outcome import Outcome, Ranked
from multi_llm_comparator.cooperation.run import CooperationRun
from multi_llm_comparator.cooperation.snapshot import CooperationSnapshot
from multi_llm_comparator.cooperation.spec import MODES
from multi_llm_comparator.core.events import Event
from multi_llm_comparator.core.exceptions import ConfigurationError, ModelProcessDied
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.tracking.store import Store
from tests.cooperation.making import PATIENCE_S, QUESTION, Cooperating, spec_of
from tests.support.gateways import ActingSource, Deed, answer, hang

CITIES = "What is the capital of France?\nA. Lyon\nB. Paris\nC. Nice"


def prompts(source: ActingSource, target: str) -> list[str]:
    asked = zip(source.asked, source.requests, strict=True)
    return [request.messages[-1].content for name, request in asked if name == target]


def notes(run: CooperationSnapshot) -> list[str]:
    assert run.outcome is not None
    return [note.code for note in run.outcome.notes]


def left_out(run: CooperationSnapshot) -> list[tuple[str, str]]:
    assert run.outcome is not None
    return sorted((left.target, left.reason) for left in run.outcome.left_out)


async def test_a_sequence_builds_on_what_was_answered_before(work: Cooperating, source: ActingSource) -> None:
    source.usual |= {"a": "first word", "b": "second word", "c": "third word"}
    run = await work.done("sequential", "a", "b", "c")
    assert (run.state, run.answer) == ("done", "third word")
    assert prompts(source, "a") == [QUESTION]
    assert "first word" in prompts(source, "c")[0] and "second word" in prompts(source, "c")[0]


async def test_answers_in_parallel_are_put_together_by_the_integrator(work: Cooperating, source: ActingSource) -> None:
    source.usual |= {"a": "twelve", "b": "a dozen", "chair": "12 legs"}
    run = await work.done("parallel", "a", "b", integrator="chair")
    assert (run.answer, run.outcome and run.outcome.made_by, source.asked[-1]) == ("12 legs", "ensemble", "chair")
    assert "twelve" in prompts(source, "chair")[0] and "a dozen" in prompts(source, "chair")[0]


@pytest.mark.parametrize(
    ("strategy", "answer"),
    [("concatenation", "**a**\n\n12\n\n---\n\n**b**\n\n13\n\n---\n\n**c**\n\n12"), ("last", "12"), ("majority", "12")],
)
async def test_a_strategy_is_chosen_by_name(
    work: Cooperating, source: ActingSource, strategy: str, answer: str
) -> None:
    source.usual |= {"a": "12", "b": "13", "c": "12"}
    assert (await work.done("parallel", "a", "b", "c", integration=strategy)).answer == answer
    assert len(source.asked) == 3


async def test_the_best_answer_is_chosen_whatever_the_order_it_is_shown_in(
    work: Cooperating, source: ActingSource
) -> None:
    source.usual |= {"a": "wrong", "b": "right", "chair": "A"}
    run = await work.done("parallel", "a", "b", integration="best", integrator="chair")
    shown = prompts(source, "chair")[0]
    assert run.answer == min(("wrong", "right"), key=shown.index)


async def test_a_strategy_of_ones_own_is_a_small_class(
    work: Cooperating, source: ActingSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Longest:
        name = "longest"

        async def integrate(self, desk: Desk, answers: Sequence[Call], ranking: Sequence[Ranked] = ()) -> Outcome:
            chosen = max(answers, key=lambda call: len(call.text))
            return desk.outcome(chosen.text.strip(), self.name, chosen.target, ranking)

    monkeypatch.setattr(integration, "_strategies", dict(integration._strategies))
    integration.register(Longest())
    source.usual |= {"a": "short", "b": "a longer one", "c": "mid"}
    run = await work.done("parallel", "a", "b", "c", integration="longest")
    assert (run.answer, run.outcome and run.outcome.made_by) == ("a longer one", "longest")


async def test_an_unknown_strategy_is_refused_with_the_names_of_the_others(work: Cooperating) -> None:
    with pytest.raises(ConfigurationError, match=r"'magic'.*ensemble, majority"):
        await work.registry.start(spec_of("parallel", "a", integration="magic"))


# --- voting ---------------------------------------------------------------------------------------------------------


async def test_the_majority_wins_and_who_is_not_needed_is_not_asked(work: Cooperating, source: ActingSource) -> None:
    source.usual |= {"a": "It is 12.", "b": "12", "c": "13"}
    run = await work.done("voting", "a", "b", "c")
    assert (run.answer, source.asked, left_out(run)) == ("It is 12.", ["a", "b"], [("c", "decided")])
    assert [(s.choice, s.voters) for s in run.counts[0].tally.standings] == [("12", ("vote.1.0", "vote.1.1"))]


async def test_without_early_stopping_all_are_asked(work: Cooperating, source: ActingSource) -> None:
    source.usual |= {"a": "12", "b": "12", "c": "13"}
    run = await work.done("voting", "a", "b", "c", stop_early=False)
    assert (run.answer, sorted(source.asked), left_out(run)) == ("12", ["a", "b", "c"], [])


async def test_votes_count_by_weight_the_weightiest_first(work: Cooperating, source: ActingSource) -> None:
    source.usual |= {"a": "B. Paris", "b": "A", "c": "Lyon is it"}
    run = await work.done("voting", "b", "c", "a", question=CITIES, weights=[1.0, 1.0, 2.5])
    assert (run.answer, source.asked) == ("B. Paris", ["a"])


async def test_a_tie_is_named(work: Cooperating, source: ActingSource) -> None:
    source.usual |= {"a": "12", "b": "13"}
    run = await work.done("voting", "a", "b")
    assert (run.answer, notes(run), run.counts[0].tally.tied) == ("12", ["tie"], ("12", "13"))


async def test_another_round_shows_the_answers_of_the_first(work: Cooperating, source: ActingSource) -> None:
    source.script("a", "12", "13")
    source.script("b", "13", "13")
    run = await work.done("voting", "a", "b", rounds=3)
    assert (run.answer, len(run.counts)) == ("13", 2)
    assert "12" in prompts(source, "b")[1]


async def test_where_a_later_round_fails_the_votes_of_the_one_before_stand(
    work: Cooperating, source: ActingSource
) -> None:
    source.script("a", "12", ModelProcessDied("gone"))
    source.script("b", "13", ModelProcessDied("gone"))
    run = await work.done("voting", "a", "b", rounds=2)
    assert (run.state, run.answer, notes(run)) == ("done", "12", ["tie"])
    assert left_out(run) == [("a", "failed"), ("b", "failed")]


async def test_measured_weights_are_used_where_nobody_gave_others(work: Cooperating, source: ActingSource) -> None:
    async def measured(targets: object) -> dict[str, float]:
        return {"a": 0.0, "b": 2.0, "c": 0.5}

    work.registry.measured = measured
    source.usual |= {"a": "12", "b": "13", "c": "12"}
    run = await work.done("voting", "a", "b", "c")
    assert (run.answer, source.asked) == ("13", ["b"])
    assert left_out(run) == [("a", "no_weight"), ("c", "decided")]


async def test_long_answers_are_grouped_by_a_judge(work: Cooperating, source: ActingSource) -> None:
    long = {
        name: f"{text} " * 30 for name, text in {"a": "go by train", "b": "take a plane", "c": "rail it is"}.items()
    }
    source.usual |= {**long, "judge": '{"groups": [["A", "B", "C"]]}'}
    run = await work.done("voting", "a", "b", "c", question="Which way is best?", integrator="judge")
    assert [len(s.voters) for s in run.counts[0].tally.standings] == [3]
    assert run.answer == long["a"].strip()


async def test_a_judge_that_cannot_be_read_leaves_each_answer_alone(work: Cooperating, source: ActingSource) -> None:
    source.usual |= {"a": "so " * 60, "b": "thus " * 60, "judge": "well"}
    run = await work.done("voting", "a", "b", question="Why?", integrator="judge")
    assert notes(run) == ["grouping_failed", "tie"]


async def test_what_cannot_be_counted_is_named(work: Cooperating, source: ActingSource) -> None:
    source.usual |= {"a": "no idea", "b": "B", "c": "B"}
    run = await work.done("voting", "a", "b", "c", question=CITIES)
    assert (run.answer, left_out(run)) == ("B", [("a", "no_ballot")])


# --- pipeline, ensemble, cascade, council ---------------------------------------------------------------------------


async def test_a_pipeline_drafts_criticises_and_revises(work: Cooperating, source: ActingSource) -> None:
    source.usual |= {"a": "a draft", "b": "too short", "c": "the final"}
    run = await work.done("pipeline", "a", "b", "c")
    assert run.answer == "the final"
    assert [call.role for call in run.calls.values()] == ["draft", "critique", "revise"]
    assert "a draft" in prompts(source, "c")[0] and "too short" in prompts(source, "c")[0]


async def test_roles_of_ones_own_are_kept(work: Cooperating, source: ActingSource) -> None:
    members = ({"target": "a", "role": "analyst"}, {"target": "b", "role": "lawyer"})
    source.usual |= {"a": "facts", "b": "law"}
    run = await work.done("pipeline", members=members)
    assert (run.answer, "lawyer" in prompts(source, "b")[0], "facts" in prompts(source, "b")[0]) == ("law", True, True)


async def test_one_model_sampled_several_times_is_an_ensemble(work: Cooperating, source: ActingSource) -> None:
    source.script("a", "12", "13", "12", "all in all 12")
    run = await work.done("ensemble", "a", samples=3)
    assert run.answer == "all in all 12"
    assert len({request.config.seed for request in source.requests[:3]}) == 3


async def test_layers_of_an_ensemble_see_the_answers_of_the_layer_before(
    work: Cooperating, source: ActingSource
) -> None:
    source.usual |= {"a": "first thought", "b": "other thought"}
    run = await work.done("ensemble", "a", "b", rounds=2, integration="last")
    assert len(run.calls) == 4
    assert "other thought" in prompts(source, "a")[1]


async def test_where_a_later_layer_fails_the_answers_of_the_one_before_stand(
    work: Cooperating, source: ActingSource
) -> None:
    source.script("a", "first thought", ModelProcessDied("gone"))
    run = await work.done("ensemble", "a", rounds=2, integration="last")
    assert (run.state, run.answer, left_out(run)) == ("done", "first thought", [("a", "failed")])


async def test_a_cascade_asks_the_large_one_only_where_the_small_ones_differ(
    work: Cooperating, source: ActingSource
) -> None:
    source.usual |= {"a": "12", "b": "It is 12.", "large": "13"}
    run = await work.done("cascade", "a", "b", "large")
    assert (run.answer, sorted(source.asked), left_out(run)) == ("12", ["a", "b"], [("large", "agreed")])
    source.usual["b"] = "14"
    run = await work.done("cascade", "a", "b", "large")
    assert (run.answer, notes(run), source.asked[-1]) == ("13", ["escalated"], "large")


async def test_in_a_cascade_each_small_one_has_to_agree_whatever_was_measured(
    work: Cooperating, source: ActingSource
) -> None:
    async def measured(targets: object) -> dict[str, float]:
        return {"a": 1.0, "b": 0.0, "large": 0.0}

    work.registry.measured = measured
    source.usual |= {"a": "12", "b": "14", "large": "13"}
    assert (await work.done("cascade", "a", "b", "large")).answer == "13"


async def test_a_small_one_alone_has_to_agree_with_itself(work: Cooperating, source: ActingSource) -> None:
    source.script("a", "12", "14")
    assert (await work.done("cascade", "a", "large")).calls["answer.1.1"].target == "large"


async def test_a_council_reviews_without_names_and_presides(work: Cooperating, source: ActingSource) -> None:
    review = json.dumps({"reason": "so", "ranking": ["A", "B"]})
    source.script("a", "by a", review)
    source.script("b", "by b", review)
    source.usual["chair"] = "the last word"
    run = await work.done("council", "a", "b", integrator="chair")
    assert run.answer == "the last word"
    assert run.outcome is not None and {ranked.target for ranked in run.outcome.ranking} == {"a", "b"}
    asked = prompts(source, "a")[1]
    assert "by a" in asked and "by b" in asked
    assert sum(ranked.place for ranked in run.outcome.ranking) == 3


async def test_each_reviewer_sees_all_answers_in_an_order_of_its_own(work: Cooperating, source: ActingSource) -> None:
    names = ("ash", "birch", "cedar", "dogwood")
    for name, word in zip(names, ("one", "two", "three", "four"), strict=True):
        source.script(name, f"said {word}", "no ranking")
    await work.done("council", *names, integrator="chair")
    shown = [prompts(source, name)[1] for name in names]
    orders = {tuple(sorted(("one", "two", "three", "four"), key=text.index)) for text in shown}
    assert len(orders) > 1
    assert not any(name in text for text in shown for name in names)


async def test_what_reviewers_put_first_stands_where_that_is_asked_for(work: Cooperating, source: ActingSource) -> None:
    def prefers(word: str) -> Deed:
        async def deed(request: GenerationRequest) -> AsyncIterator[Event]:
            text = request.messages[-1].content
            letters = ["A", "B"] if text.index("by a") < text.index("by b") else ["B", "A"]
            ranking = letters if word == "a" else letters[::-1]
            async for event in answer(request, json.dumps({"reason": "so", "ranking": ranking})):
                yield event

        return deed

    source.script("a", "by a", prefers("b"))
    source.script("b", "by b", prefers("b"))
    run = await work.done("council", "a", "b", integration="first", weights=[2.0, 1.0])
    assert run.outcome is not None and (run.answer, run.outcome.of) == ("by b", "b")
    assert [ranked.target for ranked in run.outcome.ranking] == ["b", "a"]


async def test_reviews_that_cannot_be_read_are_named(work: Cooperating, source: ActingSource) -> None:
    run = await work.done("council", "a", "b", integrator="chair")
    assert notes(run) == ["review_unread", "review_unread", "no_reviews"]


# --- what fails -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
async def test_a_member_that_dies_or_says_nothing_is_survived_and_named(
    work: Cooperating, source: ActingSource, mode: str
) -> None:
    source.usual |= {"dead": ModelProcessDied("its process died"), "mute": " ", "well": "12"}
    run = await work.done(mode, "dead", "mute", "well", integrator="well")
    assert (run.state, run.answer) == ("done", "12")
    assert {("dead", "failed"), ("mute", "failed")} <= set(left_out(run))


@pytest.mark.parametrize("mode", MODES)
async def test_without_any_answer_the_run_fails_and_says_why_of_each(
    work: Cooperating, source: ActingSource, mode: str
) -> None:
    source.usual |= {"a": ModelProcessDied("a died"), "b": ModelProcessDied("b died")}
    run = await work.done(mode, "a", "b")
    assert run.state == "failed"
    assert run.error is not None and "a: a died" in run.error and "b: b died" in run.error


async def test_a_member_that_hangs_is_not_waited_for_beyond_its_time(work: Cooperating, source: ActingSource) -> None:
    source.usual |= {"slow": hang, "well": "12"}
    run = await work.done("parallel", "slow", "well", member_timeout_s=0.2)
    assert (run.answer, notes(run), left_out(run)) == ("12", ["only_one"], [("slow", "failed")])


async def test_at_the_deadline_what_is_there_is_the_answer(work: Cooperating, source: ActingSource) -> None:
    source.usual |= {"slow": hang, "one": "12", "other": "13", "chair": hang}
    run = await work.done("parallel", "slow", "one", "other", integrator="chair", deadline_s=0.3)
    assert (run.state, run.answer) == ("done", "12")
    assert notes(run) == ["integration_failed"]
    assert ("slow", "deadline") in left_out(run)


async def test_an_integrator_that_dies_is_named_and_a_members_answer_stands(
    work: Cooperating, source: ActingSource
) -> None:
    source.usual |= {"a": "12", "b": "13", "chair": ModelProcessDied("gone")}
    run = await work.done("parallel", "a", "b", integrator="chair", weights=[1.0, 2.0])
    assert (run.answer, notes(run), run.outcome and run.outcome.of) == ("13", ["integration_failed"], "b")


@pytest.mark.parametrize("mode", MODES)
async def test_a_run_that_was_cut_off_asks_nobody_again_who_answered(
    work: Cooperating, source: ActingSource, store: Store, mode: str
) -> None:
    source.usual |= {"a": "12", "b": "13", "c": hang}
    run = await work.registry.start(spec_of(mode, "a", "b", "c"))
    async with asyncio.timeout(PATIENCE_S):
        while not source.running["c"] or sum(call.is_done for call in run.snapshot().calls.values()) < 2:
            await asyncio.sleep(0.01)
    await work.runs.aclose()
    source.usual["c"] = "12"
    later = Cooperating(store, source)
    again = await later.runs.resume(run.id, CooperationRun)
    async with asyncio.timeout(PATIENCE_S):
        await again.wait()
    assert again.state == "done"
    asked = [(t, r.messages[-1].content, r.config.seed) for t, r in zip(source.asked, source.requests, strict=True)]
    # The one that was not answered is the only one that is asked once more.
    assert [target for (target, _, _), times in Counter(asked).items() if times > 1] == ["c"]
    await later.runs.aclose()
