"""Write the table of settings into docs/settings.md: `python docs/make_settings_table.py`."""

from __future__ import annotations

import re
from pathlib import Path

from multi_llm_comparator.core.settings import Settings

PAGE = Path(__file__).with_name("settings.md")
MARK = "<!-- settings table: written by docs/make_settings_table.py -->"


def rows() -> str:
    lines = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default_factory or field.default in (None, "", (), {}) else f"`{field.default}`"
        lines.append(f"| `{name}` | {default} | {field.description or ''} |")
    return "\n".join(lines)


def written(text: str) -> str:
    """The page with its table as it should be."""
    head, _, rest = text.partition("| --- | --- | --- |\n")
    rest = re.sub(r"\A(?:\|.*\n|<!--.*-->\n)*", "", rest)
    return f"{head}| --- | --- | --- |\n{rows()}\n{MARK}\n{rest}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
