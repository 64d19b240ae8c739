"""What the pages import is there before a page is opened."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from multi_llm_comparator.ui.kit.navigation import page_names, page_scripts
from multi_llm_comparator.ui.kit.page_imports import begin_imports, imported_by


def test_each_page_has_its_script() -> None:
    assert [script.stem for script in page_scripts()] == list(page_names())
    assert all(script.is_file() for script in page_scripts())


def test_a_scripts_imports_are_read_without_running_it() -> None:
    source = "import a.b, c\nfrom d.e import f\nfrom . import g\n\n\ndef h():\n    import i\n\n\nraise SystemExit\n"
    assert list(imported_by(source)) == ["a.b", "c", "d.e"]


def test_what_a_script_imports_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "imported_by_a_page.py").write_text("", encoding="utf-8")
    script = tmp_path / "page.py"
    script.write_text("import imported_by_a_page\n", encoding="utf-8")
    begin_imports([script]).join()
    assert sys.modules.pop("imported_by_a_page")


def test_a_module_that_cannot_be_imported_is_told_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script = tmp_path / "page.py"
    script.write_text("import no_such_module_anywhere\n", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        begin_imports([script]).join()
    assert "no_such_module_anywhere" in caplog.text
