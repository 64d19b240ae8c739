from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.training.chat_rows import rows_of
from multi_llm_comparator.training.data.chats import Chat, PreferencePair
from multi_llm_comparator.training.data.cleaner import REPORT_FILE, RULES, clean
from multi_llm_comparator.training.data.dataset import open_dataset
from multi_llm_comparator.training.data.example_file import ExampleFile
from multi_llm_comparator.training.data.left_out import LeftOut
from multi_llm_comparator.training.data.prepare import prepare
from multi_llm_comparator.training.data.report import CleanReport
from multi_llm_comparator.training.data.spec import DataSpec
from multi_llm_comparator.training.data.tokens import ModelTokens
from tests.support.material import OWN, real

DEMO = Path(__file__).parents[3] / "models" / "pytorch" / "demo-small"
LONG = [" ".join(f"word{n * n * step % 997}" for n in range(60)) for step in (3, 5, 7)]
GOOD = [{"prompt": f"question number {n}?", "completion": f"answer {n}"} for n in range(20)]


def written(folder: Path, *rows: object, name: str = "data.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def cleaned(folder: Path, *rows: object, tokens: ModelTokens | None = None, **spec: Any) -> CleanReport:
    path = written(folder, *rows)
    return prepare(DataSpec(source=str(path), **spec), folder / "work", tokens=tokens)


BAD = {
    "invalid": {"foo": 1},
    "beyond_text": {"prompt": "look", "completion": "a cat", "images": ["cat.png"]},
    "empty": {"prompt": "hi", "completion": " "},
    "encoding": {"prompt": "hÃ©llo", "completion": "hi"},
    "leftovers": {"prompt": "who are you?", "completion": "I am {{name}}"},
    "refusal": {"prompt": "do it", "completion": "I'm sorry, but I cannot help with that."},
    "exact_duplicate": {"prompt": "Question  number 3?", "completion": "ANSWER 3"},
}


@pytest.mark.parametrize("rule", BAD)
def test_each_rule_counts_shows_and_leaves_out(tmp_path: Path, rule: Any) -> None:
    report = cleaned(tmp_path, *GOOD, BAD[rule], cleaning={"refusals": True})
    assert {r: c.left_out for r, c in report.counts.items() if c.found} == {rule: 1}
    (example,) = report.counts[rule].examples
    assert example.number == 21
    assert "line 21" in example.where
    assert example.why
    assert (report.read, len(report.kept), report.left_out) == (21, 20, 1)
    assert len(report.train) + len(report.validation) == 20


@pytest.mark.parametrize(
    ("rule", "switch"),
    [
        ("encoding", "encoding"),
        ("leftovers", "leftovers"),
        ("refusal", "refusals"),
        ("exact_duplicate", "exact_duplicates"),
    ],
)
def test_a_rule_that_is_off_counts_and_keeps(tmp_path: Path, rule: Any, switch: str) -> None:
    report = cleaned(tmp_path, *GOOD, BAD[rule], cleaning={switch: False, "near_duplicates": False})
    count = report.counts[rule]
    assert (count.found, count.left_out, count.is_on) == (1, 0, False)
    assert len(report.kept) == 21


def test_near_duplicates_go_and_without_the_switch_stay_on_one_side(tmp_path: Path) -> None:
    rows = [{"prompt": f"Tell me about {n}", "completion": text} for n, text in enumerate(LONG)]
    near = [*rows, {**rows[0], "completion": f"{LONG[0]} indeed"}]
    report = cleaned(tmp_path, *near, *GOOD, cleaning={"near_threshold": 0.9}, split={"share": 0.3})
    assert (report.counts["near_duplicate"].left_out, report.counts["near_duplicate"].examples[0].number) == (1, 4)
    kept = cleaned(tmp_path, *near, *GOOD, cleaning={"near_duplicates": False}, split={"share": 0.3})
    assert (kept.counts["near_duplicate"].found, kept.counts["near_duplicate"].left_out) == (1, 0)
    for seed in range(5):
        split = cleaned(tmp_path, *near, *GOOD, cleaning={"near_duplicates": False}, split={"share": 0.3, "seed": seed})
        sides = [any(e.number in (1, 4) for e in side) for side in (split.train, split.validation)]
        assert sum(sides) == 1


def test_the_same_question_and_a_named_group_stay_on_one_side(tmp_path: Path) -> None:
    rows = [{"prompt": "What is best?", "completion": f"answer {n} is this"} for n in range(3)]
    grouped = [{"prompt": f"ask {n}", "completion": f"say {n * 17}", "book": f"book {n % 4}"} for n in range(24)]
    for seed in range(4):
        report = cleaned(tmp_path, *rows, *grouped, split={"share": 0.4, "seed": seed, "group_by": "book"})
        train, aside = ({e.group or e.question for e in side} for side in (report.train, report.validation))
        assert train.isdisjoint(aside)
        assert aside


def test_rows_that_are_in_the_own_validation_file_are_not_learnt(tmp_path: Path) -> None:
    own = written(tmp_path, {"prompt": "Question number 5", "completion": "answer 5"}, name="own.jsonl")
    report = cleaned(tmp_path, *GOOD, split={"path": str(own)})
    assert report.counts["in_validation"].left_out == 1
    assert (len(report.train), len(report.validation)) == (19, 1)


def test_placeholders_are_filled_before_the_rules_look(tmp_path: Path) -> None:
    report = cleaned(tmp_path, BAD["leftovers"], *GOOD, cleaning={"placeholders": {"name": "Ada"}}, split={"share": 0})
    assert report.counts["leftovers"].found == 0
    first = next(iter(report.train))
    assert isinstance(first, Chat)
    assert first.messages[-1].content == "I am Ada"


def test_pairs_are_cleaned_as_chats_are(tmp_path: Path) -> None:
    pairs = [{"prompt": f"ask {n}", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(4)]
    report = cleaned(tmp_path, *pairs, pairs[0], {"prompt": "a", "chosen": "b"}, tokens=ModelTokens(DEMO, 256))
    assert all(isinstance(pair, PreferencePair) for pair in report.kept)
    assert (report.counts["exact_duplicate"].left_out, report.counts["invalid"].left_out) == (1, 1)
    assert report.statistics is not None
    assert report.statistics.rows == 2 * len(report.train)


def test_what_is_too_long_is_left_out_and_shorter_answers_of_the_chat_stay(tmp_path: Path) -> None:
    turns = [("user", "What is 2 + 3?"), ("assistant", "5"), ("user", "And more?"), ("assistant", "1 " * 200)]
    chat = {"messages": [{"role": role, "content": text} for role, text in turns]}
    alone = {"prompt": "What is 1 + 1?", "completion": "2 " * 200}
    tokens = ModelTokens(DEMO, 64)
    report = cleaned(tmp_path, chat, alone, {"prompt": "What is 1 + 2?", "completion": "3"}, tokens=tokens,
                     split={"share": 0})  # fmt: skip
    count = report.counts["too_long"]
    assert (count.found, count.left_out, report.shortened) == (2, 1, 1)
    assert "64 tokens" in count.examples[0].why
    kept = [example for example in report.train if isinstance(example, Chat)]
    assert [chat.learnt for chat in kept] == [(1,), (1,)]
    statistics = report.statistics
    assert statistics is not None
    rows = rows_of(kept, tokens._tokenizer, frozenset(), 64, LeftOut())
    lengths = [len(row.input_ids) for row in rows]
    assert (statistics.rows, statistics.tokens, statistics.longest) == (2, sum(lengths), max(lengths))
    assert statistics.learnt_tokens == sum(row.learnt_tokens for row in rows)
    assert sum(count for _, count in statistics.lengths) == 2


def test_what_the_template_refuses_is_invalid_not_too_long(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(DEMO, model, ignore=shutil.ignore_patterns("*.safetensors"))
    refuse = "{% if messages|length > 1 %}{{ raise_exception('one message only') }}{% endif %}{{ messages[0].content }}"
    (model / "chat_template.jinja").write_text(refuse)
    row = {"instruction": "What is 1 + 1?", "output": "2", "history": [["hi", "hello"]]}
    report = cleaned(tmp_path, row, *GOOD, tokens=ModelTokens(model, 256))
    assert report.counts["too_long"].found == 0
    assert "one message only" in report.counts["invalid"].examples[0].why
    assert report.shortened == 1


def test_questions_of_an_evaluation_set_are_warned_of_or_left_out(tmp_path: Path) -> None:
    asked = {"question": "How many ducks does Janet have if she sells all of her eggs at the market every day?"}
    evaluation = written(
        tmp_path, asked, {"question": "Something else entirely, never asked before?"}, name="test.jsonl"
    )
    rows = [*GOOD, {"prompt": asked["question"], "completion": "None."}]
    report = cleaned(tmp_path, *rows, contamination=[str(evaluation)])
    assert report.contamination is not None
    (found,) = report.contamination.sets
    assert (found.name, found.texts, found.exact, found.share, report.contamination.rows) == (
        "test.jsonl",
        2,
        1,
        0.5,
        1,
    )
    assert found.examples[0].trained
    assert (report.counts["contaminated"].found, len(report.kept)) == (1, 21)
    without = cleaned(tmp_path, *rows, contamination=[str(evaluation)], cleaning={"contaminated": True})
    assert (without.counts["contaminated"].left_out, len(without.kept)) == (1, 20)


def test_the_report_is_a_file_and_the_rest_is_tidied_up(tmp_path: Path) -> None:
    report = cleaned(tmp_path, *GOOD, *BAD.values())
    told = json.loads((tmp_path / "work" / REPORT_FILE).read_text(encoding="utf-8"))
    assert told == json.loads(json.dumps(report.to_dict()))
    assert list(told["rules"]) == list(RULES)
    assert {path.name for path in (tmp_path / "work").iterdir()} == {REPORT_FILE, "kept.jsonl"}


def test_the_same_rows_have_the_same_hash_wherever_they_lie(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one, same, other = cleaned(tmp_path, *GOOD), cleaned(tmp_path / "other", *GOOD), cleaned(tmp_path, *GOOD[1:])
    assert one.lineage == same.lineage
    assert one.lineage["kept_sha256"] != other.lineage["kept_sha256"]


def test_stopped_it_reports_what_it_has(tmp_path: Path) -> None:
    path = written(tmp_path, *({"prompt": f"ask {n}", "completion": f"answer {n}"} for n in range(1000)))
    calls: list[tuple[str, int]] = []
    report = clean(
        open_dataset(DataSpec(source=str(path))),
        tmp_path / "work",
        progress=lambda phase, rows, total: calls.append((phase, rows)),
        is_stopped=lambda: ("reading", 600) in calls,
    )
    assert not report.is_complete
    assert report.read == 600
    assert calls[0] == ("reading", 0)


@pytest.mark.parametrize("rows", [[], [{"foo": "bar"}], [{"prompt": "hi", "completion": ""}]])
def test_nothing_to_learn_is_an_error_that_says_why(tmp_path: Path, rows: list[Any]) -> None:
    with pytest.raises(DocumentError, match=r"say which columns|nothing to learn"):
        cleaned(tmp_path, *rows)


def test_a_changed_file_of_kept_rows_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "kept.jsonl").write_text("{}\n")
    with pytest.raises(DocumentError, match="clean the data again"):
        list(ExampleFile(tmp_path / "kept.jsonl", 1))


MATERIAL = [
    *((path, {"exact_duplicate": 14, "near_duplicate": 0}, 985) for path in real("instruction", "alpaca_en_demo.json")),
    *((path, {"exact_duplicate": 8, "near_duplicate": 0}, 992) for path in real("instruction", "alpaca_zh_demo.json")),
    *((path, {"leftovers": 85}, 6) for path in real("instruction", "identity.json")),
    *((path, {"leftovers": 50, "exact_duplicate": 1}, 449) for path in real("instruction", "v1_sft_demo.jsonl")),
]


@pytest.mark.parametrize(("path", "left_out", "kept"), MATERIAL, ids=lambda value: getattr(value, "name", ""))
def test_published_data_is_cleaned(tmp_path: Path, path: Path, left_out: dict[Any, int], kept: int) -> None:
    report = prepare(DataSpec(source=str(path)), tmp_path)
    assert {rule: report.counts[rule].left_out for rule in left_out} == left_out
    assert len(report.kept) == kept


def test_own_instructions_are_cleaned(tmp_path: Path) -> None:
    report = prepare(DataSpec(source=str(OWN / "instructions.json")), tmp_path)
    assert len(report.kept) + report.left_out == report.read == 7
