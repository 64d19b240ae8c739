"""Which tasks are asked, and which of their subjects."""

from __future__ import annotations

import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.evaluation.measuring.spec import names_in, subjects_of, task_choices
from multi_llm_comparator.evaluation.tasks.base import TaskOptions


def test_a_subject_is_of_all_tasks_or_of_the_one_that_it_names() -> None:
    found = task_choices(names_in("mmlu, ceval,"), "data", TaskOptions(limit=3), ("mmlu/anatomy", "law"))
    assert [(one.name, one.options.subjects) for one in found] == [("mmlu", ("anatomy", "law")), ("ceval", ("law",))]
    assert [(one.data, one.options.limit) for one in found] == [("data", 3)] * 2
    with pytest.raises(ConfigurationError, match="'bbh/snarks' is of a task that is not asked; asked are 'mmlu'"):
        task_choices(["mmlu"], None, TaskOptions(), ("bbh/snarks",))


@pytest.mark.parametrize("subjects", ["", "anatomy, law", "mmlu/anatomy", "mmlu/anatomy, ceval/law"])
def test_the_subjects_of_tasks_make_the_same_tasks_once_more(subjects: str) -> None:
    tasks = task_choices(["mmlu", "ceval", "/mine/questions.json"], None, TaskOptions(), names_in(subjects))
    published = [task.options.subjects for task in tasks[:2]]
    again = task_choices(["mmlu", "ceval", "/mine/questions.json"], None, TaskOptions(), subjects_of(tasks))
    assert [task.options.subjects for task in again[:2]] == published
