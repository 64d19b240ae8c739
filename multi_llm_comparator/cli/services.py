"""``service``: a document in; its analysis, what its data shows, or a decision out."""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multi_llm_comparator.applications.manager import worked
from multi_llm_comparator.applications.pictures import is_picture
from multi_llm_comparator.applications.reading.bounds import MAX_FILE_BYTES
from multi_llm_comparator.applications.reading.pieces import Remark
from multi_llm_comparator.applications.spec import KIND_PARAMETER, KINDS, SERVICES, ServiceType, spec_of
from multi_llm_comparator.applications.targets import usual_target
from multi_llm_comparator.applications.words import remark_sentence
from multi_llm_comparator.cli.answering import Running, running
from multi_llm_comparator.cli.consoles import messages, output, print_json
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.readable import Language, seconds, size
from multi_llm_comparator.core.reading import read_given
from multi_llm_comparator.headless import opened_alone, scanned_models
from multi_llm_comparator.run_files import RunFiles

# Short names, as one types them.
SHORT: dict[str, ServiceType] = {
    "document": "document_analysis",
    "data": "data_insight",
    "decision": "decision_support",
}
ENDINGS = {"html": "html", "htm": "html", "docx": "docx", "md": "markdown", "json": "json"}
# What a workbench that is running takes in one request.
MAX_SENT_BYTES = 5 * 2**20


@dataclass(frozen=True)
class Wanted:
    """The options of the command. ``model`` None asks who is usual, "none" nobody."""

    service: str
    content: str | None
    file: Path | None
    kind: str | None
    model: str | None
    question: str | None
    language: str | None
    weights: tuple[str, ...]
    to: Path | None


async def service(wanted: Wanted, as_json: bool, alone: bool) -> None:
    """Have a service work, and print or write what it found."""
    name = SHORT.get(wanted.service, wanted.service)
    if name not in SERVICES:
        raise ConfigurationError(f"there is no service {name!r}; there are {', '.join((*SHORT, *SERVICES))}")
    format = _format(wanted.to)
    data, parameters = _document(wanted), _parameters(wanted, name)
    # Wrong parameters are told before anything is loaded.
    spec_of(name, parameters)
    async with running(alone=alone) as found:
        if found is not None:
            response, file = await _asked_there(found, name, data, parameters, format)
        else:
            response, file = await _worked_here(name, data, parameters, format)
    if not response["success"]:
        raise DocumentError(str(response["error"]))
    if wanted.to is not None and file is not None:
        write_atomically(wanted.to, file)
        messages.print(f"written: {wanted.to}")
    elif as_json:
        print_json(response)
    else:
        _show(response, name)


def _format(to: Path | None) -> str | None:
    if to is None:
        return None
    found = ENDINGS.get(to.suffix.lstrip(".").lower())
    if found is None:
        raise ConfigurationError(f"{str(to)!r}: give a file that ends in .md, .docx, .html or .json")
    return found


def _document(wanted: Wanted) -> bytes:
    if wanted.content is not None and wanted.file is not None:
        raise ConfigurationError("give --content or --file, not both")
    if wanted.file is not None:
        return read_given(wanted.file, MAX_FILE_BYTES)
    text = wanted.content
    if text is None and not sys.stdin.isatty():
        return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    if not text:
        raise ConfigurationError("there is no document: give --file or --content, or pipe it in")
    return text.encode("utf-8", "replace")


def _parameters(wanted: Wanted, service_type: ServiceType) -> dict[str, Any]:
    given: dict[str, Any] = {KIND_PARAMETER[service_type]: wanted.kind or KINDS[service_type][0]}
    if wanted.file is not None:
        given["name"] = wanted.file.name[:300]
    if wanted.model is not None:
        given["model"] = "" if wanted.model == "none" else wanted.model
    if wanted.question is not None:
        given |= {"question": wanted.question}
        if service_type == "document_analysis" and wanted.kind is None:
            given["analysis_type"] = "questions"
    given |= {"language": wanted.language} if wanted.language else {}
    given |= {"weights": dict(map(_weight, wanted.weights))} if wanted.weights else {}
    return given


def _weight(text: str) -> tuple[str, float]:
    name, equals, value = text.rpartition("=")
    try:
        if not equals or not name.strip():
            raise ValueError
        return name.strip(), float(value)
    except ValueError as exc:
        raise ConfigurationError(f"--weight is {text!r}; give CRITERION=NUMBER") from exc


async def _asked_there(
    there: Running, service_type: ServiceType, data: bytes, parameters: Mapping[str, Any], format: str | None
) -> tuple[dict[str, Any], bytes | None]:
    if len(data) > MAX_SENT_BYTES:
        raise DocumentError(
            f"the document has {size(len(data))}, and a running workbench takes {size(MAX_SENT_BYTES)} "
            "at once: use its Services page, or --alone"
        )
    body = {
        "service_type": service_type,
        "content": base64.b64encode(data).decode("ascii"),
        "parameters": {**parameters, "encoding": "base64"},
    }
    response: dict[str, Any] = await there.post("/service", body)
    if format is None or not response["success"]:
        return response, None
    return response, await there.get_bytes(f"/api/runs/{response['request_id']}/export?format={format}")


async def _worked_here(
    service_type: ServiceType, data: bytes, parameters: Mapping[str, Any], format: str | None
) -> tuple[dict[str, Any], bytes | None]:
    models = await asyncio.to_thread(scanned_models)
    async with opened_alone(models) as services:
        usual = usual_target(models, services.gateway.groups, sees=is_picture(data))
        target = "" if "model" in parameters else usual
        spec = spec_of(service_type, parameters, target=target)
        messages.print(f"asked: {spec.target or 'nobody, all is computed'}", style="dim")
        response = await worked(services.applications, spec, data)
        file = None
        if format is not None and response.typed is not None:
            language: Language = response.typed.language
            file = (await RunFiles(services.runs).export(response.request_id, format, language)).data
        return response.to_dict(), file


def _show(response: Mapping[str, Any], service_type: ServiceType) -> None:
    result = response["result"]
    key = spec_of(service_type, {"kind": result["kind"], "question": "?"}).result_key
    language: Language = result["language"]
    output.print(result[key], markup=False, highlight=False)
    for claim in result.get("claims", ()):
        if claim["state"] == "not_found":
            messages.print(f"not in the document: {claim['quote']!r}", style="yellow", markup=False)
    for remark in result["remarks"]:
        messages.print(remark_sentence(Remark.model_validate(remark), language), style="dim", markup=False)
    took = seconds(response["processing_time"], "en")
    messages.print(f"{took}; run {response['request_id']}", style="dim")
