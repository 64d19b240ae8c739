"""Where a tuned model comes from: base, data, options, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.html_pieces import facts, table
from multi_llm_comparator.ui.kit.i18n import current_language, t, texts, tm
from multi_llm_comparator.ui.kit.mlflow_button import draw_mlflow
from multi_llm_comparator.ui.tune.again import options_of
from multi_llm_comparator.ui.tune.beside import option_name, value_text
from multi_llm_comparator.ui.tune.options import FIELDS, choice_name
from multi_llm_comparator.ui.tune.sources import called

LINEAGE_FILE = "tuning.json"
MAX_LINEAGE_BYTES = 4 * 2**20
MAX_RULES, MAX_ARTEFACTS = 20, 40


def draw_lineage(job: JobSnapshot) -> None:
    """Base and data with their hashes, what was left out, all options, and the files that came out."""
    known = lineage_of(job)
    st.html(facts(_origin(job, known)))
    if (found := known.get("contamination")) and isinstance(found, dict):
        _draw_contamination(found)
    if rules := left_out(known):
        st.html(f'<div class="mlc-label">{escape(t("tune.left_out"))}</div>{_rules_table(rules)}')
    if (options := options_of(job)) is not None:
        pairs = [(option_name(name), _chosen(name, getattr(options, name))) for name in FIELDS]
        st.html(f'<div class="mlc-label">{escape(t("tune.options"))}</div>{facts(pairs)}')
        draw_mlflow(options.mlflow_uri or "", f"tune_{job.id}")
    if job.artefacts:
        rows = [[escape(a.kind), escape(a.path)] for a in list(job.artefacts)[:MAX_ARTEFACTS]]
        st.html(table([t("tune.artefact_kind"), t("tune.artefact_path")], rows, words=(1,)))


def lineage_of(job: JobSnapshot) -> Mapping[str, Any]:
    """What the job wrote beside its adapter; what it has told so far, before there is one."""
    for artefact in reversed(list(job.artefacts)):
        path = Path(artefact.path) / LINEAGE_FILE
        try:
            found = load_json(path, MAX_LINEAGE_BYTES)
        except (OSError, ValueError):
            continue
        if isinstance(found, dict):
            return found
    return dict(job.result or {})


def _origin(job: JobSnapshot, known: Mapping[str, Any]) -> list[tuple[str, str]]:
    options = job.spec.options
    data = options.get("data")
    source = data.get("source") if isinstance(data, dict) else None
    pairs = [(t("tune.block_base"), _named(options.get("model_path")))]
    pairs += [(t("tune.block_data"), _named(source))]
    for name in ("model", "data"):
        if isinstance(value := known.get(name), str):
            pairs.append((t(f"tune.hash_{name}"), value))
    result = known.get("result")
    start = (result if isinstance(result, dict) else known).get("start")
    for name in ("answers", "learnt_tokens", "kept_aside"):
        if isinstance(start, dict) and isinstance(value := start.get(name), int):
            pairs.append((t(f"tune.start_{name}"), say.count(value)))
    return pairs


def _chosen(name: str, value: Any) -> str:
    if FIELDS[name].kind == "choice":
        return choice_name(name, value)
    return t("tune.option_auto") if value == "auto" else value_text(value)


def _draw_contamination(found: Mapping[str, Any]) -> None:
    """The warning from before the start stays with the result."""
    sets = found.get("sets")
    for one in sets[:MAX_RULES] if isinstance(sets, list) else ():
        share = one.get("share") if isinstance(one, dict) else None
        if isinstance(share, int | float) and share > 0:
            st.warning(tm("tune.contaminated", name=one.get("name"), share=f"{share:.1%}"), icon=":material/warning:")


def _named(path: object) -> str:
    """A path with its name in front, which is what people look for."""
    text = str(path or "")
    name = called(text)
    return f"{name} ({text})" if name and name != text else text or say.NOTHING


def left_out(known: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """What cleaning found: the rule, how many rows, and how many of them were left out."""
    rules = known.get("left_out")
    found = []
    for rule, count in list(rules.items())[:MAX_RULES] if isinstance(rules, dict) else ():
        both = [count.get(name) if isinstance(count, dict) else None for name in ("found", "left_out")]
        if isinstance(both[0], int) and isinstance(both[1], int):
            found.append((str(rule), both[0], both[1]))
    return found


def _rules_table(rules: Sequence[tuple[str, int, int]]) -> str:
    rows = [[escape(rule_name(rule)), say.count(seen), say.count(out)] for rule, seen, out in rules]
    return table([t("tune.column_rule"), t("tune.column_found"), t("tune.column_left_out")], rows)


def rule_name(rule: str) -> str:
    """What a cleaning rule is called; one of a newer version by its own name."""
    key = f"tune.rule_{rule}"
    return t(key) if key in texts(current_language()) else rule
