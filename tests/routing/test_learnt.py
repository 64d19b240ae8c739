"""What is learnt from recorded answers, on made ones whose truth is known: two models, each good at one kind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.routing import Candidate, IntelligentRouter, Surroundings, default_rules
from multi_llm_comparator.routing.curves import Curves, learn_and_judge
from multi_llm_comparator.routing.learning import Learning, LearntRouter
from multi_llm_comparator.routing.learnt import MIN_QUESTIONS, Predictor, learn, load, save
from multi_llm_comparator.routing.outcomes import Outcomes
from multi_llm_comparator.routing.statistics import RoutingCounts
from tests.support.gateways import ActingSource

RULES = default_rules()
MODELS = ("sums-7b", "verse-7b", "all-70b")
SUM, VERSE = "把{}和{}加起来等于几？", "Lines about the {} and the {} in spring"


def made_outcomes(count: int = 240, *, is_telling: bool = True) -> Outcomes:
    """Half sums, half verses. ``sums-7b`` does the first well, ``verse-7b`` the second, ``all-70b`` both a little less
    well, at ten times the cost; or, where nothing tells, each is right by chance."""
    draw = np.random.default_rng(3)
    questions, values = [], []
    for at in range(count):
        is_sum = at % 2 == 0
        questions.append((SUM if is_sum else VERSE).format(at, at * 7 % 97))
        shares = (0.95, 0.1, 0.85) if is_sum else (0.1, 0.95, 0.85)
        values.append(draw.random(3) < (shares if is_telling else (0.5, 0.5, 0.6)))
    costs = np.tile(np.array([1.0, 1.0, 10.0], np.float32), (count, 1))
    return Outcomes(tuple(questions), MODELS, np.array(values, np.float32), costs, "s")


@pytest.fixture(scope="module")
def judged() -> tuple[Predictor, Curves]:
    return learn_and_judge(made_outcomes(), RULES)


def test_who_is_good_at_what_is_learnt_in_both_languages(judged: tuple[Predictor, Curves]) -> None:
    likely = judged[0].probabilities([SUM.format(1234, 5), VERSE.format(1234, 5)])
    assert likely.shape == (2, 3)
    assert likely[0, 0] > 0.7 > 0.4 > likely[0, 1]
    assert likely[1, 1] > 0.7 > 0.4 > likely[1, 0]


def test_the_curve_lies_above_the_single_models_and_below_the_oracle(judged: tuple[Predictor, Curves]) -> None:
    curves = judged[1]
    last = curves.learnt[-1]
    assert last.quality > curves.best_single.quality
    assert last.cost < curves.best_single.cost
    assert curves.oracle[-1].quality >= last.quality > curves.random.quality
    verdict = curves.verdict_at(0.7)
    assert verdict is not None and verdict.is_better and verdict.best_single in MODELS


def test_where_texts_tell_nothing_the_learnt_router_is_not_trusted() -> None:
    _, curves = learn_and_judge(made_outcomes(is_telling=False), RULES)
    assert not any(verdict.is_better for verdict in curves.verdicts)


def test_too_little_to_learn_from_is_said() -> None:
    with pytest.raises(ConfigurationError, match=str(MIN_QUESTIONS)):
        learn(made_outcomes(10))
    with pytest.raises(ConfigurationError, match="two models"):
        many = made_outcomes()
        learn(replace(many, models=many.models[:1], values=many.values[:, :1], costs=many.costs[:, :1]))


def test_gaps_in_the_records_and_models_that_were_always_right_do_no_harm() -> None:
    outcomes = made_outcomes(80)
    outcomes.values[::3, 0] = np.nan
    outcomes.values[:, 2] = 1.0
    likely = learn(outcomes).probabilities(["anything at all", ""])
    assert np.isfinite(likely).all() and (likely[:, 2] > 0.9).all()


def test_a_question_stands_on_one_side_of_the_split_however_often_it_was_asked() -> None:
    outcomes = made_outcomes(100)
    twice = Outcomes(
        outcomes.questions * 2, MODELS, np.tile(outcomes.values, (2, 1)), np.tile(outcomes.costs, (2, 1)), "s"
    )
    fitted, held_out = twice.split(0.4, "verdict")
    assert not set(fitted.questions) & set(held_out.questions)
    assert 40 < len(held_out.questions) < 120


def test_what_was_learnt_is_read_back_as_it_was(judged: tuple[Predictor, Curves], tmp_path: Path) -> None:
    predictor, curves = judged
    save(predictor, tmp_path, curves.to_dict())
    found = load(tmp_path)
    assert found is not None
    texts = ["把3和4加起来", "Lines about rain"]
    assert np.allclose(found[0].probabilities(texts), predictor.probabilities(texts), atol=1e-5)
    assert Curves.from_dict(json.loads(json.dumps(found[1]))) == curves
    assert not list(tmp_path.glob("*.pkl"))


@pytest.mark.parametrize("harm", ["cut", "other arrays", "not finite", "wrong shape", "pickle", "not json"])
def test_files_that_are_not_what_they_should_be_are_refused(
    judged: tuple[Predictor, Curves], tmp_path: Path, harm: str
) -> None:
    predictor, curves = judged
    save(predictor, tmp_path, curves.to_dict())
    arrays, text = tmp_path / "learnt.npz", tmp_path / "learnt.json"
    match harm:
        case "cut":
            arrays.write_bytes(arrays.read_bytes()[:100])
        case "not json":
            text.write_text("{")
        case _:
            found = dict(np.load(arrays))
            found["levels"] = {
                "other arrays": found["levels"] + 1,
                "not finite": found["levels"] * np.nan,
                "wrong shape": found["levels"][:1],
                "pickle": np.array([{"a": 1}, {}, {}], dtype=object),
            }[harm]
            np.savez(arrays, **found)
            if harm != "other arrays":
                import hashlib

                data = json.loads(text.read_text())
                text.write_text(json.dumps({**data, "arrays": hashlib.sha256(arrays.read_bytes()).hexdigest()}))
    with pytest.raises(DocumentError, match="learn again"):
        load(tmp_path)
    learning = Learning(tmp_path)
    assert learning.current() is None and learning.problem


CANDIDATES = tuple(Candidate(name=name, parameters=float(name.split("-")[1][:-1]) * 1e9) for name in MODELS)


def router_with(learnt: LearntRouter, candidates: tuple[Candidate, ...] = CANDIDATES) -> IntelligentRouter:
    around = Surroundings(ActingSource(), lambda rules: candidates, learnt=lambda: learnt)
    return IntelligentRouter(around, RULES, RoutingCounts())


def test_a_learnt_router_that_was_shown_better_decides_and_says_so(judged: tuple[Predictor, Curves]) -> None:
    router = router_with(LearntRouter(*judged, "v"))
    for question, target in ((SUM, "sums-7b"), (VERSE, "verse-7b")):
        found = router.decide(question.format(77, 78))
        assert (found.target, found.decided_by) == (target, "learnt")
        assert "as learnt from" in found.reasons[2]
        assert sorted(one.target for one in found.alternatives) == sorted(set(MODELS) - {target})


def test_one_that_was_not_shown_better_leaves_it_to_the_rules(judged: tuple[Predictor, Curves]) -> None:
    predictor, curves = judged
    doubtful = replace(curves, verdicts=tuple(replace(one, is_better=False) for one in curves.verdicts))
    assert router_with(LearntRouter(predictor, doubtful, "v")).decide(SUM.format(7, 8)).decided_by == "rules"
    assert router_with(LearntRouter(predictor, replace(curves, verdicts=()), "v")).decide("1").decided_by == "rules"


def test_it_decides_only_where_the_points_on_both_sides_were_better(judged: tuple[Predictor, Curves]) -> None:
    predictor, curves = judged
    at = {one.quality_priority: one for one in curves.verdicts}
    assert (min(at), max(at)) == (0.0, 1.0)
    assert [one.quality_priority for one in curves.verdicts_around(0.7)] == [0.7]
    assert [one.quality_priority for one in curves.verdicts_around(0.72)] == [0.7, 0.8]
    worse = replace(curves, verdicts=tuple(replace(one, is_better=one != at[0.8]) for one in curves.verdicts))
    router = router_with(LearntRouter(predictor, worse, "v"))
    assert worse.verdict_at(0.72) == replace(at[0.8], is_better=False)
    assert router.decide(SUM.format(7, 8), quality_priority=0.7).decided_by == "learnt"
    assert router.decide(SUM.format(7, 8), quality_priority=0.72).decided_by == "rules"
    beyond = replace(curves, verdicts=tuple(one for one in curves.verdicts if one.quality_priority >= 0.3))
    assert beyond.verdict_at(0.2) is None
    found = router_with(LearntRouter(predictor, beyond, "v")).decide(SUM.format(7, 8), quality_priority=0.2)
    assert found.decided_by == "rules"


def test_what_was_shown_of_models_that_are_gone_is_not_believed_of_the_others(
    judged: tuple[Predictor, Curves],
) -> None:
    _, curves = judged
    verdict = curves.verdict_at(0.7)
    assert verdict is not None and {"sums-7b", "verse-7b"} <= set(verdict.rests_on)
    left = tuple(replace(one, out="its endpoint is down") if one.name == "verse-7b" else one for one in CANDIDATES)
    found = router_with(LearntRouter(*judged, "v"), left).decide(SUM.format(77, 78))
    assert found.decided_by == "rules" and "'verse-7b'" in found.reasons[-1]


def test_models_that_were_not_recorded_are_left_to_the_rules(judged: tuple[Predictor, Curves]) -> None:
    others = (Candidate(name="new-1b", parameters=1e9), Candidate(name="sums-7b", parameters=7e9, out="it is gone"))
    assert router_with(LearntRouter(*judged, "v"), others).decide(SUM.format(7, 8)).target == "new-1b"
