"""What pickers offer: in order, with kind and size; groups of the demo models only on request."""

from __future__ import annotations

from pathlib import Path

import pytest

from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.core.settings import save_settings
from multi_llm_comparator.groups import TaskGroupManager
from multi_llm_comparator.ui.kit.choices import Choice, listed, local_choices, named_choices
from tests.support.gateways import Given

GROUPS = """
models:
  far: {provider: openai, base_url: "http://127.0.0.1:9/v1"}
task_groups:
  ours: {e: {models: [demo-small, my-own]}}
  demo: {e: {models: [demo-small, demo-large]}}
  Another: {e: {models: [far]}}
polling_pools:
  demo_pool: {task_groups: [demo]}
"""


def model(name: str, kind: ModelType, size: int, quantization: str) -> ModelInfo:
    return ModelInfo("", name, f"/{kind.value}/{name}/{size}", kind, size, {"quantization": quantization})


def labels(*models: ModelInfo) -> list[str]:
    return [choice.label for choice in local_choices(models).values()]


def test_pytorch_comes_before_gguf_and_names_go_without_case() -> None:
    found = labels(
        model("zebra", ModelType.GGUF, 98_362_432, "Q4_1"),
        model("Ape", ModelType.GGUF, 5_000_000, "Q8_0"),
        model("lion", ModelType.PYTORCH, 269_000_000, "BF16"),
        model("bear", ModelType.GGUF, 5_000_000, "F16"),
    )
    assert found == [
        "lion · PyTorch BF16 · 269 MB",
        "Ape · GGUF Q8_0 · 5.0 MB",
        "bear · GGUF F16 · 5.0 MB",
        "zebra · GGUF Q4_1 · 98.4 MB",
    ]


def test_labels_that_are_the_same_are_told_apart_by_their_ids() -> None:
    twins = [ModelInfo("", "a", f"/{folder}/a.gguf", ModelType.GGUF, 1000, {}) for folder in "xy"]
    assert [label.rpartition(" ")[2] for label in labels(*twins)] == [twin.id for twin in twins]


@pytest.fixture
def choices() -> dict[str, Choice]:
    groups = TaskGroupManager(Given(GROUPS))
    groups.load_or_empty()
    return named_choices(groups, lambda name: True)


def test_remote_models_come_before_groups_each_by_name(choices: dict[str, Choice]) -> None:
    assert list(choices) == ["far", "Another", "demo", "ours", "demo_pool"]


def test_groups_of_the_demo_models_are_offered_only_on_request_or_where_they_are_chosen(
    choices: dict[str, Choice],
) -> None:
    assert listed(choices) == ["far", "Another", "ours"]
    assert "demo_pool" in listed(choices, "demo_pool")
    save_settings({"demo_groups": True})
    assert listed(choices) == list(choices)


def test_the_groups_that_come_with_the_workbench_are_all_of_the_demo_models() -> None:
    text = (Path(__file__).parents[3] / "configs" / "llms" / "groups" / "_task_groups.yaml").read_text("utf-8")
    groups = TaskGroupManager(Given(text))
    groups.load_or_empty()
    found = named_choices(groups, lambda name: name.startswith("demo-"))
    assert found and listed(found) == []
