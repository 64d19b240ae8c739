"""Write docs/reports/smollm2-135m.md: what quantising a small model costs, measured as anybody can.

    python docs/make_quantization_report.py --data DATA              DATA: a folder with mmlu, ceval and gsm8k, as their
                                                                     authors publish them
    python docs/make_quantization_report.py --found FILE --found FILE     from the JSON of evaluations that ran before

Asks SmolLM2-135M-Instruct as a PyTorch checkpoint and three GGUF files of it, by two ``llm-cooperation evaluate``
(interrupted, each goes on with ``--resume RUN``). Speeds are left out: they depend on what else runs on the machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.markdown_text import one_line, table

REPORTS = Path(__file__).with_name("reports")
PAGE, PICTURE, PROMPTS = REPORTS / "smollm2-135m.md", REPORTS / "smollm2-135m.svg", REPORTS / "hundred-prompts.csv"
# By their names in the folder of models (MLC_MODELS_DIR).
REFERENCE = "SmolLM2-135M-Instruct"
MODELS = (REFERENCE, *(f"{REFERENCE}.{kind}" for kind in ("Q8_0", "Q4_1", "Q4_0")))
# Of each the first twenty questions: two hundred.
SUBJECTS = (
    "abstract_algebra",
    "anatomy",
    "astronomy",
    "college_chemistry",
    "college_computer_science",
    "computer_security",
    "elementary_mathematics",
    "global_facts",
    "high_school_mathematics",
    "jurisprudence",
)
# Those of C-Eval whose examples fit into the model's context.
CHINESE_SUBJECTS = (
    "business_administration",
    "electrical_engineer",
    "high_school_chemistry",
    "marxism",
    "middle_school_geography",
)
LIMIT, MAX_TOKENS, SHOWN = 20, 48, 12
SOURCES = {"prompts": "own prompts", "mmlu": "MMLU", "ceval-valid": "C-Eval", "gsm8k": "GSM8K"}
COLOURS = ("#4a7de8", "#136a57", "#a08f2b", "#b3540c")


def commands(data: str, outputs: Sequence[str]) -> list[list[str]]:
    """The two commands that measure everything: own prompts and MMLU, then C-Eval and GSM8K."""
    models = [part for model in MODELS for part in ("--model", model)]
    title = "SmolLM2-135M-Instruct, quantised"
    own = [
        *("evaluate", "--title", title, "--set", str(PROMPTS.relative_to(Path.cwd()))),
        *("--task", "mmlu", "--data", data, "--subjects", ",".join(SUBJECTS), "--limit", str(LIMIT)),
        *models,
        *("--reference", REFERENCE, "--max-tokens", str(MAX_TOKENS), "--output", outputs[0]),
    ]
    subjects = ",".join(f"ceval/{subject}" for subject in CHINESE_SUBJECTS)
    others = [
        *("evaluate", "--title", f"{title}: C-Eval and GSM8K"),
        *("--task", "ceval,gsm8k", "--data", data, "--subjects", subjects, "--limit", str(LIMIT)),
        *models,
        *("--output", outputs[1]),
    ]
    return [own, others]


def measured(data: str) -> list[dict[str, Any]]:
    """Run them; takes some minutes for each model."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = [f"{folder}/own.json", f"{folder}/others.json"]
        for words in commands(data, outputs):
            subprocess.run([sys.executable, "-m", "multi_llm_comparator.cli", *words], check=True)
        return [json.loads(Path(output).read_text(encoding="utf-8")) for output in outputs]


def report(founds: Sequence[Mapping[str, Any]]) -> str:
    own = founds[0]
    names = {subject["id"]: subject["label"] for subject in own["spec"]["subjects"]}
    counts = Counter(item["source"] for found in founds for item in found["items"])
    assert set(counts) <= set(SOURCES), counts
    lines = [
        "# What quantising SmolLM2-135M-Instruct costs",
        "",
        "Four forms of one model of 135 million parameters: the checkpoint (bfloat16) and GGUF files of type Q8_0, "
        "Q4_1 and Q4_0. All are made from the Q4_1 file: its distance from the checkpoint is that of two programs, and",
        "the others' is what quantising once more costs. Asked were",
        f"[{len(own['spec']['prompts']['rows'])} prompts](hundred-prompts.csv) of ten kinds, answered greedily, and "
        f"{_asked(counts)}: choices scored by their",
        "probabilities, sums of GSM8K by what was written behind `####`. Written by "
        "`docs/make_quantization_report.py`, which runs",
        "",
        "```text",
        *(_as_typed(words) for words in commands("DATA", ["own.json", "others.json"])[: len(founds)]),
        "```",
        "",
        "## Verdict",
        "",
        *(f"- {one_line(sentence)}" for found in founds for sentence in found["sentences"]),
        "",
        f"![Scores with their 95% intervals]({PICTURE.name})",
        "",
        "## Results",
        "",
        *table(*_results(founds, names)),
        "",
        "Speeds are not told: the machine had other work. Memory is what the model's process held.",
        "",
        "## By kind of prompt",
        "",
        *table(*_by_tag(own, names)),
        "",
        f"## Where they disagree ({sum(len(_disagreements(one)) for one in founds)} of {counts.total()})",
        "",
        f"The first {SHOWN} of the own prompts; + right, - wrong.",
        "",
        *table(*_examples(own, names)),
        "",
    ]
    return "\n".join(lines)


def _asked(counts: Mapping[str, int]) -> str:
    told = [f"{n} questions of {SOURCES[source]}" for source, n in counts.items() if source != "prompts"]
    return f"{', '.join(told[:-1])} and {told[-1]}, all five-shot" if len(told) > 1 else f"{told[0]}, five-shot"


def _as_typed(words: Sequence[str]) -> str:
    return f"llm-cooperation {' '.join(map(_shown, words))}"


def _shown(part: str) -> str:
    return f'"{part}"' if " " in part else part


def _results(founds: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> tuple[list[str], list[list[str]]]:
    costs = {cost["subject"]: cost for cost in founds[0]["results"]["costs"]}
    apart = {one["subject"]: one for one in founds[0]["divergences"]}
    rows = []
    for one in (one for found in founds for one in found["results"]["subjects"]):
        known, far = one["interval"], apart.get(one["subject"])
        is_own = one["source"] == "prompts"
        rows.append(
            [
                names[one["subject"]],
                SOURCES[one["source"]],
                f"{known['mean']:.1%}",
                f"{100 * known['low']:.1f}–{100 * known['high']:.1f}%",
                f"{one['right']} of {known['n']}",
                f"{far['mean_kl']:.4f}" if far and is_own else "",
                f"{far['top1_agreement']:.1%}" if far and is_own else "",
                f"{(costs[one['subject']]['memory_bytes'] or 0) / 2**20:,.0f} MiB" if is_own else "",
            ]
        )
    return [
        "Model",
        "Asked",
        "Score",
        "95% interval",
        "Right",
        "KL, nats a token",
        "Same likeliest token",
        "Memory",
    ], rows


def _values(found: Mapping[str, Any]) -> dict[int, dict[str, float]]:
    values: dict[int, dict[str, float]] = defaultdict(dict)
    for answer in found["answers"]:
        if answer["value"] is not None:
            values[answer["item"]][answer["subject"]] = answer["value"]
    return values


def _by_tag(found: Mapping[str, Any], names: Mapping[str, str]) -> tuple[list[str], list[list[str]]]:
    right, asked = Counter[tuple[str, str]](), Counter[str]()
    for number, by_subject in _values(found).items():
        item = found["items"][number]
        for tag in item["tags"] if item["source"] == "prompts" else ():
            asked[tag] += 1
            for subject, value in by_subject.items():
                right[tag, subject] += value == 1
    rows = [[tag, str(count), *(str(right[tag, subject]) for subject in names)] for tag, count in asked.items()]
    return ["Kind", "Prompts", *names.values()], rows


def _disagreements(found: Mapping[str, Any]) -> list[int]:
    return sorted(number for number, values in _values(found).items() if len(set(values.values())) > 1)


def _examples(found: Mapping[str, Any], names: Mapping[str, str]) -> tuple[list[str], list[list[str]]]:
    values, rows = _values(found), []
    for number in _disagreements(found):
        item = found["items"][number]
        if item["source"] == "prompts" and len(rows) < SHOWN:
            marks = ("+" if values[number].get(subject) == 1 else "-" for subject in names)
            rows.append([item["title"], item["target"], *marks])
    return ["Prompt", "Expected", *names.values()], rows


def picture(founds: Sequence[Mapping[str, Any]]) -> str:
    """Scores and intervals as SVG: a line for each model in each source."""
    subjects = founds[0]["spec"]["subjects"]
    order = [subject["id"] for subject in subjects]
    names = {subject["id"]: subject["label"] for subject in subjects}
    rows = [one for found in founds for one in found["results"]["subjects"] if one["interval"]]
    height = 40 + 26 * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 {height}" font-family="system-ui, sans-serif" '
        f'font-size="13"><rect width="860" height="{height}" fill="#fff"/>'
    ]
    for tick in range(0, 101, 20):
        x = 380 + 4.4 * tick
        parts.append(f'<line x1="{x}" x2="{x}" y1="10" y2="{height - 26}" stroke="#d8dce2"/>')
        parts.append(f'<text x="{x}" y="{height - 8}" text-anchor="middle" fill="#59636e">{tick}%</text>')
    for number, one in enumerate(rows):
        y, known, tone = 24 + 26 * number, one["interval"], COLOURS[order.index(one["subject"]) % len(COLOURS)]
        low, mean, high = (380 + 440 * known[name] for name in ("low", "mean", "high"))
        label = escape(f"{names[one['subject']]} · {SOURCES[one['source']]}")
        parts.append(f'<text x="370" y="{y + 4}" text-anchor="end" fill="#1b1f24">{label}</text>')
        parts.append(f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" stroke="{tone}" stroke-width="2"/>')
        parts.append(f'<circle cx="{mean:.1f}" cy="{y}" r="5" fill="{tone}"/>')
    return "".join([*parts, "</svg>\n"])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with mmlu, ceval and gsm8k")
    parser.add_argument("--found", type=Path, action="append", help="JSON that an evaluation was written to, in order")
    chosen = parser.parse_args(arguments)
    if not (chosen.data or chosen.found):
        parser.error("give --data or --found")
    read = [json.loads(path.read_text(encoding="utf-8")) for path in chosen.found or ()]
    founds = read or measured(chosen.data)
    PICTURE.write_text(picture(founds), encoding="utf-8")
    PAGE.write_text(report(founds), encoding="utf-8")
    print(f"written: {PAGE}, {PICTURE}")


if __name__ == "__main__":
    main()
