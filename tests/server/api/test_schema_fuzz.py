"""Whatever the OpenAPI document allows, and much that it does not: no request makes the server itself fail."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from multi_llm_comparator.groups import Gateway, TaskGroupManager
from multi_llm_comparator.server.api.application import has_path, make_api
from multi_llm_comparator.server.api.forms import Form
from multi_llm_comparator.server.serving import Served
from multi_llm_comparator.services.bridge import get_bridge
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from tests.support.gateways import ActingSource, Given

# It takes seconds to import: in the process that runs these tests, and in no other that collects them.
if TYPE_CHECKING:
    import schemathesis

# What says on purpose that it cannot be done now or here.
TOLD = {501, 503}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> schemathesis.BaseSchema:
    """The API over a source that answers everything at once."""
    import schemathesis

    folder = tmp_path_factory.mktemp("api")
    models = ModelManager(folder / "models")
    models.scan_models()
    engine, bridge = InferenceEngine(models=models), get_bridge()

    async def opened() -> Gateway:
        return Gateway(TaskGroupManager(Given({})), ActingSource(), folder=folder / "gateway")

    gateway = asyncio.run_coroutine_threadsafe(opened(), bridge.loop).result()
    served = Served(models=models, engine=engine, gateway=gateway, loop=bridge.loop, default_model="m")
    return schemathesis.openapi.from_asgi("/openapi.json", make_api(lambda: served))


@pytest.mark.slow
def test_no_request_makes_the_server_fail(document: schemathesis.BaseSchema) -> None:
    from schemathesis.generation import GenerationMode

    tried = 0
    for found in document.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=4, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def answered(case: schemathesis.Case) -> None:
                answer = case.call()
                assert answer.status_code < 500 or answer.status_code in TOLD, (case.path, answer.text[:500])

            # What has no parameters cannot be asked wrongly.
            with contextlib.suppress(Unsatisfiable):
                answered()
                tried += 1
    assert tried > 20


def test_the_document_has_the_paths_that_clients_ask() -> None:
    api = make_api(lambda: None)  # type: ignore[arg-type,return-value]
    assert {"/v1/chat/completions", "/v1/embeddings", "/v1/messages", "/api/embed"} <= api.openapi()["paths"].keys()


def test_every_path_of_the_standards_is_there_without_v1() -> None:
    api = make_api(lambda: None)  # type: ignore[arg-type,return-value]
    found = [path for path in api.openapi()["paths"] if path.startswith("/v1/")]
    assert len(found) > 8
    for path in found:
        asked = path.removeprefix("/v1").replace("{model}", "m")
        assert has_path(api, {"type": "http", "method": "GET", "path": asked, "root_path": "", "headers": []}), path


def every_form(form: type[Form] = Form) -> Iterator[type[Form]]:
    for one in form.__subclasses__():
        yield one
        yield from every_form(one)


def test_every_body_in_the_document_has_an_example_that_its_form_takes() -> None:
    api = make_api(lambda: None)  # type: ignore[arg-type,return-value]
    document, forms = api.openapi(), {form.__name__: form for form in every_form()}
    shown = set()
    for path, operations in document["paths"].items():
        for body in (operation["requestBody"] for operation in operations.values() if "requestBody" in operation):
            (name,) = re.findall(r"#/components/schemas/(\w+)", str(body))
            examples = document["components"]["schemas"][name].get("examples")
            assert examples, path
            for one in examples:
                forms[name].model_validate(one)
            shown.add(name)
    assert len(shown) > 15
