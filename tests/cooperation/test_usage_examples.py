"""The usage examples of the cooperation system, as they are written, on shipped models under the names they use."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from multi_llm_comparator.cooperation import standalone
from multi_llm_comparator.cooperation.scheduler import CooperationScheduler
from multi_llm_comparator.core import settings
from multi_llm_comparator.groups.config_loader import TASK_GROUPS_FILE
from multi_llm_comparator.wiring import Services

pytestmark = pytest.mark.slow
MODELS = Path(__file__).parents[2] / "models"
NAMES = """
models:
  qwen3_32b_reasoning: {local: demo-large-Q8_0}
  qwen3_32b_router: {local: demo-large-Q4_0}
  qwen3_8b: {local: demo-small-Q8_0}
  qwen2_5_7b: {local: demo-small-Q4_0}
task_groups: {}
"""


@pytest.fixture(autouse=True)
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The names of the examples, for models of this repository."""
    groups = tmp_path / "configs" / TASK_GROUPS_FILE
    groups.parent.mkdir(parents=True)
    groups.write_text(NAMES, encoding="utf-8")
    monkeypatch.setenv("MLC_CONFIGS_DIR", str(tmp_path / "configs"))
    monkeypatch.setenv("MLC_MODELS_DIR", str(MODELS))
    monkeypatch.setattr(settings, "_current", None)
    yield
    standalone.close()


async def modes_and_targets(services: Services) -> list[tuple[str, set[str]]]:
    """What was run, by mode, and who was called."""
    found: list[tuple[str, set[str]]] = []
    for summary in await services.runs.list():
        run = (await services.cooperations.get(summary.id)).snapshot()
        found.append((run.spec.mode, {call.target for call in run.calls.values()}))
    return found


def test_models_one_after_the_other_all_at_once_and_voting() -> None:
    async def sequential_cooperation_example() -> str:
        scheduler = CooperationScheduler()
        return await scheduler.create_sequential_task(
            query="请分析电动汽车行业的发展趋势",
            models=["qwen3_32b_reasoning", "qwen3_8b", "qwen3_32b_router"],
            integration_strategy="ensemble",
        )

    async def parallel_cooperation_example() -> str:
        scheduler = CooperationScheduler()
        return await scheduler.create_parallel_task(
            query='从多个角度分析"碳中和"政策对不同行业的影响',
            models=["qwen3_32b_reasoning", "qwen3_8b", "qwen2_5_7b"],
            integration_strategy="ensemble",
        )

    async def voting_cooperation_example() -> str:
        scheduler = CooperationScheduler()
        decision_query = """
        一家初创公司应该选择以下哪种融资方式？
        A. 风险投资（VC）
        B. 天使投资
        C. 银行贷款
        D. 众筹

        请给出最佳建议并说明理由。
        """
        return await scheduler.create_voting_task(
            query=decision_query, models=["qwen3_32b_reasoning", "qwen3_8b", "qwen2_5_7b"], voting_rounds=1
        )

    for example in (sequential_cooperation_example, parallel_cooperation_example, voting_cooperation_example):
        result = asyncio.run(example())
        assert isinstance(result, str) and result[:300]
    ran = dict(asyncio.run(standalone.with_services(modes_and_targets)))
    assert ran["sequential"] == {"qwen3_32b_reasoning", "qwen3_8b", "qwen3_32b_router"}
    assert ran["parallel"] == {"qwen3_32b_reasoning", "qwen3_8b", "qwen2_5_7b"}
    assert ran["voting"] <= ran["parallel"]
