"""What came of an attack within the app."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from multi_llm_comparator.core.exceptions import MultiLLMError


@dataclass
class Outcome:
    """What came of one attack. ``findings`` are the traces of errors that are none of ours, each once."""

    name: str
    count: int
    refused: int = 0
    findings: list[str] = field(default_factory=list)

    def attempt(self, act: Callable[[], object]) -> None:
        try:
            act()
        except MultiLLMError:
            self.refused += 1
        except Exception:
            self.refused += 1
            trace = traceback.format_exc(limit=-3)
            if trace not in self.findings and len(self.findings) < 20:
                self.findings.append(trace)
