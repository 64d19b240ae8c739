"""One turn: the answers without their authors and a key for each vote; then who wrote what."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import streamlit as st

from multi_llm_comparator.core.readable import NOTHING
from multi_llm_comparator.ui.compare.telling_apart import parameter_name
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.buttons import button, main_button, quiet_button
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.html_pieces import letter, letter_badge, model_label, note_chip
from multi_llm_comparator.ui.kit.i18n import current_language, t
from multi_llm_comparator.ui.kit.markdown import shortened, split_thinking, to_markdown
from multi_llm_comparator.ui.kit.palette import STATE_TONES, UNKNOWN
from multi_llm_comparator.ui.vote.pictures import draw_asked
from multi_llm_comparator.ui.vote.state import go_on, reveal, reveals
from multi_llm_comparator.voting.snapshot import VotingSnapshot
from multi_llm_comparator.voting.spec import differing_parameters, text_parameters
from multi_llm_comparator.voting.turns import BAD, TIE, VoteAnswer, VoteTurn
from multi_llm_comparator.voting.vote_run import VoteRun
from multi_llm_comparator.voting.words import choice_words

MAX_SHOWN_CHARS = 40_000
# By place. Streamlit keeps the letter C for itself, so of three and four the digits count.
PAIR_KEYS, MORE_KEYS = "ab", "1234"
TIE_KEY, BAD_KEY, SKIP_KEY, NEXT_KEY = "t", "x", "s", "n"


def draw_blind(run: VoteRun, snapshot: VotingSnapshot, turn: VoteTurn) -> None:
    """The prompt, the answers by their places, and the votes. Nothing that is drawn here knows a contestant."""
    texts = [answer.text for answer in turn.answers]
    draw_prompt(snapshot, turn)
    _draw_cards(texts, lambda place: st.html(_blind_head(place)), lambda place: None)
    keys = PAIR_KEYS if len(texts) == 2 else MORE_KEYS
    with st.container(horizontal=True, horizontal_alignment="center", gap="small", key="vote_choices"):
        for place in range(len(texts)):
            button(
                "vote.better",
                _vote_for,
                run,
                turn.number,
                place,
                key=f"vote_choose_{place}",
                values={"letter": letter(place)},
                shortcut=keys[place],
            )
        bad = "both_bad" if len(texts) == 2 else "all_bad"
        for choice, key, name in ((TIE, TIE_KEY, "tie"), (BAD, BAD_KEY, bad)):
            button(f"vote.choice_{name}", _vote, run, turn.number, choice, key=f"vote_choose_{choice}", shortcut=key)
        quiet_button("vote.skip", lambda: perform(run.skip(turn.number), run.id), key="vote_skip", shortcut=SKIP_KEY)


def _blind_head(place: int) -> str:
    return f'<div class="mlc-head">{letter_badge(place, UNKNOWN)}</div>'


def _vote_for(run: VoteRun, number: int, place: int) -> None:
    """Who stands at the place is looked up here, in this process."""
    turn = next((one for one in run.snapshot().turns if one.number == number), None)
    if turn is not None and place < len(turn.places):
        _vote(run, number, turn.places[place])


def _vote(run: VoteRun, number: int, choice: str) -> None:
    async def voted() -> bool:
        await run.vote(number, choice)
        return True

    if perform(voted(), run.id) and reveals():
        reveal(run.id, number)


def draw_revealed(snapshot: VotingSnapshot, turn: VoteTurn) -> None:
    """The same answers with their authors, figures and parameters."""
    names = {one.id: one.name for one in snapshot.spec.contestants}
    best = turn.best
    draw_prompt(snapshot, turn)
    said = choice_words(turn, names[best.contestant] if best else "", current_language())
    st.html(
        f'<p class="mlc-verdict" role="status" data-choice="{turn.choice if best is None else "best"}" '
        f'style="--tone:{STATE_TONES["done"].css}">{escape(said)}</p>'
    )
    _draw_cards(
        [answer.text for answer in turn.answers],
        lambda place: st.html(_head(snapshot, turn.answers[place], is_best=turn.answers[place] is best)),
        lambda place: st.html(_figures(snapshot, turn.answers[place])),
    )
    with st.container(horizontal=True, horizontal_alignment="center", key="vote_choices"):
        main_button("vote.next", go_on, icon="arrow_forward", key="vote_next", shortcut=NEXT_KEY)


def _head(snapshot: VotingSnapshot, answer: VoteAnswer, *, is_best: bool) -> str:
    one = snapshot.spec.contestant(answer.contestant)
    chip = note_chip(t("vote.chosen"), t("vote.chosen"), STATE_TONES["done"]) if is_best else ""
    return f'<div class="mlc-head">{model_label(one.name, tone_of(one.target))} {chip}</div>'


def _figures(snapshot: VotingSnapshot, answer: VoteAnswer) -> str:
    spec = snapshot.spec
    speed = NOTHING if answer.tokens_per_s is None else f"{say.speed(answer.tokens_per_s)} {t('figure.speed_unit')}"
    told = text_parameters(spec.contestant(answer.contestant).config)
    differs = differing_parameters([one.config for one in spec.contestants])
    words = [
        t("vote.tokens", n=say.count(answer.tokens)),
        speed,
        say.seconds(answer.duration_s),
        *([t("measure.cut")] if answer.is_cut else []),
        *(f"{parameter_name(name)} {told.get(name)}" for name in differs),
    ]
    return f'<p class="mlc-muted">{escape(" · ".join(words))}</p>'


def draw_prompt(snapshot: VotingSnapshot, turn: VoteTurn) -> None:
    """What is asked, with its images."""
    draw_asked(snapshot.images_of(turn))
    text = snapshot.spec.prompts[turn.prompt].text
    st.html(f'<div class="mlc-prompt mlc-long" tabindex="0" data-turn="{turn.number}">{escape(text)}</div>')


def _draw_cards(texts: list[str], head: Callable[[int], object], foot: Callable[[int], object]) -> None:
    with st.container(key="vote_cards"):
        for place, column in enumerate(st.columns(len(texts), gap="small")):
            with column, st.container(border=True, height="stretch", key=f"vote_card_{place}"):
                head(place)
                _draw_text(texts[place], place)
                foot(place)


def _draw_text(text: str, place: int) -> None:
    segments = shortened(split_thinking(text), MAX_SHOWN_CHARS, from_end=False)
    for number, segment in enumerate(segments):
        if segment.kind == "think":
            with st.expander(t("think.done"), key=f"vote_think_{place}_{number}", icon=":material/psychology:"):
                for block in to_markdown(segment.text):
                    st.markdown(block, anchors=False)
        else:
            for block in to_markdown(segment.text):
                st.markdown(block, anchors=False)
