from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path

from multi_llm_comparator.ui.kit.i18n import LANGUAGES, placeholders, texts, translate
from tests.support.sources import ROOT, page_sources, tree_of

# Streamlit calls whose first argument is something that a person reads.
SHOWN = frozenset(
    {
        "title",
        "header",
        "subheader",
        "caption",
        "write",
        "markdown",
        "text",
        "button",
        "popover",
        "expander",
        "toggle",
        "text_input",
        "text_area",
        "number_input",
        "slider",
        "selectbox",
        "multiselect",
        "radio",
        "segmented_control",
        "checkbox",
        "file_uploader",
        "download_button",
        "form_submit_button",
        "chat_input",
        "metric",
        "dialog",
        "link_button",
        "info",
        "warning",
        "error",
        "success",
        "toast",
    }
)
# What takes a key of the locales, and as ``why`` the key of its tooltip, or that there is one.
WORDED = frozenset(
    {"button", "main_button", "quiet_button", "opener", "draw_resume", "draw_again", "draw_upload"}
    | {"choice", "line", "switch"}
)
SHOWN_ARGUMENTS = frozenset({"label", "help", "placeholder", "alt", "page_title"})
KEY = re.compile(r"[a-z_]+(\.[A-Za-z0-9_]+)+")


def test_all_languages_have_the_same_keys() -> None:
    keys = {language: set(texts(language)) for language in LANGUAGES}
    assert keys["en"] == keys["zh"]


def test_a_text_has_the_same_placeholders_in_all_languages() -> None:
    for key, text in texts("en").items():
        # A singular may say "one" instead of the number.
        free = {"n"} if key.endswith("_one") else set()
        assert placeholders(texts("zh")[key]) - free == placeholders(text) - free, key


def test_a_text_is_translated() -> None:
    same = {key for key, text in texts("en").items() if texts("zh")[key] == text and re.search(r"[a-z]{4}", text)}
    assert same <= {"app.title", "export.markdown", "param.top_p", "param.top_k", "measure.file_example"}


def test_placeholders_are_filled_in() -> None:
    assert translate("en", "waiting.ahead", n=3) == "Waiting: 3 requests before it"
    assert translate("zh", "setup.model", letter="A") == "窗格 A 的模型"


def calls(path: Path) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call))


def keys_used(path: Path) -> Iterator[str]:
    """Keys given to t, tm, tn and what calls them; of a formatted one what is fixed, with ``*`` between."""
    for call in calls(path):
        if name_of(call) in {"t", "tm", "tn"} and call.args:
            yield from keys_in(call.args[0])
        elif name_of(call) in WORDED:
            given = [argument for argument in call.args if not isinstance(argument, ast.Lambda)]
            words = {key for argument in given for key in keys_in(argument) if re.match(r"[a-z_]+\.", key)}
            yield from words
            for keyword in call.keywords:
                if keyword.arg == "why":
                    yield from keys_in(keyword.value)
                    yield from (f"{key}_why" for key in words if not is_text(keyword.value))


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def name_of(call: ast.Call) -> str:
    """Of the function, without what it is a part of."""
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


@cache
def all_keys_used() -> frozenset[tuple[str, str]]:
    """Pages and the keys that they use."""
    return frozenset((path.name, key) for path in page_sources() for key in keys_used(path))


def keys_in(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(p.value) if isinstance(p, ast.Constant) else "*" for p in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and KEY.fullmatch(node.value):
        yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from keys_in(child)


def named_by(key: str, names: Collection[str]) -> set[str]:
    """The names that a key stands for, which may have ``*`` in it."""
    if "*" not in key:
        return {key} if key in names else set()
    pattern = re.compile(re.escape(key).replace(r"\*", ".+"))
    return {name for name in names if pattern.fullmatch(name)}


def test_every_key_that_a_page_uses_exists() -> None:
    known = texts("en").keys()
    assert len(all_keys_used()) > 1000
    assert {(page, key) for page, key in all_keys_used() if not named_by(key, known)} == set()


def literals_shown(path: Path) -> Iterator[str]:
    """Words that a page hands to Streamlit as they are, with their places."""
    for call in calls(path):
        function = call.func
        if not isinstance(function, ast.Attribute) or function.attr not in SHOWN:
            continue
        if isinstance(function.value, ast.Name) and function.value.id in {"log", "logger", "logging"}:
            continue
        shown = [*call.args[:1], *(k.value for k in call.keywords if k.arg in SHOWN_ARGUMENTS)]
        for node in shown:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"\w", node.value):
                yield f"{path.name}:{node.lineno} {node.value!r}"


def test_no_page_shows_a_text_that_is_not_in_the_locales() -> None:
    assert [literal for path in page_sources() for literal in literals_shown(path)] == []


def test_every_button_has_words_even_where_only_its_symbol_is_seen() -> None:
    buttons = {"button", "popover", "download_button", "form_submit_button", "link_button"}
    nameless = [
        f"{path.name}:{call.lineno}"
        for path in page_sources()
        for call in calls(path)
        if name_of(call) in buttons and call.args and isinstance(call.args[0], ast.Constant) and not call.args[0].value
    ]
    assert nameless == []


def keys_mentioned(path: Path) -> Iterator[str]:
    """Whatever could be a key, wherever a page has it, and the keys of the fields that a page is set up with."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.JoinedStr | ast.Constant):
            yield from keys_in(node)
        elif isinstance(node, ast.Call) and name_of(node) == "number" and node.args and is_text(node.args[0]):
            field = f"{path.parent.name}.{ast.literal_eval(node.args[0])}"
            yield from (field, f"{field}_why")


def test_no_text_lies_unused() -> None:
    read_by_name = ("fact.", "error.title.", "error.advice.", "menu.", "frame.")
    known = {key for key in texts("en") if not key.startswith(read_by_name)}
    bases = {key.removesuffix("_one") for key in known}
    keys = {key for path in page_sources() for key in keys_mentioned(path)} | {key for _, key in all_keys_used()}
    sections = {key for key in keys if re.fullmatch(r"[a-z_]+\.\*(_why)?", key)}
    fixed = {key for key in keys - sections if re.match(r"[a-z_]+\.|\*\.[a-z]", key)}
    used = {name for key in fixed for name in named_by(key, bases)}
    # Where only the section is fixed, the rest is a word of the package.
    words = {word for path in package_texts() for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
    words |= {word for key in keys if re.fullmatch(r"\w+_\*", key) for word in named_by(key, tails(bases))}
    used |= {name for key in sections for name in named_by(key, bases) if tails([name]) & words}
    assert {key for key in known if key.removesuffix("_one") not in used} == set()


def package_texts() -> Iterator[Path]:
    package = ROOT / "multi_llm_comparator"
    yield from package.rglob("*.py")
    yield from (path for path in package.rglob("*.yaml") if path.parent.name != "locales")


def tails(keys: Iterable[str]) -> set[str]:
    """What stands behind the section, of a tooltip's key what its label has there."""
    return {key.partition(".")[2].removesuffix("_why") for key in keys}
