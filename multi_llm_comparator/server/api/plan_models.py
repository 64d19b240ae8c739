"""What is refused of a request to ``plan:NAME``, and which names are answered by whole runs."""

from __future__ import annotations

from multi_llm_comparator.cooperation.spec import PREFIX as COOPERATE
from multi_llm_comparator.plans.saved import PREFIX
from multi_llm_comparator.server.api.errors import ApiError
from multi_llm_comparator.server.api.forms import Form


def is_plan(target: str) -> bool:
    return target.startswith(PREFIX)


def is_run(target: str) -> bool:
    """Whether a name is answered by a whole run: a plan, or a cooperation."""
    return target.startswith((PREFIX, COOPERATE))


def refuse_for_plan(target: str, form: Form, honoured: frozenset[str]) -> None:
    """Raises ApiError: the form of a request to a plan sets a field otherwise than to its default that is not honoured.

    Steps of plans are solved greedily, so a temperature of 0 asks for what is done anyway.
    """
    if not is_plan(target):
        return
    fields = type(form).model_fields
    for name in sorted(form.model_fields_set - honoured):
        value = getattr(form, name)
        if value != fields[name].default and not (name == "temperature" and value == 0):
            said = f"{name!r} is not served for plans: how their steps are solved is configured with the plan"
            raise ApiError(said, code="unsupported_parameter", param=name)
