"""What docs/groups.md shows works as it stands there."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from multi_llm_comparator.groups import enhanced_fallback_manager
from multi_llm_comparator.groups.config_loader import parse_config
from tests.support.gateways import ActingSource

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/groups.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_configuration_is_valid() -> None:
    (text,) = blocks("yaml")
    parse_config(yaml.safe_load(text))


def test_the_example_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Against a source that answers for the demo models, which need not be there."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(enhanced_fallback_manager, "InferenceEngine", ActingSource)
    (code,) = blocks("python")
    names: dict[str, Any] = {"asyncio": asyncio}
    exec(compile(code, "docs/groups.md", "exec"), names)
    assert "I am demo-small demo-small 1 0.0" in capsys.readouterr().out


@pytest.mark.parametrize("line", re.findall(r"`gateway: \{.*\}`", PAGE))
def test_settings_in_the_text_are_valid(line: str) -> None:
    parse_config(yaml.safe_load(line.strip("`")))
