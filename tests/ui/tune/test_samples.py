from __future__ import annotations

from multi_llm_comparator.jobs.events import Sample
from multi_llm_comparator.ui.tune.samples import MAX_PROMPTS, answers_by_step, beside_html


def sample(step: int, prompt: str, answer: str) -> Sample:
    return Sample(step=step, kind="fixed", prompt=prompt, answer=answer)


def test_answers_are_ordered_by_prompt_and_the_last_one_at_a_step_counts() -> None:
    found = answers_by_step(
        [sample(0, "a", "old"), sample(0, "b", "x"), sample(5, "a", "new"), sample(5, "a", "newer")]
    )
    assert found == {"a": {0: "old", 5: "newer"}, "b": {0: "x"}}


def test_prompts_stand_in_the_order_in_which_they_were_asked() -> None:
    found = answers_by_step([sample(0, "second", "x"), sample(0, "first", "y")], ["first", "unanswered", "second"])
    assert list(found) == ["first", "second"]


def test_rows_of_the_validation_are_no_fixed_prompts_and_there_are_not_endlessly_many() -> None:
    many = [sample(0, str(number), "x") for number in range(3 * MAX_PROMPTS)]
    best = Sample(step=0, kind="best", prompt="row", answer="x")
    assert len(answers_by_step([best, *many])) == MAX_PROMPTS


def test_old_stands_beside_new_and_what_the_model_writes_stays_text() -> None:
    html = beside_html({"<i>ask</i>": {0: "<script>old</script>", 9: "new"}}, 0, 9)
    assert html.index("old") < html.index("new")
    assert "<script>" not in html and "<i>" not in html


def test_before_the_second_evaluation_there_is_one_answer() -> None:
    assert beside_html({"ask": {0: "only"}}, 0, 0).count("mlc-tune-answer") == 1
