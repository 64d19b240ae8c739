from __future__ import annotations

from multi_llm_comparator.ui.tune.pieces import MAX_TOKENS_SHOWN, histogram_html, tokens_html


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
