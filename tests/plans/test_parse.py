from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multi_llm_comparator.core.exceptions import PlanError
from multi_llm_comparator.plans import errors
from multi_llm_comparator.plans.parse import PlanLimits, PlanParser, parse_plan
from multi_llm_comparator.plans.plan import Plan, Step

PLAN = """<Plan>
<Step ID="1" Task="What is 23 + 48?" Difficulty="2" Token="50" Rely=""/>
<Step ID="2" Task="What is 17 - 9?" Difficulty="2" Token="50" Rely=""/>
<Step ID="3" Task="Multiply the two results" Difficulty="6" Token="80" Rely="1,2"/>
</Plan>"""

tasks = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1).filter(
    lambda text: text.strip() == text and bool(text)
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Any DAG: steps need only earlier ones, then the order is shuffled so that they may come after."""
    count = draw(st.integers(1, 12))
    steps = [
        Step(
            str(i),
            draw(tasks),
            draw(st.integers(1, 10)),
            draw(st.integers(1, 4096)),
            tuple(map(str, sorted(draw(st.sets(st.integers(1, i - 1), max_size=4))))) if i > 1 else (),
        )
        for i in range(1, count + 1)
    ]
    return Plan(tuple(draw(st.permutations(steps))))


def pieces(text: str, sizes: list[int]) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(text):
        size = sizes[len(found) % len(sizes)]
        found.append(text[at : at + size])
        at += size
    return found


@given(plans(), st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_any_plan_survives_writing_and_reading_however_it_is_cut(plan: Plan, sizes: list[int]) -> None:
    parser = PlanParser()
    found = [step for piece in pieces(plan.to_xml(), sizes) for step in parser.feed(piece)]
    assert parser.close() == plan
    assert found == list(plan.steps)
    assert parser.repairs == []


@given(st.text(max_size=60), plans(), st.text(max_size=60), st.integers(1, 30))
def test_prose_around_the_plan_changes_nothing(before: str, plan: Plan, after: str, size: int) -> None:
    if "<" in before:
        before = before.replace("<", "")
    parser = PlanParser()
    for piece in pieces(before + plan.to_xml() + after, [size]):
        parser.feed(piece)
    assert parser.close() == plan


@settings(max_examples=300)
@given(st.data())
def test_a_mangled_plan_is_read_or_refused_but_never_hangs_or_crashes(data: st.DataObject) -> None:
    text = list(PLAN)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 5))] = data.draw(
            st.text('<>/"&=SteplanIDRely 0123;!-[]\x00é', max_size=4)
        )
        text = text or ["x"]
    mangled = "".join(text)

    def read(size: int) -> Plan | type[PlanError]:
        parser = PlanParser()
        try:
            for piece in pieces(mangled, [size]):
                parser.feed(piece)
            return parser.close()
        except PlanError as exc:
            return type(exc)

    whole = read(len(mangled) or 1)
    assert isinstance(whole, Plan) or issubclass(whole, PlanError)
    assert read(1) == whole or not isinstance(whole, Plan)


def test_a_step_is_given_the_moment_its_tag_is_closed() -> None:
    parser = PlanParser()
    head, _, rest = PLAN.partition("/>")
    assert parser.feed(head) == []
    assert [step.id for step in parser.feed("/>")] == ["1"]
    assert [step.id for step in parser.feed(rest)] == ["2", "3"]


@pytest.mark.parametrize("flood", ["<think>", "</think>", "<think></think>", "<think>x</think> y "])
def test_a_flood_of_thoughts_is_kept_as_it_is_written(flood: str) -> None:
    """In one piece: where each tag cost a look at all that follows, this took minutes."""
    parser = PlanParser()
    parser.feed(f"{flood * 100_000}</think>{PLAN}")
    assert parser.close() == parse_plan(PLAN)


def test_thinking_is_kept_apart_and_a_draft_in_it_is_not_the_plan() -> None:
    parser = PlanParser()
    for char in f"<think>maybe <Plan><Step ID='9' Task='no'/></Plan>?</think>Here:\n```xml\n{PLAN}\n```\nDone <b>.":
        parser.feed(char)
    assert [step.id for step in parser.close().steps] == ["1", "2", "3"]
    assert parser.thinking.startswith("maybe <Plan>")


def test_a_thought_that_the_template_opened_ends_where_the_model_ends_it() -> None:
    parser = PlanParser()
    parser.feed(f"I should split this.</think>{PLAN}")
    assert len(parser.close().steps) == 3
    assert parser.thinking == "I should split this."


@pytest.mark.parametrize(
    ("attributes", "step"),
    [
        ('ID="1" Task="a & b < c" Difficulty="3" Token="9" Rely=""', Step("1", "a & b < c", 3, 9)),
        ('ID="1" Task="say "hi" now" Difficulty="3" Token="9" Rely=""', Step("1", 'say "hi" now', 3, 9)),
        ('id="1" TASK="t" difficulty="3" token="9" rely=""', Step("1", "t", 3, 9)),
        ('ID="1" Task="t" Difficulty="7/10" Token="90 tokens" Rely="none"', Step("1", "t", 7, 90)),
        ('ID="1" Task="t" Difficulty="11" Token="0" Rely=""', Step("1", "t", 10, 1)),
        ('ID="1" Task="t"', Step("1", "t", 10, 512)),
        ('ID="1" Task="t\x07" Difficulty="3" Token="9" Rely="" Colour="red"', Step("1", "t", 3, 9)),
    ],
)
def test_what_is_certainly_meant_is_repaired_and_the_repair_recorded(attributes: str, step: Step) -> None:
    parser = PlanParser()
    parser.feed(f"<Plan><Step {attributes}/></Plan>")
    assert parser.close().steps == (step,)
    assert parser.repairs or "none" in attributes


@pytest.mark.parametrize("rely", ["1, 2", "1;2", "Step 1 and Step 2", "#1 #2", "1，2", "1,2,1"])
def test_dependencies_are_read_in_the_ways_planners_write_them(rely: str) -> None:
    text = PLAN.replace('Rely="1,2"', f'Rely="{rely}"')
    assert parse_plan(text).by_id["3"].rely == ("1", "2")


def test_a_step_may_need_a_later_one() -> None:
    text = '<Plan><Step ID="a" Task="t" Rely="b"/><Step ID="b" Task="t" Rely=""/></Plan>'
    assert parse_plan(text).by_id["a"].rely == ("b",)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("I cannot plan this.", errors.EmptyPlanError),
        ("", errors.EmptyPlanError),
        ("<Plan></Plan>", errors.EmptyPlanError),
        ("<think>endless", errors.EmptyPlanError),
        ('<!DOCTYPE x [<!ENTITY a "b">]><Plan><Step ID="1" Task="&a;"/></Plan>', None),
        ('<Plan><!DOCTYPE x><Step ID="1" Task="t"/></Plan>', errors.ForbiddenMarkupError),
        ('<Plan><![CDATA[x]]><Step ID="1" Task="t"/></Plan>', errors.ForbiddenMarkupError),
        ('<Plan><Step Task="t"/></Plan>', errors.MissingAttributeError),
        ('<Plan><Step ID="1"/></Plan>', errors.MissingAttributeError),
        ('<Plan><Step ID="1" Task="t" Difficulty="hard"/></Plan>', errors.BadAttributeError),
        ('<Plan><Step ID="1 2" Task="t"/></Plan>', errors.BadAttributeError),
        ('<Plan><Step ID="1" Task="t"/><Step ID="1" Task="u"/></Plan>', errors.DuplicateStepError),
        ('<Plan><Step ID="1" Task="t" Rely="7"/></Plan>', errors.UnknownDependencyError),
        ('<Plan><Step ID="1" Task="t" Rely="1"/></Plan>', errors.CycleError),
        ('<Plan><Step ID="1" Task="t" Rely="2"/><Step ID="2" Task="t" Rely="1"/></Plan>', errors.CycleError),
        ('<Plan><Step ID="1" Task="t', errors.TruncatedPlanError),
        ("<Plan>" * 10, errors.MalformedPlanError),
        ('<Plan><Step ID="1" Task="t"/><SubStep ID="2" Task="u"/></Plan>', errors.UnknownElementError),
        ('<Plan><Step ID="1" Task="t">Do <b>it</b></Step></Plan>', errors.UnknownElementError),
        (f"{PLAN}\nOr rather:\n{PLAN}", errors.SecondPlanError),
        (f'{PLAN} and <Step ID="4" Task="t"/>', errors.SecondPlanError),
        ("<Plan></Step></Plan>", errors.MalformedPlanError),
    ],
)
def test_each_fault_has_its_name(text: str, error: type[Exception] | None) -> None:
    if error is None:
        # An entity that nobody declared is an ampersand that somebody forgot to write as one.
        assert parse_plan(text).steps[0].task == "&a;"
        return
    with pytest.raises(error):
        parse_plan(text)


def test_a_repetition_of_a_step_is_dropped_and_recorded() -> None:
    step = '<Step ID="1" Task="t" Difficulty="1" Token="1" Rely=""/>'
    parser = PlanParser()
    parser.feed(f"<Plan>{step}{step}</Plan>")
    assert len(parser.close().steps) == 1
    assert "repetition" in parser.repairs[0]


@pytest.mark.parametrize(
    ("text", "repair"),
    [
        (f"{PLAN}\nThese are the steps.", "ignored the text after the plan"),
        (f"{PLAN}\nAll is in the <Plan>.", "ignored the text after the plan"),
        (PLAN.replace("<Step", "Then: <Step"), "ignored the text between the steps"),
        (PLAN.replace("<Step", '<!-- <Step ID="0" Task="-"/> - -- --><Step'), "left out a comment"),
        (PLAN.replace("</Plan>", "<!-- and so on ->"), "left out a comment"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_is_not_plan_is_set_aside_and_recorded(text: str, repair: str, size: int) -> None:
    parser = PlanParser()
    for piece in pieces(text, [size]):
        parser.feed(piece)
    assert parser.close().steps == parse_plan(PLAN).steps
    assert parser.repairs[0] == repair


@pytest.mark.parametrize("size", [1, 7])
def test_a_second_plan_is_noticed_however_it_is_cut(size: int) -> None:
    parser = PlanParser()
    with pytest.raises(errors.SecondPlanError):
        for piece in pieces(f"{PLAN}\n{PLAN}", [size]):
            parser.feed(piece)


def test_steps_without_a_plan_around_them_are_a_plan() -> None:
    assert len(parse_plan('<Step ID="1" Task="t"/><Step ID="2" Task="u"/>').steps) == 2


def test_a_missing_end_is_repaired_only_if_the_planner_ended_by_itself() -> None:
    text = PLAN.removesuffix("</Plan>")
    assert len(parse_plan(text).steps) == 3
    parser = PlanParser()
    parser.feed(text)
    with pytest.raises(errors.TruncatedPlanError):
        parser.close(complete=False)


@pytest.mark.parametrize("limits", [PlanLimits(max_characters=50), PlanLimits(max_steps=2), PlanLimits(max_depth=1)])
def test_every_bound_is_kept(limits: PlanLimits) -> None:
    with pytest.raises(errors.PlanTooLargeError):
        parse_plan(PLAN, limits=limits)


def test_shape_of_a_diamond() -> None:
    plan = parse_plan(PLAN)
    assert (plan.depth, plan.sinks) == (2, ("3",))
    assert plan.compression_ratio == pytest.approx(2 / 3)
    assert plan.mean_token == 60
