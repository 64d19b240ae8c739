"""Which files one worker takes, one after the other, where tests are distributed by files.

What all of them need at the beginning is then made, or imported, by one worker only.
"""

from __future__ import annotations

from xdist.scheduler.loadfile import LoadFileScheduling  # type: ignore[import-untyped]

# By what they share; files are named by their place in ``tests``.
SHARING = {
    "an app with four real models": (
        *("browser/test_deciding", "browser/test_real_models", "browser/test_real_questions"),
        *("browser/test_accessibility", "browser/test_frame", "browser/test_groups", "browser/test_monitor"),
        *("browser/test_asking", "browser/test_other_pages", "browser/test_policy", "browser/test_token_view"),
    ),
    "what trl, peft and mlflow import": (
        *("cli/test_tuning_a_planner", "evaluation/test_runner", "test_told_runs"),
        *("training/test_chat_templates", "training/test_lora", "training/test_methods"),
        *("training/test_mlflow_report", "training/test_new_skill", "training/test_packing", "training/test_resume"),
        *("training/test_together", "training/test_trainer", "training/test_watching"),
    ),
}
_ROOMS = {f"tests/{file}.py": room for room, files in SHARING.items() for file in files}


class ByRooms(LoadFileScheduling):  # type: ignore[misc]
    """By files, some of which stay together."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return _ROOMS.get(file, file)
