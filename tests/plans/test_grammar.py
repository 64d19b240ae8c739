"""What can be written under the grammar of plans is a plan, whatever it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.composed import generate
from demo.composed.question import compact_xml
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.gguf_runtime import LlamaRuntime
from multi_llm_comparator.plans.grammar import plan_grammar
from multi_llm_comparator.plans.parse import PlanParser
from multi_llm_comparator.plans.plan import Plan, Step
from tests.support import tiny_gguf
from tests.support.grammars import allows, is_gbnf_text, random_text

SMALL = plan_grammar(max_steps=6, max_task_characters=40)
THINKING = plan_grammar(max_steps=2, max_task_characters=20, may_think=True)
# In a real planner's hand, as the built-in instruction and Plan.to_xml write it.
REAL = """<Plan>
<Step ID="1" Task="What is 23 + 48?" Difficulty="3" Token="20" Rely=""/>
<Step ID="2" Task="&lt;17&gt; 减 9 &amp; so on" Difficulty="10" Token="2000" Rely=""/>
<Step ID="3" Task="{1} * {2}" Difficulty="6" Token="20" Rely="1,2"/>
<Step ID="4" Task="Is {3} larger than 500?" Difficulty="1" Token="5" Rely="1, 3" />
</Plan>"""


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, int]]:
    path = tiny_gguf.write_random(tmp_path_factory.mktemp("gguf") / "random.gguf")
    runtime = LlamaRuntime(str(path), LoadOptions(n_ctx=64, n_threads=1))
    yield runtime.vocab, tiny_gguf.VOCABULARY_SIZE
    runtime.close()


def read(text: str) -> tuple[Plan, list[str]]:
    parser = PlanParser()
    parser.feed(text)
    return parser.close(), parser.repairs


@given(seed=st.integers(0, 2**32), hurry=st.sampled_from([0.02, 0.1, 0.5]))
@settings(max_examples=80, deadline=None)
def test_whatever_is_written_under_the_grammar_is_a_plan_without_repair(seed: int, hurry: float) -> None:
    plan, repairs = read(random_text(SMALL, seed, hurry))
    assert repairs == []
    assert [step.id for step in plan.steps] == [str(n) for n in range(1, len(plan.steps) + 1)]
    assert all(int(needed) < int(step.id) for step in plan.steps for needed in step.rely)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_as_gbnf_it_allows_the_same_texts(vocabulary: tuple[Any, int], seed: int) -> None:
    text = random_text(SMALL, seed, 0.2)
    assert is_gbnf_text(SMALL, *vocabulary, text)
    # Half a plan is none, nor is one with something behind it.
    for other in (text[:-1], text + "."):
        assert not allows(SMALL, other)
        assert not is_gbnf_text(SMALL, *vocabulary, other)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_thinking_may_come_first_where_it_is_allowed(seed: int) -> None:
    text = random_text(THINKING, seed, 0.3)
    assert len(read(text)[0].steps) <= 2


@pytest.mark.parametrize(
    "text",
    [REAL, REAL.replace("\n", ""), read(REAL)[0].to_xml(), f"<think>\n2 steps will do\n</think>\n\n{REAL}"],
    ids=["as instructed", "on one line", "as we write it", "thought"],
)
def test_plans_as_planners_write_them_are_allowed(vocabulary: tuple[Any, int], text: str) -> None:
    grammar, text = plan_grammar(may_think=text.startswith("<think>")), text.replace("</think>\n\n", "</think>\n")
    assert allows(grammar, text)
    assert is_gbnf_text(grammar, *vocabulary, text)


@pytest.mark.parametrize(
    "wrong",
    [
        'ID="1"|ID="7"',  # out of order
        'Rely="1,2"|Rely="4"',  # a later step
        'Rely="1,2"|Rely="3"',  # itself
        'Rely="1,2"|Rely="2,2"',  # twice
        'Difficulty="10"|Difficulty="11"',
        'Token="20"|Token="0"',
        "&lt;17|<17",
        'Task="{1} * {2}"|Task=""',
        'Task="{1} * {2}"|Task=" "',
        "</Plan>|",
        "<Plan>|Sure! <Plan>",
    ],
)
def test_what_is_no_valid_plan_is_not_allowed(vocabulary: tuple[Any, int], wrong: str) -> None:
    was, becomes = wrong.split("|")
    assert was in REAL
    assert not allows(plan_grammar(), REAL.replace(was, becomes, 1))
    assert not is_gbnf_text(plan_grammar(), *vocabulary, REAL.replace(was, becomes, 1))


def test_a_plan_may_have_all_the_steps_and_no_more() -> None:
    steps = [Step(str(n), "x", 1, 1, tuple(str(m) for m in range(1, n))) for n in range(1, 18)]
    assert allows(plan_grammar(), Plan(tuple(steps[:16])).to_xml())
    assert not allows(plan_grammar(), Plan(tuple(steps)).to_xml())


def test_the_demo_planners_own_plans_are_allowed() -> None:
    plans = [compact_xml(question.plan) for question in generate(3, 30, "heldout")]
    assert [text for text in plans if not allows(plan_grammar(), text)] == []
