"""Plans given by hand, of questions that a model of 135M parameters has something to say about: chains and fans.

A step is written as its task, its difficulty, its budget in tokens and the steps it needs; ``{1}`` in a task stands for
the answer of step 1.
"""

from __future__ import annotations

from multi_llm_comparator.plans.plan import Plan, Step

_PLANS: tuple[tuple[tuple[str, int, int, str], ...], ...] = (
    (("List three facts about the moon.", 3, 80, ""), ("List three facts about the sun.", 3, 80, ""),
     ("Compare these two:\n{1}\n{2}", 7, 120, "1,2")),
    (("Name a fruit and a vegetable.", 2, 30, ""), ("Describe a meal made of {1}.", 6, 100, "1"),
     ("Give this meal a name: {2}", 2, 30, "2")),
    (("Why is the sky blue?", 6, 100, ""), ("Why is grass green?", 6, 100, ""), ("Why is snow white?", 3, 100, ""),
     ("Why is coal black?", 3, 100, ""), ("{1}\n{2}\n{3}\n{4}", 1, 10, "1,2,3,4")),
    (("Write one sentence about a dog.", 2, 40, ""), ("Write one sentence about a cat.", 2, 40, ""),
     ("Write one sentence about a bird.", 2, 40, ""), ("Tell a story with these:\n{1}\n{2}\n{3}", 8, 140, "1,2,3"),
     ("Give the story a title: {4}", 3, 24, "4")),
    (("What does a baker do?", 3, 60, ""), ("What does a miller do?", 3, 60, ""), ("What does a farmer do?", 3, 60, ""),
     ("How do these depend on each other?\n{1}\n{2}\n{3}", 7, 120, "1,2,3")),
    (("Describe winter in two sentences.", 3, 60, ""), ("Describe summer in two sentences.", 6, 60, ""),
     ("Which of both is warmer?\n{1}\n{2}", 2, 40, "1,2"), ("What would one wear then? {3}", 6, 60, "3")),
    (("Explain what a computer is.", 6, 120, ""), ("Say that again for a child: {1}", 6, 90, "1"),
     ("Say that again in one sentence: {2}", 2, 40, "2")),
    (("Name an animal that lives in water.", 2, 24, ""), ("What does this eat? {1}", 3, 60, "1"),
     ("Where does this live? {1}", 3, 60, "1"), ("How old does this get? {1}", 6, 60, "1"),
     ("Write a short text from these:\n{2}\n{3}\n{4}", 7, 140, "2,3,4")),
    (("What is a river?", 2, 60, ""), ("What is a lake?", 2, 60, ""), ("What is an ocean?", 7, 60, ""),
     ("What have these in common?\n{1}\n{2}", 3, 80, "1,2"), ("How does this differ?\n{3}\n{4}", 7, 80, "3,4")),
    (("Write a greeting for a letter.", 2, 30, ""), ("Write a reason to visit Paris.", 6, 80, ""),
     ("Write a farewell for a letter.", 2, 30, ""), ("Write a letter from these:\n{1}\n{2}\n{3}", 8, 160, "1,2,3")),
)  # fmt: skip


def given_plans() -> list[Plan]:
    """The plans; each is valid."""
    return [
        Plan(
            tuple(
                Step(str(number), task, difficulty, budget, tuple(filter(None, rely.split(","))))
                for number, (task, difficulty, budget, rely) in enumerate(steps, 1)
            )
        )
        for steps in _PLANS
    ]
