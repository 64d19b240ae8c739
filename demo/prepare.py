"""Make the GGUF twins of the demo models, where they are missing or older than their checkpoint.

    python -m demo.prepare

Every ``models/pytorch/demo-*`` gets ``models/gguf/<name>-F16.gguf``, ``-Q8_0.gguf`` and ``-Q4_0.gguf``. A twin holds
the fingerprint of the checkpoint it was made from, so a second run only compares.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from multi_llm_comparator.conversion.gguf_export import export_gguf
from multi_llm_comparator.conversion.provenance import converted_from, source_fingerprint
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.settings import get_settings

QUANTIZATIONS = ("F16", "Q8_0", "Q4_0")


def twins(models_dir: Path) -> Iterator[tuple[Path, Path, str]]:
    """Every demo checkpoint with the file each quantization of it belongs in."""
    for config in sorted((models_dir / "pytorch").glob("demo-*/config.json")):
        checkpoint = config.parent
        for quantization in QUANTIZATIONS:
            yield checkpoint, models_dir / "gguf" / f"{checkpoint.name}-{quantization}.gguf", quantization


def prepare(models_dir: Path) -> list[Path]:
    """Make what is missing or out of date, saying so; returns the files written."""
    written = []
    fingerprints: dict[Path, str] = {}
    for checkpoint, out, quantization in twins(models_dir):
        if checkpoint not in fingerprints:
            fingerprints[checkpoint] = source_fingerprint(checkpoint)
        if out.exists() and converted_from(out) == fingerprints[checkpoint]:
            continue
        export_gguf(checkpoint, out, quantization)
        print(f"made {out} ({out.stat().st_size / 1e6:.1f} MB)", flush=True)
        written.append(out)
    if not fingerprints:
        print(f"no demo model in {models_dir / 'pytorch'}; `make demo-models` trains them")
    elif not written:
        print(f"GGUF twins of {', '.join(path.name for path in fingerprints)} are up to date")
    return written


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models-dir", type=Path, default=None, help="default: the workbench's models folder")
    models_dir = parser.parse_args().models_dir or get_settings().models_dir
    try:
        prepare(models_dir)
    except MultiLLMError as exc:
        print(f"demo models: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
