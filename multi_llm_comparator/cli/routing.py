"""What ``llm-cooperation routing`` does: who answers where nobody is named, and what is learnt for that."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from multi_llm_comparator.cli.consoles import messages, output, print_json, say
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.routing.point import choose_priority, chosen_priority
from multi_llm_comparator.routing.surroundings import FOLDER, learning_in
from multi_llm_comparator.wiring import Services


def _folder() -> Path:
    return get_settings().home / FOLDER


async def show(as_json: bool) -> None:
    """What is set, and what was learnt from so many questions."""
    learning = learning_in(_folder())
    learnt, priority = learning.current(), chosen_priority(_folder())
    curves = None if learnt is None else learnt.curves
    verdict = None if curves is None or priority is None else curves.verdict_at(priority)
    if as_json:
        learnt_of = None if curves is None else {"questions": curves.learnt_from, "held_out": curves.n}
        told = {"quality_priority": priority, "learnt": learnt_of, "problem": learning.problem}
        print_json({**told, "verdict": None if verdict is None else asdict(verdict)})
        return
    output.print(f"quality priority: {'as the rules have it' if priority is None else f'{priority:g}'}")
    said = "nothing" if curves is None else f"{curves.learnt_from} answered questions, tried on {curves.n} others"
    output.print(f"learnt from: {said}")
    if verdict is not None:
        trust = "is trusted" if verdict.is_better else "is not better than the best single model, so rules decide"
        output.print(f"over {verdict.best_single}: {verdict.over_single:+.3f}; it {trust}")
    if learning.problem:
        messages.print(learning.problem, style="yellow")


async def set_priority(priority: float, as_json: bool) -> None:
    """Raises ConfigurationError, NotWrittenError: it cannot be kept."""
    choose_priority(_folder(), priority)
    say(f"quality priority is {priority:g}", as_json, {"quality_priority": priority})


async def learn(work: Services, as_json: bool) -> None:
    """Raises ConfigurationError: there are too few evaluations to learn from."""
    found = await learning_in(_folder()).learn_from(work.evaluations, work.router.rules)
    told = {"questions": found.curves.learnt_from, "held_out": found.curves.n}
    say(f"learnt from {found.curves.learnt_from} questions", as_json, told)


async def forget(as_json: bool) -> None:
    """Rules decide again."""
    learning_in(_folder()).forget()
    say("forgotten; rules decide again", as_json, {"forgotten": True})
