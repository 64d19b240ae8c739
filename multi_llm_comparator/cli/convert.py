"""``llm-cooperation convert``: a model in another format or quantization."""

from __future__ import annotations

from pathlib import Path

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from multi_llm_comparator.cli.display import messages, output
from multi_llm_comparator.conversion.convert import TARGETS, convert, suggested_out
from multi_llm_comparator.conversion.gguf_export import QUANTIZATIONS
from multi_llm_comparator.conversion.report import ConversionReport, Phase
from multi_llm_comparator.core.exceptions import InvalidParameterError
from multi_llm_comparator.core.private_files import use_ordinary_umask
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.workbench import scanned_models

_PHASES: dict[Phase, str] = {
    "reading": "reading the source",
    "writing": "writing weights",
    "checking": "comparing tokens with llama.cpp",
    "quantizing": "quantizing",
}


def convert_model(source: str, out: Path | None, target: str | None, overwrite: bool) -> None:
    """Convert a model: PyTorch to GGUF, GGUF to PyTorch, GGUF to another quantization."""
    use_ordinary_umask()
    found = _found(source)
    wanted = target or _by_name(out)
    place = out or suggested_out(found, wanted, get_settings().models_dir)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    # Drawn when there is news: rich's own refreshing would be a thread.
    with Progress(*columns, console=messages, auto_refresh=False, transient=True) as bar:
        task = bar.add_task(_PHASES["reading"], total=1.0)

        def show(phase: Phase, share: float) -> None:
            bar.update(task, description=_PHASES[phase], completed=share, refresh=messages.is_terminal)

        report = convert(found, place, wanted, overwrite=overwrite, progress=show)
    output.print(_summary(report))


def _found(source: str) -> Path:
    path = Path(source).expanduser()
    return path if path.exists() else Path(scanned_models().get(source).path)


def _by_name(out: Path | None) -> str:
    """The target that a name asks for: ``tiny-Q4_K_M.gguf`` that quantization, a name without ``.gguf`` PyTorch."""
    if out is not None and out.suffix != ".gguf":
        return "pytorch"
    named = [kind for kind in QUANTIZATIONS if out is not None and out.stem.upper().endswith(kind)]
    if not named:
        raise InvalidParameterError(f"say what to make with --to: {', '.join(TARGETS)}")
    return max(named, key=len)


def _summary(report: ConversionReport) -> str:
    lines = [f"{report.out}: {report.target}, {report.size_bytes / 1e6:.1f} MB, made in {report.seconds:.1f} s"]
    lines.append(f"tensors: {report.types_text}")
    if report.fallbacks:
        lines.append(f"{report.fallbacks_text}: their rows do not fill the blocks of {report.target}")
    return "\n".join(lines)
