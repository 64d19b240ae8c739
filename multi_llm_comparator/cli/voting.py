"""What ``llm-cooperation vote start`` and ``continue`` do: answers without names, and a key for each vote."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from rich.text import Text

from multi_llm_comparator.cli.answering import Here, chosen
from multi_llm_comparator.cli.attached import stored_image
from multi_llm_comparator.cli.consoles import messages, print_json
from multi_llm_comparator.cli.measure import prompts_named
from multi_llm_comparator.cli.pressed_keys import keys_at_once, pressed_key
from multi_llm_comparator.cli.running_models import everything
from multi_llm_comparator.cli.votes_told import told_ranking
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.recommended import recommended
from multi_llm_comparator.evaluation.measuring.human_votes import voting_spec
from multi_llm_comparator.evaluation.vote_setup import vote_spec
from multi_llm_comparator.voting.snapshot import VotingSnapshot
from multi_llm_comparator.voting.spec import differing_parameters, text_parameters
from multi_llm_comparator.voting.turns import BAD, TIE, VoteTurn
from multi_llm_comparator.voting.vote_run import VoteRun
from multi_llm_comparator.voting.words import choice_words
from multi_llm_comparator.wiring import Services

POLL_S = 0.1
PLACES, SKIP, STOP = "abcd", "s", "q"
# Each place also by its number, as on the page where more than two stand side by side.
NUMBERS = "1234"
OTHERS = {"t": TIE, "x": BAD}
MIN_CONTESTANTS = 2


@dataclass(frozen=True)
class Asked:
    """What a session asks, and of whom."""

    models: tuple[str, ...]
    prompts: str | None
    own: tuple[str, ...]
    images: tuple[Path, ...]
    evaluation: str | None
    shown: int
    temperatures: tuple[float, ...]
    max_tokens: int
    is_shuffled: bool
    title: str


@dataclass(frozen=True)
class Manner:
    """How it is voted: whether names are told after each vote, one JSON value at the end, models loaded here."""

    tells_names: bool
    as_json: bool
    alone: bool


async def start(asked: Asked, manner: Manner) -> bool:
    """Begin a session and go through it.

    Raises:
        ConfigurationError: nothing to ask, nobody to choose between, or a name that nobody has.
    """
    _check(asked)
    prompts = asked.own if asked.prompts is None else prompts_named(asked.prompts)
    images = [await stored_image(path) for path in asked.images]
    async with everything(alone=manner.alone) as work:
        if asked.evaluation is not None:
            spec = voting_spec((await work.evaluations.get(asked.evaluation)).snapshot())
            run = await work.votes.start(spec, parent_id=asked.evaluation)
        else:
            spec = vote_spec(
                await _contestants(work, asked),
                prompts,
                images=[image.digest for image in images],
                shown=asked.shown,
                is_shuffled=asked.is_shuffled,
                title=asked.title,
            )
            run = await work.votes.start(spec, images=images)
        return await _through(work, run, manner)


def _check(asked: Asked) -> None:
    """Raises ConfigurationError: not one thing to vote on."""
    given = [bool(asked.prompts is not None), bool(asked.own), bool(asked.evaluation)]
    if sum(given) != 1:
        raise ConfigurationError("say what is voted on, by one of --set, --prompt and --evaluation")
    if asked.images and not asked.own:
        raise ConfigurationError("--image goes with --prompt")
    if not asked.evaluation and len(asked.models) * len(asked.temperatures) < MIN_CONTESTANTS:
        raise ConfigurationError("there is nobody to choose between: give --model twice, or --temperature")


async def _contestants(work: Services, asked: Asked) -> list[tuple[str, str, ModelConfig]]:
    """Each model at each temperature. Raises ModelNotFoundError."""
    found: list[tuple[str, str, ModelConfig]] = []
    offered = await Here(work).offered()
    for name in dict.fromkeys(asked.models):
        model = work.models.find(name)
        if model is None and ":" not in name:
            chosen(offered, name)
        label = work.models.unique_name(model.id) if model is not None else name
        target = model.id if model is not None else name
        for temperature in asked.temperatures:
            config = replace(recommended(model), temperature=temperature, max_tokens=asked.max_tokens)
            found.append((target, label, config))
    return found


async def go_on(run_id: str, manner: Manner) -> bool:
    """Go on with a session. Raises RunAtWorkError: another process has it open."""
    async with everything(alone=manner.alone) as work:
        run = await work.votes.get(run_id)
        if run.state != "done":
            run = await work.runs.resume(run_id, VoteRun)
        return await _through(work, run, manner)


async def _through(work: Services, run: VoteRun, manner: Manner) -> bool:
    """Show turn after turn until all have their vote, or whoever votes stops; whether the session is done."""
    messages.print(f"session {run.id}: A, B better; T tie, X all bad, S skip, Q stop for now", style="dim")
    try:
        with keys_at_once():
            while (turn := await _next_turn(run)) is not None:
                if not await _voted(run, turn, manner):
                    break
    finally:
        if run.is_at_work:
            await work.runs.stop(run.id)
    snapshot = run.snapshot()
    if snapshot.state == "failed":
        messages.print(f"the session ended: {snapshot.error}", style="red")
    elif snapshot.state != "done":
        messages.print(f"go on with: llm-cooperation vote continue {run.id}")
    _tell(snapshot, manner)
    return snapshot.state != "failed"


async def _next_turn(run: VoteRun) -> VoteTurn | None:
    """The turn that waits for a vote, once its answers are there; None where none will come."""
    is_said = False
    while True:
        snapshot = run.snapshot()
        if snapshot.open_turn is not None or not run.is_at_work:
            return snapshot.open_turn
        # Between the last vote and the end of the run there is a moment without either.
        if not is_said and snapshot.phase == "answering":
            messages.print("answers are being written ...", style="dim")
            is_said = True
        await asyncio.sleep(POLL_S)


async def _voted(run: VoteRun, turn: VoteTurn, manner: Manner) -> bool:
    """Show a turn and take its vote; False where whoever votes stops."""
    snapshot = run.snapshot()
    _show(snapshot, turn)
    while True:
        key = await pressed_key()
        if key in ("", STOP):
            return False
        if key == SKIP:
            await run.skip(turn.number)
            return True
        if (choice := _choice(turn, key)) is not None:
            await run.vote(turn.number, choice)
            if manner.tells_names:
                _reveal(run.snapshot(), turn.number)
            return True
        messages.print(f"{key!r} is no vote: {', '.join(PLACES[: len(turn.places)].upper())}, T, X, S or Q")


def _choice(turn: VoteTurn, key: str) -> str | None:
    for keys in (PLACES, NUMBERS):
        place = keys.find(key)
        if 0 <= place < len(turn.places):
            return turn.places[place]
    return OTHERS.get(key)


def _show(snapshot: VotingSnapshot, turn: VoteTurn) -> None:
    """The prompt and the answers by their places. Nothing that is printed here knows a contestant."""
    messages.rule(Text(f"{snapshot.by_hand + 1} of {snapshot.spec.turns}"))
    for image in snapshot.images_of(turn):
        messages.print(f"[{image.name}]", style="dim")
    messages.print(snapshot.spec.prompts[turn.prompt].text)
    for letter, answer in zip(PLACES.upper(), turn.answers, strict=False):
        messages.print(f"\n{letter}", style="bold")
        messages.print(answer.text)


def _reveal(snapshot: VotingSnapshot, number: int) -> None:
    """Who wrote what, with figures and the parameters that differ."""
    turn = next(one for one in snapshot.turns if one.number == number)
    names = {one.id: one.name for one in snapshot.spec.contestants}
    best = turn.best
    messages.print(choice_words(turn, names[best.contestant] if best else "", "en"), style="green")
    differs = differing_parameters([one.config for one in snapshot.spec.contestants])
    for letter, answer in zip(PLACES.upper(), turn.answers, strict=False):
        told = text_parameters(snapshot.spec.contestant(answer.contestant).config)
        speed = f", {answer.tokens_per_s:.1f} tokens/s" if answer.tokens_per_s else ""
        parameters = "".join(f", {name} {told.get(name)}" for name in differs)
        messages.print(f"{letter}: {names[answer.contestant]}, {answer.tokens} tokens{speed}{parameters}", style="dim")


def _tell(snapshot: VotingSnapshot, manner: Manner) -> None:
    if manner.as_json:
        counts = {"votes": snapshot.by_hand, "same": len(snapshot.voted) - snapshot.by_hand}
        about = {"run_id": snapshot.id, "state": snapshot.state, **counts, "turns": snapshot.spec.turns}
        print_json({**about, "error": snapshot.error, **told_ranking([snapshot])})
        return
    messages.print(
        f"{snapshot.by_hand} of {snapshot.spec.turns} votes; see: llm-cooperation vote ranking {snapshot.id}"
    )
