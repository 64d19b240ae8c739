"""What a wheel has beside the package: app, pages, their settings and the demo models, so that it needs no checkout."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
# Into `multi_llm_comparator/shipped/`; see multi_llm_comparator/core/shipped.py.
SHIPPED = ("app.py", "pages/*.py", ".streamlit/config.toml", "models/pytorch/demo-*/*", "config.example.yaml")


class WithShipped(build_py):
    """Builds the package, then lays the files beside it in a folder of the package."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            # An editable install is a checkout, which has them.
            return
        for path in (found for pattern in SHIPPED for found in sorted(ROOT.glob(pattern))):
            place = Path(self.build_lib, "multi_llm_comparator", "shipped", path.relative_to(ROOT))
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


setup(cmdclass={"build_py": WithShipped})
