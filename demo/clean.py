"""Remove what ``make run`` and the workbench made in the models folder, and nothing that somebody put there.

    python -m demo.clean

These are the GGUF twins of the demo models, the first model as it was fetched, and its other forms. Each is known by
its name and by what it holds: a twin or a form says what it was made from, the fetched file has a known hash.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from demo.prepare import twins
from multi_llm_comparator.conversion.first_forms import TARGETS, form_path
from multi_llm_comparator.conversion.provenance import converted_from
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.services.first_model import FIRST_MODEL, PackagedModel
from multi_llm_comparator.services.hub import STAGING


def made(models_dir: Path, model: PackagedModel = FIRST_MODEL) -> Iterator[Path]:
    """Every file and folder that is ours."""
    forms = (form_path(models_dir, target, model) for target in TARGETS)
    named = (*(out for _, out, _ in twins(models_dir)), *forms)
    yield from (path for path in named if path.exists() and converted_from(path) is not None)
    fetched = model.path(models_dir)
    if fetched.is_file() and fetched.stat().st_size == model.gguf_bytes:
        with fetched.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == model.gguf_sha256:
                yield fetched
    # Halves of downloads, which nothing but a further try could use.
    yield from (path for path in (models_dir / STAGING,) if path.exists())


def clean(models_dir: Path, model: PackagedModel = FIRST_MODEL) -> list[Path]:
    """Remove it; returns what was there."""
    found = list(made(models_dir, model))
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models-dir", type=Path, default=None, help="default: the workbench's models folder")
    for path in clean(parser.parse_args().models_dir or get_settings().models_dir):
        print(f"removed {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
