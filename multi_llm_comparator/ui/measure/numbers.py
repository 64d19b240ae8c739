"""The verdict in sentences, and each model's numbers: score with its interval, speed, memory, the best trade-offs."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.core.readable import NOTHING
from multi_llm_comparator.evaluation.measuring.report import remark_lines
from multi_llm_comparator.evaluation.measuring.results import PairVerdict, Results, SubjectCost, SubjectResult
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.measuring.words import (
    cost_words,
    interval_words,
    mean_words,
    source_name,
    trust_sentence,
    verdict_sentence,
    words_of,
)
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.html_pieces import model_label, note_chip, table
from multi_llm_comparator.ui.kit.i18n import current_language, t, tn
from multi_llm_comparator.ui.kit.palette import STATE_TONES, Tone

# Of many models, the pairs that differ most clearly come first; the others are behind a click.
SHOWN_VERDICTS = 6


def draw_verdicts(snapshot: EvaluationSnapshot, results: Results) -> None:
    """A sentence for each two models; what a judge says only beside how far it can be believed."""
    known = (v for v in results.verdicts if v.outcome != "nothing" or not snapshot.is_running)
    verdicts = sorted(known, key=lambda v: (v.source != results.sources[0], v.p))
    if not verdicts:
        return
    if results.trust is not None and any(verdict.basis == "judge" for verdict in verdicts):
        st.html(f'<p class="mlc-trust">{escape(trust_sentence(results.trust, snapshot.spec, current_language()))}</p>')
    st.html("".join(_verdict(snapshot, results, verdict) for verdict in verdicts[:SHOWN_VERDICTS]))
    if rest := verdicts[SHOWN_VERDICTS:]:
        with st.expander(tn("measure.more_verdicts", len(rest))):
            st.html("".join(_verdict(snapshot, results, verdict) for verdict in rest))


def _verdict(snapshot: EvaluationSnapshot, results: Results, verdict: PairVerdict) -> str:
    language = current_language()
    tone = STATE_TONES["done" if verdict.outcome in ("better", "worse") else "queued"]
    prefix = f"{source_name(words_of(language), verdict.source)}: " if len(results.sources) > 1 else ""
    so_far = f" {t('measure.so_far')}" if snapshot.is_running else ""
    sentence = escape(f"{prefix}{verdict_sentence(verdict, snapshot.spec, language)}{so_far}")
    return f'<p class="mlc-verdict" style="--tone:{tone.css}" data-outcome="{verdict.outcome}">{sentence}</p>'


def draw_remarks(snapshot: EvaluationSnapshot) -> None:
    """What a reader must know of the numbers; see :func:`remark_lines`."""
    if lines := remark_lines(snapshot, current_language()):
        st.html("".join(f'<p class="mlc-trust">{escape(line)}</p>' for line in lines))


def draw_numbers(snapshot: EvaluationSnapshot, results: Results) -> None:
    """A row for each model in each source."""
    costs = {cost.subject: cost for cost in results.costs}
    several = len(results.sources) > 1
    head = [
        t("measure.model"),
        *([t("measure.source")] if several else []),
        t("measure.score"),
        "",
        t("measure.scored"),
        t("measure.speed"),
        t("measure.memory"),
        t("measure.load"),
        *([words_of(current_language())("cost")] if _has_cost(results) else []),
    ]
    rows = [_row(snapshot, results, found, costs[found.subject], several=several) for found in results.subjects]
    st.html(table(head, rows))


def _has_cost(results: Results) -> bool:
    return any(cost.cost_usd for cost in results.costs)


def _row(
    snapshot: EvaluationSnapshot, results: Results, found: SubjectResult, cost: SubjectCost, *, several: bool
) -> list[str]:
    subject = snapshot.spec.subject(found.subject)
    tone = tone_of(subject.target)
    # As long as some have no figures the best of the others is not known to be good.
    is_whole = not snapshot.is_running and len(results.costs) > 1
    front = is_whole and found.subject in results.front
    chip = note_chip(t("measure.front"), t("measure.front_why"), STATE_TONES["done"]) if front else ""
    scored = say.count(found.interval.n if found.interval else 0)
    if found.failed:
        scored += f" · {tn('measure.failed_n', found.failed)}"
    return [
        f"{model_label(subject.name, tone)} {chip}",
        *([escape(source_name(words_of(current_language()), found.source))] if several else []),
        f"<b>{mean_words(found.interval)}</b>",
        _whisker(found, tone),
        escape(scored),
        _speed(cost),
        escape(say.size(cost.memory_bytes)),
        escape(say.seconds(cost.load_s)),
        *([escape(cost_words(cost.cost_usd))] if _has_cost(results) else []),
    ]


def _speed(cost: SubjectCost) -> str:
    if cost.tokens_per_s is None:
        return NOTHING
    speed = escape(f"{say.speed(cost.tokens_per_s)} {t('figure.speed_unit')}")
    why, interval = tn("measure.speed_why", cost.asked_alone), ""
    if cost.speed_low is not None and cost.speed_high is not None:
        low, high = say.speed(cost.speed_low), say.speed(cost.speed_high)
        why, interval = f"{why}. {t('measure.speed_interval_why')}", escape(f"{low}–{high}")
    return f'<span title="{escape(why)}">{speed}</span> <span class="mlc-muted">{interval}</span>'


def _whisker(found: SubjectResult, tone: Tone) -> str:
    """The interval as a line between 0 and 100%, with the mean as a point."""
    known = found.interval
    if known is None:
        return ""
    low, mean, high = (f"{100 * value:.1f}%" for value in (known.low, known.mean, known.high))
    why = t("measure.interval_why", interval=interval_words(known))
    return (
        f'<div class="mlc-whisker" title="{escape(why)}" style="--tone:{tone.css}">'
        f'<i style="left:{low};width:calc({high} - {low})"></i><b style="left:{mean}"></b></div>'
        f'<span class="mlc-muted">{escape(interval_words(known))}</span>'
    )
