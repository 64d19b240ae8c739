"""What ``llm-cooperation answer`` does: one answer of a comparison, as the buttons beneath its card."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from multi_llm_comparator.cli.comparing import standing, tell_turns
from multi_llm_comparator.cli.consoles import output, print_json
from multi_llm_comparator.cli.display import show_while
from multi_llm_comparator.cli.running_models import everything
from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.documents import item_key
from multi_llm_comparator.comparison.snapshots import ComparisonSnapshot
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.tracking.records import ItemMarks, ItemRef
from multi_llm_comparator.wiring import Services


async def again(run_id: str, pane: int, new_seed: bool, *, as_json: bool, alone: bool) -> bool:
    """Another attempt at the last prompt."""
    return await _changed(
        run_id, pane, lambda run, pane_id: run.regenerate(pane_id, new_seed=new_seed), as_json=as_json, alone=alone
    )


async def go_on(run_id: str, pane: int, *, as_json: bool, alone: bool) -> bool:
    """Raises InferenceError: the model ended the answer itself."""
    return await _changed(run_id, pane, lambda run, pane_id: run.continue_(pane_id), as_json=as_json, alone=alone)


async def rewrite(run_id: str, pane: int, text: str, goes_on: bool, *, as_json: bool, alone: bool) -> bool:
    """An attempt that a person wrote, or began."""
    return await _changed(
        run_id, pane, lambda run, pane_id: run.rewrite(pane_id, text, go_on=goes_on), as_json=as_json, alone=alone
    )


async def _changed(
    run_id: str, pane: int, do: Callable[[Comparison, str], Awaitable[None]], *, as_json: bool, alone: bool
) -> bool:
    """Do something with a pane's last answer and wait for what comes of it; whether that is whole.

    Raises:
        RunNotFoundError; ConfigurationError: it has no such pane, or no prompt.
    """
    async with everything(alone=alone) as work:
        run = await work.comparisons.get(run_id)
        pane_id = _pane_id(run.snapshot(), pane)
        try:
            await do(run, pane_id)
            await show_while(run.wait(), lambda: standing(run))
        except BaseException:
            await run.stop()
            await run.wait()
            raise
        snapshot = run.snapshot()
    tell_turns(snapshot, 1, as_json=as_json, pane_id=pane_id)
    return snapshot.turns[-1].answers[pane_id].progress.state == "done"


def _pane_id(snapshot: ComparisonSnapshot, pane: int) -> str:
    if not snapshot.turns:
        raise ConfigurationError(f"run {snapshot.id!r} has no prompt yet")
    if pane > len(snapshot.panes):
        raise ConfigurationError(f"run {snapshot.id!r} has {len(snapshot.panes)} panes; it has none of number {pane}")
    return snapshot.panes[pane - 1].id


async def mark(
    work: Services,
    run_id: str,
    pane: int,
    turn: int | None,
    note: str | None,
    tags: Sequence[str] | None,
    as_json: bool,
) -> None:
    """Keep what is given; the rest stays. Raises ConfigurationError: there is no such answer."""
    snapshot = (await work.comparisons.get(run_id)).snapshot()
    pane_id = _pane_id(snapshot, pane)
    number = len(snapshot.turns) if turn is None else turn
    if number > len(snapshot.turns) or (answer := snapshot.turns[number - 1].answers.get(pane_id)) is None:
        raise ConfigurationError(f"run {run_id!r} has no answer of pane {pane} to prompt {number}")
    item, marks = ItemRef(item_key(answer.turn, pane_id), answer.attempt), work.store.marks
    if note is not None:
        marks.set_note(run_id, note, item)
    if tags is not None:
        marks.set_tags(run_id, tags, item)
    kept = marks.of_items(run_id).get(item, ItemMarks())
    if as_json:
        print_json({"run_id": run_id, "turn": number, "pane": pane, "tags": list(kept.tags), "note": kept.note})
        return
    for line in (f"tags: {', '.join(kept.tags)}", f"note: {kept.note}"):
        output.print(line)
