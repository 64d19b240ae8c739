from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.routing import analyse, default_rules, load_rules
from multi_llm_comparator.routing.analysis import MAX_READ_CHARS
from tests.support.growth import TIMES, grows_evenly

RULES = default_rules()


@pytest.mark.parametrize(
    ("query", "task"),
    [
        ("解方程：2x² + 5x - 3 = 0", "math"),
        ("Solve the equation 2x^2 + 5x - 3 = 0", "math"),
        ("计算圆周率前10位", "math"),
        ("复杂数学推理：求解微分方程", "math"),
        ("将'你好'翻译成英文", "translation"),
        ("Translate 'good morning' into French", "translation"),
        ("多语言翻译：中英文互译", "translation"),
        ("分析这张图片中的内容", "vision"),
        ("What is shown in this picture?", "vision"),
        ("详细解释量子计算的原理和应用", "reasoning"),
        ("Write a Python function that reverses a list", "code"),
        ("这段代码报错了：def f(x): return y", "code"),
        ("Write a short poem about the sea", "writing"),
        ("写一首关于秋天的诗", "writing"),
        ("分析新能源汽车行业发展前景", "analysis"),
        ("Who was the first person on the Moon?", "knowledge"),
        ("什么是机器学习？", "knowledge"),
        ("一家初创公司应该选择以下哪种融资方式？\nA. 风险投资\nB. 天使投资", "decision"),
        ("hello", "simple"),
        ("你好", "simple"),
        ("42", "simple"),
    ],
)
def test_the_words_of_a_question_tell_its_task_in_both_languages(query: str, task: str) -> None:
    assert analyse(query, RULES).task_type == task


def test_a_long_text_that_says_nothing_of_its_task_is_general() -> None:
    assert analyse("lorem ipsum dolor sit amet " * 10, RULES).task_type == "general"


def test_images_that_come_along_make_it_vision_whatever_the_words_say() -> None:
    found = analyse("解方程 2x = 4", RULES, has_images=True)
    assert (found.task_type, found.has_images) == ("vision", True)


def test_a_word_inside_another_one_says_nothing() -> None:
    assert "code" not in analyse("He decoded the encoding of the message", RULES).task_scores


def test_a_thorough_explanation_is_more_complex_than_a_plain_one_and_says_why() -> None:
    plain = analyse("简单解释量子计算", RULES)
    thorough = analyse("详细解释量子计算的原理和应用", RULES)
    assert thorough.complexity >= RULES.cooperation.min_complexity > plain.complexity
    assert {signal.name for signal in thorough.signals} >= {"base", "depth", "explanation", "theory"}
    assert next(signal for signal in thorough.signals if signal.name == "depth").words == ("详细",)


def test_several_points_raise_the_complexity() -> None:
    one, many = (analyse(text, RULES).complexity for text in ("Plan it", "Plan:\n1. the room\n2. the food"))
    assert many > one


@given(st.text(max_size=300))
def test_any_text_has_a_task_and_a_complexity_between_0_and_1(query: str) -> None:
    found = analyse(query, RULES)
    assert found.task_type in {*RULES.tasks, "general"}
    assert 0 <= found.complexity <= 1


def test_a_hostile_text_is_read_in_bounded_time() -> None:
    for text in ("SELECT " * 200_000, "((((" * 200_000, "1+" * 400_000, "def " * 300_000):
        assert analyse(text, RULES).complexity <= 1


def test_ones_own_rules_replace_entries_of_the_packages(tmp_path: Path) -> None:
    path = tmp_path / "routing.yaml"
    path.write_text("tasks: {legal: {words: [contract*, 合同], weight: 5}}\nweights: {quality_priority: 0.2}\n")
    rules = load_rules(path)
    assert analyse("Check this contract", rules).task_type == "legal"
    assert (rules.weights.quality_priority, rules.weights.cost) == (0.2, RULES.weights.cost)
    assert "math" in rules.tasks


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("weights: {quality_priority: 3}", "quality_priority"),
        ("tasks: {x: {patterns: ['(']}}", "no regular expression"),
        ("nonsense: 1", "nonsense"),
    ],
)
def test_a_wrong_file_of_rules_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "routing.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        load_rules(path)


@pytest.mark.parametrize("piece", ["\n", " ", "a", "1 ", "a(", "SELECT ", "def a", "x ="])
def test_looking_at_a_question_takes_as_long_as_it_is(piece: str) -> None:
    assert grows_evenly(lambda text: analyse(text, RULES), piece, MAX_READ_CHARS // TIMES)
