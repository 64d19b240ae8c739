"""The point of the curve that a user chose: how much quality counts where a question does not say."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.exceptions import InvalidParameterError
from multi_llm_comparator.core.files import write_atomically

logger = logging.getLogger(__name__)
_FILE, _NAME = "point.json", "quality_priority"
MAX_BYTES = 1000


def chosen_priority(folder: Path) -> float | None:
    """What was chosen; None where nothing was, or it cannot be read."""
    try:
        found = load_json(folder / _FILE, MAX_BYTES)[_NAME]
        return _checked(float(found))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as exc:
        logger.warning("the chosen point in %s is not used: %s", folder, exc)
        return None


def choose_priority(folder: Path, quality_priority: float | None) -> None:
    """Keep a choice; None goes back to the rules' own.

    Raises:
        InvalidParameterError: it is not between 0 and 1.
    """
    if quality_priority is None:
        (folder / _FILE).unlink(missing_ok=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / _FILE, json.dumps({_NAME: _checked(quality_priority)}) + "\n")


def _checked(quality_priority: float) -> float:
    if not 0 <= quality_priority <= 1:
        raise InvalidParameterError(f"quality_priority must be between 0 and 1, not {quality_priority!r}")
    return quality_priority
