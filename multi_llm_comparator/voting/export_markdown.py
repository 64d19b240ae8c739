"""A session of votes as Markdown: the ranking, and each vote in a line."""

from __future__ import annotations

from multi_llm_comparator.core.markdown_text import one_line, table
from multi_llm_comparator.core.readable import Language, cut_line, iso_time
from multi_llm_comparator.voting.ranking import Ranking
from multi_llm_comparator.voting.snapshot import VotingSnapshot
from multi_llm_comparator.voting.tally import Tally, tally
from multi_llm_comparator.voting.words import choice_words, interval_words, notes, rank_words, say, verdict_lines

MAX_PROMPT_CHARS = 200
RANKING_NAMES = ("rank", "model", "points", "interval", "votes", "won", "lost", "tied", "bad")


def to_markdown(snapshot: VotingSnapshot, language: Language) -> str:
    found = tally([snapshot])
    ranking = found.ranked()
    lines = [
        f"# {one_line(snapshot.title)}",
        "",
        f"{say(language, 'report')} · {say(language, 'created')} {iso_time(snapshot.created_at)} · {snapshot.id}",
        "",
        *(one_line(note) for note in notes(found, ranking, language)),
    ]
    if not ranking.votes:
        return "\n".join(lines) + "\n"
    heading = [say(language, name) for name in RANKING_NAMES]
    lines += ["", *table(heading, ranking_rows(found, ranking, language)), ""]
    lines += [*(f"- {one_line(line)}" for line in verdict_lines(found, ranking, language)), ""]
    lines += table(["", say(language, "prompt"), say(language, "verdict")], _votes(snapshot, language))
    return "\n".join(lines) + "\n"


def _votes(snapshot: VotingSnapshot, language: Language) -> list[list[str]]:
    rows = []
    for turn in snapshot.voted:
        name = snapshot.spec.contestant(turn.best.contestant).name if turn.best else ""
        names = "".join(f"[{image.name}] " for image in snapshot.images_of(turn))
        prompt = cut_line(names + snapshot.spec.prompts[turn.prompt].text, MAX_PROMPT_CHARS)
        rows.append([str(turn.number + 1), prompt, choice_words(turn, name, language)])
    return rows


def ranking_rows(found: Tally, ranking: Ranking, language: Language) -> list[list[str]]:
    """A row for each contestant under RANKING_NAMES, the best first."""
    return [
        [
            rank_words(one),
            found.labels[one.id],
            f"{one.points:.0f}",
            interval_words(one, language),
            str(one.compared),
            str(one.wins),
            str(one.losses),
            str(one.ties),
            str(one.bad),
        ]
        for one in ranking.standings
    ]
