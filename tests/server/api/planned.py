"""An API with a plan's setup that is kept under the name ``sums``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.plans.saved import SavedPlans
from multi_llm_comparator.tracking.store import Store
from tests.plans.test_parse import PLAN
from tests.plans.test_plan_run import OPTIONS
from tests.support.served_api import ServedApi, served_api

ASKED: dict[str, Any] = {
    "model": "plan:sums",
    "messages": [{"role": "user", "content": "What is (23 + 48) * (17 - 9)?"}],
}


@asynccontextmanager
async def planned_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **served: Any) -> AsyncIterator[ServedApi]:
    monkeypatch.setenv("MLC_CONFIGS_DIR", str(tmp_path / "configs"))
    SavedPlans(tmp_path / "configs" / "plans").save("sums", OPTIONS)
    store = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    async with served_api(tmp_path, store=store, **served) as api:
        api.source.usual |= {"planner": PLAN, "small": "7", "large": "568"}
        yield api
    store.close()
