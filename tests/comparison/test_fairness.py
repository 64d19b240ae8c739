"""What panes have in common, what tells them apart, and how one makes them the same."""

from __future__ import annotations

from multi_llm_comparator.comparison.export import export_run
from multi_llm_comparator.comparison.fairness import (
    are_same,
    differing_settings,
    distinguishing,
    labels,
    repeatable,
    spread,
    with_same,
)
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from tests.comparison.asking import asked
from tests.support.scripted_source import ScriptedSource


def test_the_same_for_all_leaves_models_and_loading_to_each_pane() -> None:
    leader = Pane("a", "m1", ModelConfig(temperature=0.2, seed=5, system_prompt="Short.", n_ctx=512))
    other = Pane("b", "m2", ModelConfig(temperature=1.1, n_ctx=4096, trust_remote_code=True))
    one, two = with_same((leader, other), leader)
    assert one is leader
    assert (two.target, two.config.n_ctx, two.config.trust_remote_code) == ("m2", 4096, True)
    assert (two.config.temperature, two.config.seed, two.config.system_prompt) == (0.2, 5, "Short.")
    assert are_same((one, two))
    assert not are_same((leader, other))


def test_what_differs_is_named_with_each_panes_value() -> None:
    panes = (Pane("a", "m1", ModelConfig(temperature=0.0)), Pane("b", "m2", ModelConfig(temperature=0.75, stop=("x",))))
    assert [(s.name, s.values) for s in differing_settings(panes)] == [
        ("temperature", ("0", "0.75")),
        ("stop", ("–", "'x'")),
    ]


def test_a_constraint_is_a_difference_too() -> None:
    panes = (Pane("a", "m1"), Pane("b", "m1", constraint=Constraint(regex="[0-9]+")))
    assert [(s.name, s.values) for s in differing_settings(panes)] == [("constraint", ("–", "[0-9]+"))]
    assert not are_same(panes)


def test_only_panes_of_one_model_are_told_apart_by_parameters() -> None:
    panes = (
        Pane("a", "m1", ModelConfig(temperature=0.0)),
        Pane("b", "m2", ModelConfig(temperature=0.5)),
        Pane("c", "m1", ModelConfig(temperature=1.0)),
    )
    assert distinguishing(panes) == [(("temperature", "0"),), (), (("temperature", "1"),)]


def test_four_temperatures_are_four_panes_of_one_model() -> None:
    panes = spread(Pane("a", "m1", ModelConfig(seed=3)))
    assert len({pane.id for pane in panes}) == 4
    assert {pane.target for pane in panes} == {"m1"}
    assert len({pane.config.temperature for pane in panes}) == 4
    assert {pane.config.seed for pane in panes} == {3}
    for pane in panes:
        pane.config.validate()


def test_nothing_is_left_to_chance_with_temperature_0_and_one_seed() -> None:
    config = repeatable(ModelConfig(), 42)
    assert config.is_greedy and config.reproducible and config.seed == 42


async def test_exports_say_what_differs_and_name_panes_of_one_model(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    panes = (Pane("a", "m1", ModelConfig(temperature=0.25)), Pane("b", "m1", ModelConfig(temperature=1.5)))
    comparison, calls = await asked(registry, source, panes)
    for call in calls:
        await call.answer("five")
    await comparison.wait()
    snapshot = comparison.snapshot()
    answers = list(snapshot.turns[0].answers.values())
    assert labels(answers) == ["demo-small · temperature 0.25", "demo-small · temperature 1.5"]
    for format in ("html", "markdown"):
        text = export_run(snapshot, format).decode()
        assert "What differs" in text
        assert "demo-small · temperature 1.5" in text
