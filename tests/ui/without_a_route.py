"""What a machine without a network does with the workbench: run inside a network namespace that has only itself.

Usage: python -m tests.ui.without_a_route
"""

from __future__ import annotations

import asyncio

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import DownloadError
from multi_llm_comparator.workbench import close_workbench, get_workbench

PATIENCE_S = 120


async def asked(comparison: Comparison) -> list[str]:
    async with asyncio.timeout(PATIENCE_S):
        await comparison.send("What is 2 + 3?")
        await comparison.wait()
    return [answer.progress.state for answer in comparison.snapshot().turns[0].answers.values()]


def main() -> None:
    workbench = get_workbench()
    try:
        assert workbench.models.wait_for_scan(PATIENCE_S)
        models = [model for model in workbench.models.get_available_models() if model.name.startswith("demo-small")][:2]
        panes = [Pane.new(model.id, ModelConfig(max_tokens=16, temperature=0.0)) for model in models]
        comparison = workbench.bridge.run(workbench.comparisons.create(panes))
        print("answers:", *workbench.bridge.run(asked(comparison), PATIENCE_S))
        try:
            workbench.bridge.run(workbench.hub.look_up("HuggingFaceTB/SmolLM2-135M-Instruct"), PATIENCE_S)
        except DownloadError as exc:
            print("hub:", exc)
    finally:
        close_workbench()


if __name__ == "__main__":
    main()
