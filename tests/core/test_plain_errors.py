from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.near_names import did_you_mean
from multi_llm_comparator.core.plain_errors import checked, in_plain_words, said_of


class Example(BaseModel):
    text: Annotated[str, Field(min_length=1, max_length=5, pattern="^[a-z]*$")] = "a"
    number: Annotated[float, Field(gt=0, le=9)] = 1
    whole: Annotated[int, Field(ge=2, lt=7)] = 2
    switch: bool = True
    kind: Literal["one", "two"] = "one"
    many: Annotated[list[int], Field(min_length=2)] = [1, 2]
    few: Annotated[list[int], Field(max_length=1)] = []
    some: Annotated[tuple[int, ...], Field(min_length=1)] = (1,)
    inner: dict[str, int] = {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": 7}, "must be text; put it in quotes"),
        ({"text": ""}, "must not be empty"),
        ({"text": "abcdef"}, "is longer than 5 characters; shorten it"),
        ({"text": "A"}, "must be lower case"),
        ({"number": 0}, "must be more than 0"),
        ({"number": 10}, "must be at most 9"),
        ({"number": "x"}, "must be a number"),
        ({"number": [1]}, "must be a number"),
        ({"whole": 1}, "must be at least 2"),
        ({"whole": 7}, "must be less than 7"),
        ({"whole": 2.5}, "must be a whole number"),
        ({"whole": "x"}, "must be a whole number"),
        ({"whole": None}, "must be a whole number"),
        ({"switch": "perhaps"}, "must be true or false"),
        ({"switch": [1]}, "must be true or false"),
        ({"kind": "three"}, "must be 'one' or 'two'"),
        ({"many": [1]}, "needs at least 2 entries"),
        ({"few": [1, 2]}, "may have at most 1 entries"),
        ({"many": 1}, "must be a list, such as [first, second]"),
        ({"some": []}, "is empty; give at least one entry"),
        ({"inner": 1}, "must hold names and values, indented below it"),
    ],
)
def test_each_kind_of_mistake_has_words_of_its_own(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Example(**given)
    (error,) = caught.value.errors()
    assert in_plain_words(error, {"^[a-z]*$": "lower case"}) == said


class Whole(ClosedModel):
    parts: tuple[Example, ...] = ()


def test_what_is_wrong_has_its_place_and_as_many_are_told_as_are_wanted() -> None:
    with pytest.raises(ValidationError) as caught:
        Whole(parts=[{}, {"number": 0, "kind": "x"}], more=1)  # type: ignore[arg-type, call-arg]
    first, other = "parts.1.number: must be more than 0", "parts.1.kind: must be 'one' or 'two'"
    assert said_of(caught.value) == first
    assert said_of(caught.value, 9) == f"{first}; {other}; more: is not known here; leave it out"
    assert said_of(caught.value, first=1) == first.replace("1", "2")


def test_a_problem_of_the_whole_is_told_by_its_name_if_it_has_one() -> None:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate([])
    assert said_of(caught.value) == "must hold names and values, indented below it"
    assert said_of(caught.value, whole="file").startswith("file: must hold")


def test_data_is_built_or_refused_in_words() -> None:
    assert checked(Whole, {"parts": [{"whole": 3}]}).parts[0].whole == 3
    with pytest.raises(ConfigurationError, match=r"^parts.0.whole: must be a whole number$"):
        checked(Whole, {"parts": [{"whole": "x"}]})


def test_names_are_suggested_by_likeness_without_case_and_else_all_are_told() -> None:
    known = ["demo-small", "demo-small-Q8_0", "SmolLM2-135M", "other"]
    assert did_you_mean("demo-smal", known) == "; did you mean 'demo-small' or 'demo-small-Q8_0'?"
    assert did_you_mean("smollm2-135m", known) == "; did you mean 'SmolLM2-135M'?"
    assert did_you_mean("zzz", ["b", "a"]) == "; known are a, b"
    assert did_you_mean("zzz", []) == "; known are none"
