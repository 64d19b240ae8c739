"""Figures: kept across runs on one machine, and put into documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.report import ReportError, fill
from benchmarks.results import Figure, load, number, ratio_figure, save, save_table

ONE = Figure(id="a", name="one pane", value=0.97, wanted=0.95, sense="at least", ours=97.0, peer=100.0, unit="tokens/s")
TWO = Figure(id="f", name="to the first token", value=12.5, wanted=10.0, sense="at most", value_unit="s")


def test_a_ratio_is_the_median_of_the_rounds(tmp_path: Path) -> None:
    figure = ratio_figure("a", "x", [(90, 100), (10, 10), (30, 20)], unit="tokens/s", wanted=0.95)
    assert (figure.value, figure.ours, figure.peer, figure.met) == (1.0, 30, 20, True)
    faster = ratio_figure("b", "x", [(2.0, 5.0)], unit="s", wanted=3.0, invert=True)
    assert (faster.value, faster.met) == (2.5, False)


def test_a_file_holds_one_run(tmp_path: Path) -> None:
    save("streaming", [ONE, TWO], tmp_path)
    path = save("streaming", [ONE], tmp_path)
    assert [figure.id for figure in load(path)[1]] == ["a"]


def test_a_marked_block_is_filled_and_filling_again_changes_nothing(tmp_path: Path) -> None:
    save("streaming", [ONE, TWO], tmp_path)
    text = "before\n<!-- figures: streaming -->\nold\n<!-- /figures -->\nafter\n"
    filled = fill(text, tmp_path)
    assert "old" not in filled
    assert "| a | one pane | 97 tokens/s | 100 tokens/s | 0.97 x | at least 0.95 x | yes |" in filled
    assert "| f | to the first token |  |  | 12.5 s | at most 10 s | no |" in filled
    assert filled.startswith("before\n")
    assert filled.endswith("<!-- /figures -->\nafter\n")
    assert fill(filled, tmp_path) == filled


def test_a_table_is_shown_with_its_note_and_without_its_details(tmp_path: Path) -> None:
    save_table(
        "composed", [["", "right"], ["one alone", "3%"]], "Of 300 questions.", {"by family": {"chain": 7}}, tmp_path
    )
    filled = fill("<!-- figures: composed -->\n<!-- /figures -->\n", tmp_path)
    assert "|  | right |\n| --- | --- |\n| one alone | 3% |\n\nOf 300 questions. Measured 20" in filled
    assert "chain" not in filled


def test_a_block_without_an_end_is_an_error(tmp_path: Path) -> None:
    save("streaming", [ONE], tmp_path)
    with pytest.raises(ReportError):
        fill("<!-- figures: streaming -->\nno end", tmp_path)


def test_figures_that_were_not_measured_yet_are_named_and_the_others_filled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save("streaming", [ONE], tmp_path)
    missing = "<!-- figures: other -->\n<!-- /figures -->\n"
    (tmp_path / "README.md").write_text(f"{missing}<!-- figures: streaming -->\n<!-- /figures -->\n")
    assert report.main(tmp_path, tmp_path) == 1
    assert "no figures named 'other'" in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text().startswith(missing)
    assert "one pane" in (tmp_path / "README.md").read_text()


def test_readme_and_docs_are_filled(tmp_path: Path) -> None:
    save("streaming", [ONE], tmp_path)
    block = "<!-- figures: streaming -->\n<!-- /figures -->\n"
    (tmp_path / "docs").mkdir()
    for name in ("README.md", "docs/speed.md"):
        (tmp_path / name).write_text(block)
    assert report.main(tmp_path, tmp_path) == 0
    assert all("one pane" in (tmp_path / name).read_text() for name in ("README.md", "docs/speed.md"))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.9731, "0.973"), (1.8, "1.8"), (12.34, "12.3"), (1234.5, "1,234"), (10.0, "10"), (100.0, "100")],
)
def test_numbers_are_rounded_to_what_they_mean(value: float, text: str) -> None:
    assert number(value) == text


def test_a_sentence_quotes_one_value(tmp_path: Path) -> None:
    save("streaming", [ONE, TWO], tmp_path)
    save_table("composed", [["right"], ["3%"]], "", {"headlines": {"gain": "from 1% to 93%"}}, tmp_path)
    text = "It is <!-- figure: streaming a -->?<!-- /figure -->, <!-- figure: composed gain -->?<!-- /figure -->."
    filled = fill(text, tmp_path)
    assert "-->0.97 x<!--" in filled
    assert "-->from 1% to 93%<!--" in filled
    assert fill(filled, tmp_path) == filled


@pytest.mark.parametrize("text", ["<!-- figure: streaming z -->?<!-- /figure -->", "<!-- figure: streaming a --> open"])
def test_a_sentence_that_quotes_what_is_not_there_is_an_error(tmp_path: Path, text: str) -> None:
    save("streaming", [ONE], tmp_path)
    with pytest.raises(ReportError):
        fill(text, tmp_path)
