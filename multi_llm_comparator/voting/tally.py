"""From sessions to votes that can be ranked: the same weights asked the same way are one, whatever they are called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.voting.ranking import Ranking, Style, Vote, rank, style_of
from multi_llm_comparator.voting.snapshot import VotingSnapshot
from multi_llm_comparator.voting.spec import Contestant, differing_parameters, parameters_key, text_parameters
from multi_llm_comparator.voting.turns import BAD, VoteTurn


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Who is ranked: a model, by the hash of its weights where it is here, else by its name, with parameters."""

    key: str
    name: str
    target: str
    config: ModelConfig
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """``labels`` name the entries so that they differ: by parameters where the names are the same."""

    entries: dict[str, Entry]
    labels: dict[str, str]
    votes: tuple[Vote, ...]
    tags: tuple[str, ...]
    automatic: int

    def ranked(self, *, with_style: bool = False) -> Ranking:
        return rank(self.votes, with_style=with_style)


def entry_of(snapshot: VotingSnapshot, contestant: Contestant) -> Entry:
    fingerprint = snapshot.fingerprint(contestant.id)
    config = contestant.config
    key = f"{fingerprint or f'name:{contestant.target}'} {parameters_key(config)}"
    return Entry(key=key, name=contestant.name, target=contestant.target, config=config, fingerprint=fingerprint)


def tally(sessions: Iterable[VotingSnapshot], *, tag: str = "") -> Tally:
    """All votes of these sessions; with a ``tag``, those on prompts that have it."""
    entries: dict[str, Entry] = {}
    votes: list[Vote] = []
    tags: set[str] = set()
    automatic = 0
    for session in sessions:
        of = {one.id: entry_of(session, one) for one in session.spec.contestants}
        tags |= set(session.spec.tags)
        for turn in session.voted:
            if tag and tag not in session.spec.prompts[turn.prompt].tags:
                continue
            votes.append(vote_of(turn, {place: of[place].key for place in turn.places}))
            automatic += turn.is_automatic
            for place in turn.places:
                entries.setdefault(of[place].key, of[place])
    return Tally(
        entries=entries,
        labels=labels_of(list(entries.values())),
        votes=tuple(vote for vote in votes if len(set(vote.shown)) == len(vote.shown)),
        tags=tuple(sorted(tags)),
        automatic=automatic,
    )


def vote_of(turn: VoteTurn, keys: dict[str, str]) -> Vote:
    """A turn's vote; ``keys`` are what its contestants are called in it."""
    styles: tuple[Style, ...] = tuple(style_of(answer.text) for answer in turn.answers)
    shown = tuple(keys[answer.contestant] for answer in turn.answers)
    best = None if turn.best is None else keys[turn.best.contestant]
    return Vote(shown, best, is_bad=turn.choice == BAD, styles=styles)


def labels_of(entries: Sequence[Entry]) -> dict[str, str]:
    """A name for each: where several have one name, with the parameters in which they differ, else with the hash."""
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        by_name.setdefault(entry.name, []).append(entry)
    labels = {}
    for name, same in by_name.items():
        differing = differing_parameters([entry.config for entry in same]) if len(same) > 1 else ()
        for entry in same:
            told = text_parameters(entry.config)
            words = [f"{parameter} {told.get(parameter)}" for parameter in differing]
            if len(same) > 1 and not words and entry.fingerprint:
                words = [entry.fingerprint[:8]]
            labels[entry.key] = " · ".join([name, *words])[:200]
    return labels
