from __future__ import annotations

import pytest

from multi_llm_comparator.jobs.events import JobNote
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.jobs.spec import JobSpec
from multi_llm_comparator.ui.tune.figures import status
from multi_llm_comparator.ui.tune.pieces import MAX_TOKENS_SHOWN, histogram_html, named_briefly, tokens_html


@pytest.mark.parametrize(
    ("text", "brief"),
    [
        (
            "3 left out: it is empty ('/home/me/my data/rows.jsonl', line 3)",
            "3 left out: it is empty ('rows.jsonl', line 3)",
        ),
        ("'/home/me/uploads/0123456789abcdef-sums.csv', row 2", "'sums.csv', row 2"),
        (f"'/home/me/datasets/org--sums/{'c' * 40}' has chats", "'org/sums' has chats"),
        ('cannot read "/home/o\'neil/rows.jsonl": gone', "cannot read 'rows.jsonl': gone"),
        ("'data/train.jsonl', line 3", "'data/train.jsonl', line 3"),
        ("the mark '</s>', the placeholder '/no_think'", "the mark '</s>', the placeholder '/no_think'"),
    ],
)
def test_files_of_this_machine_are_called_by_their_names(text: str, brief: str) -> None:
    assert named_briefly(text) == brief


def test_a_note_of_a_job_has_the_whole_place_of_its_file_in_its_explanation_only() -> None:
    note = "3 left out: it is empty ('/home/me/rows.jsonl', line 3)"
    spec = JobSpec(kind="tuning", title="A job", options={})
    job = JobSnapshot(
        id="one",
        version=1,
        spec=spec,
        title="A job",
        state="done",
        created=0.0,
        notes=[JobNote(level="warning", text=note)],
    )
    html = status(job)
    assert "(&#x27;rows.jsonl&#x27;, line 3)</span>" in html and html.count("/home/me") == 1


def test_learnt_tokens_stand_out_and_text_of_others_stays_text() -> None:
    html = tokens_html([("<s>", False), ("\n", False), ("Yes", True)])
    assert '<span class="mlc-learnt">Yes</span>' in html
    assert "<s>" not in html and "↵" in html


def test_a_long_row_is_cut_and_says_how_much_is_missing() -> None:
    html = tokens_html([("x", True)] * (MAX_TOKENS_SHOWN + 25))
    assert html.count("mlc-learnt") == MAX_TOKENS_SHOWN + 1 and "+25" in html


def test_bars_beyond_the_limit_are_marked() -> None:
    html = histogram_html([(1, 8, 3), (9, 16, 6), (17, 32, 1)], limit=16)
    assert html.count("mlc-over") == 1 and "height:100.0%" in html and "height:50.0%" in html
