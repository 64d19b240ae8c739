"""Whether a chat template has a place for tools is read from its text, wherever it stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from multi_llm_comparator.services.scan.folder import scan_folder
from multi_llm_comparator.services.scan.hf_config import names_tools
from tests.support.model_files import checkpoint
from tests.support.tool_templates import WITH_TOOLS


@pytest.mark.parametrize("template", WITH_TOOLS.values(), ids=list(WITH_TOOLS))
def test_every_template_with_tools_names_them(template: str) -> None:
    assert names_tools(template)
    assert names_tools([{"name": "default", "template": "{{ messages }}"}, {"name": "tool_use", "template": template}])


@pytest.mark.parametrize(
    "template",
    [
        None,
        3,
        "",
        "{{ messages }}",
        "{% if messages %}You have no tools.{% endif %}",
        [["{% if tools %}"]],
        "{%if" * 9999,
    ],
)
def test_others_do_not(template: object) -> None:
    assert not names_tools(template)


@pytest.mark.parametrize("file", ["tokenizer_config.json", "chat_template.json", "chat_template.jinja"])
def test_a_checkpoints_template_is_found_in_each_of_its_files(tmp_path: Path, file: str) -> None:
    folder = checkpoint(tmp_path / "one")
    template = WITH_TOOLS[next(iter(WITH_TOOLS))]
    text = template if file.endswith(".jinja") else json.dumps({"chat_template": template})
    (folder / file).write_text(text, encoding="utf-8")
    (found,) = scan_folder(tmp_path, "test")
    assert found.config["names_tools"] is True
