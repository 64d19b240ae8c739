"""Hand-made plans of two to eight steps in the demo models' world: chains, fans, diamonds, and mixtures of them.

A step is written as its task, its difficulty and the steps it needs; ``{1}`` in a task stands for the answer of step 1.
"""

from __future__ import annotations

from multi_llm_comparator.plans.plan import Plan, Step

TOKENS = 64

# fmt: off
_PLANS: tuple[tuple[tuple[str, int, str], ...], ...] = (
    (("What is 23 + 48?", 2, ""), ("Is {1} larger than 50?", 3, "1")),
    (("What is 17 - 9?", 2, ""), ("What is {1} * 3?", 6, "1"), ("Is {2} even?", 2, "2")),
    (("What is 12 * 12?", 6, ""), ("What is 7 * 8?", 3, ""), ("What is {1} + {2}?", 6, "1,2")),
    (("What is the capital of France?", 2, ""), ("What is the capital of Italy?", 7, "")),
    (("Convert 3 km to m.", 3, ""), ("Convert 250 cm to m.", 6, ""), ("What is {1} + {2}?", 7, "1,2"),
     ("Is {3} larger than 1000?", 2, "3")),
    (("Write the word river backwards.", 6, ""), ("How many letters has the word river?", 2, "")),
    (("What is 5 + 6?", 1, ""), ("What is {1} + 7?", 2, "1"), ("What is {2} + 8?", 3, "2"),
     ("What is {3} + 9?", 4, "3")),
    (("What is 31 + 19?", 7, ""), ("What is {1} - 12?", 7, "1"), ("What is {2} * 2?", 8, "2"),
     ("What is {3} + 40?", 8, "3"), ("Is {4} odd?", 6, "4")),
    (("What is 9 * 9?", 2, ""), ("What is 8 * 8?", 2, ""), ("What is 7 * 7?", 2, ""), ("What is 6 * 6?", 2, "")),
    (("What is 90 + 12?", 6, ""), ("What is 80 + 13?", 6, ""), ("What is 70 + 14?", 6, ""),
     ("What is 60 + 15?", 6, "")),
    (("What is 41 + 25?", 3, ""), ("What is {1} - 6?", 3, "1"), ("What is {1} + 6?", 7, "1"),
     ("What is {2} + {3}?", 7, "2,3")),
    (("23 加 48 等于多少？", 2, ""), ("17 减 9 等于多少？", 6, ""), ("{1} 乘以 {2} 等于多少？", 7, "1,2")),
    (("法国的首都是哪里？", 2, ""), ("意大利的首都是哪里？", 2, ""), ("日本的首都是哪里？", 7, "")),
    (("What is 2 + 3?", 1, ""), ("What is 4 + 5?", 1, ""), ("What is 6 + 7?", 6, ""), ("What is {1} + {2}?", 2, "1,2"),
     ("What is {3} + {4}?", 7, "3,4")),
    (("What is 100 - 37?", 6, ""), ("What is {1} - 18?", 2, "1"), ("What is {2} - 9?", 6, "2"),
     ("What is {3} - 4?", 2, "3"), ("What is {4} * 2?", 6, "4"), ("Is {5} larger than 60?", 2, "5")),
    (("What is 15 + 15?", 2, ""), ("What is {1} * 2?", 6, "1"), ("What is {1} * 3?", 6, "1"),
     ("What is {1} * 4?", 6, "1"),
     ("What is {2} + {3}?", 3, "2,3"), ("What is {4} + {5}?", 8, "4,5")),
    (("Convert 2 hours to minutes.", 2, ""), ("Convert 90 minutes to seconds.", 7, ""), ("Convert 4 kg to g.", 2, ""),
     ("Convert 500 g to kg.", 7, ""), ("Is {1} larger than 100?", 3, "1"), ("Is {3} larger than {2}?", 6, "2,3")),
    (("What is 11 * 11?", 6, ""), ("What is 13 + 14?", 1, ""), ("What is 15 - 6?", 1, ""),
     ("What is {1} + {2}?", 7, "1,2"),
     ("What is {2} + {3}?", 2, "2,3"), ("What is {4} - {5}?", 8, "4,5"), ("Is {6} even?", 2, "6")),
    (("What is 1 + 2?", 1, ""), ("What is {1} + 3?", 1, "1"), ("What is {2} + 4?", 1, "2"), ("What is 50 + 60?", 6, ""),
     ("What is {4} + 70?", 6, "4"), ("What is {5} + 80?", 6, "5"), ("What is {3} + {6}?", 7, "3,6")),
    (("What is 21 + 4?", 2, ""), ("What is 22 + 5?", 6, ""), ("What is 23 + 6?", 2, ""), ("What is 24 + 7?", 6, ""),
     ("What is {1} + {2}?", 3, "1,2"), ("What is {3} + {4}?", 7, "3,4"), ("What is {5} + {6}?", 8, "5,6"),
     ("Is {7} larger than 100?", 2, "7")),
)
# fmt: on


def hand_made_plans() -> list[Plan]:
    """The plans; each is valid."""
    plans = []
    for steps in _PLANS:
        made = (
            Step(str(number), task, difficulty, TOKENS, tuple(filter(None, rely.split(","))))
            for number, (task, difficulty, rely) in enumerate(steps, 1)
        )
        plans.append(Plan(tuple(made)))
    return plans
