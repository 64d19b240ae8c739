from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.applications.analysis.prompts import objects_in
from multi_llm_comparator.applications.analysis.quotes import Haystack

TEXTS = ["Revenue rose by 28% in the “third” quarter.", "Costs   of raw\nmaterials rose by 12%.", "营业收入：1,250万元"]


def test_a_quote_is_found_whatever_became_of_spaces_signs_and_case() -> None:
    found = Haystack([4, 5, 6], TEXTS).find('"costs of raw materials ROSE by 12%"')
    assert found is not None and found.piece == 5 and found.quote == "Costs   of raw\nmaterials rose by 12%"


def test_what_was_changed_or_made_up_is_not_found() -> None:
    haystack = Haystack([0, 1, 2], TEXTS)
    assert haystack.find("Costs of raw materials rose by 13%") is None
    assert haystack.find("Revenue fell by 28%") is None
    assert haystack.find("rose") is None
    assert haystack.find("") is None


def test_parts_between_dots_must_follow_each_other() -> None:
    haystack = Haystack([0, 1, 2], TEXTS)
    assert haystack.find("Revenue rose ... third quarter") is not None
    assert haystack.find("third quarter ... Revenue rose") is None


def test_chinese_quotes_need_few_characters() -> None:
    found = Haystack([7], [TEXTS[2]]).find("营业收入: 1250万元")
    assert found is not None and found.quote == TEXTS[2]


@given(st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=5), st.data())
def test_every_stretch_of_a_piece_is_found_where_it_stands(texts: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(texts) - 1))
    start = data.draw(st.integers(0, len(texts[at])))
    quote = texts[at][start : start + 30]
    found = Haystack(range(len(texts)), texts).find(quote)
    if found is not None:
        assert found.piece <= at or found.quote


def test_claims_of_an_answer_that_was_cut_are_those_that_are_whole() -> None:
    answer = 'Here: {"claims": [{"quote": "a", "claim": "b"}, {"quote": "c", "claim": "d'
    assert list(objects_in(answer, "claims")) == [{"quote": "a", "claim": "b"}]
