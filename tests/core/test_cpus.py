from __future__ import annotations

import os

from multi_llm_comparator.core.cpus import available_cpus


def test_only_the_cpus_count_that_the_process_is_bound_to(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 5, 6}, raising=False)
    assert available_cpus() == 3


def test_where_the_system_knows_no_binding_all_count(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert available_cpus() == 64
