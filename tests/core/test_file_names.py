"""What a downloaded file is called."""

from multi_llm_comparator.core.file_names import file_stem


def test_a_file_is_named_by_kind_day_and_title() -> None:
    assert file_stem("plan", 0, "How many legs, then? 多少", "abc") == "plan-1970-01-01-How-many-legs-then-多少"


def test_a_title_without_words_leaves_the_id_and_a_long_one_is_cut() -> None:
    assert file_stem("comparison", 0, "?!", "0123456789") == "comparison-1970-01-01-01234567"
    assert len(file_stem("plan", 0, "word " * 100, "abc")) < 70
