"""A step from the attributes of its element: names in any case, numbers as planners write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from multi_llm_comparator.plans.errors import BadAttributeError, CycleError, MissingAttributeError
from multi_llm_comparator.plans.plan import EASIEST, HARDEST, Step

NAMES = ("ID", "Task", "Difficulty", "Token", "Rely")
DEFAULT_TOKEN = 512
MAX_TOKEN = 32_768
# An id is stored behind its run's own, 64 characters together.
MAX_ID_LENGTH, MAX_TASK_LENGTH, MAX_RELY = 48, 20_000, 1000
_NO_DEPENDENCY = frozenset({"none", "null", "-", "n/a", "无", "[]"})
_FILLER = frozenset({"step", "steps", "and", "步骤", "和"})
_NUMBER = re.compile(r"\s*(-?\d{1,9})(?:\.0*)?(?:\s*/\s*10|\s*tokens?)?\s*\Z", re.IGNORECASE)

Note = Callable[[str], None]


def read_step(attributes: Mapping[str, str], note: Note) -> Step:
    """Build a step, telling ``note`` about each thing that was repaired.

    Raises:
        MissingAttributeError: no id or no task.
        BadAttributeError: a number that is none, or something too long.
        CycleError: the step needs itself.
    """
    given = _by_name(attributes, note)
    step_id = given.get("ID", "").strip()
    if not step_id:
        raise MissingAttributeError(f"a step has no ID (its task: {given.get('Task', '')[:80]!r})")
    if len(step_id) > MAX_ID_LENGTH or re.search(r"[\s,;]", step_id):
        raise BadAttributeError(
            f"the ID {step_id[:80]!r} is too long or has blanks or commas; number the steps 1, 2, 3"
        )
    task = given.get("Task", "").strip()
    if not task:
        raise MissingAttributeError(f"step {step_id!r} has no Task")
    if len(task) > MAX_TASK_LENGTH:
        raise BadAttributeError(f"the Task of step {step_id!r} is longer than {MAX_TASK_LENGTH} characters")
    difficulty = _number(step_id, "Difficulty", given, HARDEST, (EASIEST, HARDEST), note)
    token = _number(step_id, "Token", given, DEFAULT_TOKEN, (1, MAX_TOKEN), note)
    return Step(step_id, task, difficulty, token, _rely(step_id, given, note))


def _by_name(attributes: Mapping[str, str], note: Note) -> dict[str, str]:
    known = {name.lower(): name for name in NAMES}
    given: dict[str, str] = {}
    for name, value in attributes.items():
        proper = known.get(name.lower())
        if proper is None:
            note(f"ignored the attribute {name[:40]!r}")
            continue
        if proper != name:
            note(f"read the attribute {name!r} as {proper!r}")
        given[proper] = value
    return given


def _number(
    step_id: str, name: str, given: Mapping[str, str], default: int, bounds: tuple[int, int], note: Note
) -> int:
    text = given.get(name, "").strip()
    if not text:
        # Unknown difficulty goes to the large model: slower, but never worse.
        note(f"step {step_id!r} has no {name}; took {default}")
        return default
    match = _NUMBER.match(text)
    if match is None:
        raise BadAttributeError(f"{name} of step {step_id!r} is {text[:40]!r}; it must be a whole number")
    value = min(max(int(match.group(1)), bounds[0]), bounds[1])
    if text != str(value):
        note(f"read {name} {text!r} of step {step_id!r} as {value}")
    return value


def _rely(step_id: str, given: Mapping[str, str], note: Note) -> tuple[str, ...]:
    if "Rely" not in given:
        note(f"step {step_id!r} has no Rely; took it to need nothing")
        return ()
    text = given["Rely"].strip()
    if not text or text.lower() in _NO_DEPENDENCY:
        return ()
    words = [w for w in re.split(r"[\s,;，、]+", text) if w and w.lower() not in _FILLER]
    needed = tuple(dict.fromkeys(word.removeprefix("#") for word in words))
    if len(needed) > MAX_RELY:
        raise BadAttributeError(f"step {step_id!r} needs more than {MAX_RELY} others")
    if re.sub(r"\s", "", text) != ",".join(needed):
        note(f"read Rely {text[:80]!r} of step {step_id!r} as {','.join(needed)[:80]!r}")
    if step_id in needed:
        raise CycleError(f"step {step_id!r} needs its own answer")
    return needed
