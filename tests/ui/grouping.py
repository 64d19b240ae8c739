"""Task groups of the workbench under test."""

from __future__ import annotations

from multi_llm_comparator.workbench import Workbench


def regroup(bench: Workbench, text: str) -> bool:
    """Have the file of task groups say ``text``; whether that is taken."""
    path = bench.gateway.groups.path
    assert path is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)

    async def reload() -> bool:
        return bench.gateway.groups.reload()

    return bench.bridge.run(reload())
