"""What docs/groups.md shows as configuration is one; its Python is run with all documentation's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from multi_llm_comparator.groups.config_loader import parse_config

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/groups.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_configuration_is_valid() -> None:
    groups, _scraping = blocks("yaml")
    assert parse_config(yaml.safe_load(groups)).task_groups


@pytest.mark.parametrize("line", re.findall(r"`gateway: \{.*\}`", PAGE))
def test_settings_in_the_text_are_valid(line: str) -> None:
    assert parse_config(yaml.safe_load(line.strip("`")))
