"""Write the tables of fields into docs/serve.md, from the forms that read them: `python docs/make_serve_tables.py`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from multi_llm_comparator.server.api.anthropic_forms import AnthropicTurn, MessagesForm
from multi_llm_comparator.server.api.embeddings import EmbeddingsForm, EmbedForm
from multi_llm_comparator.server.api.forms import REFUSED, Form, SeenPart
from multi_llm_comparator.server.api.ollama_forms import OllamaChatForm, OllamaGenerateForm, OllamaMessage, Options
from multi_llm_comparator.server.api.openai_forms import ChatForm, ChatMessage, CompletionForm, StreamOptions
from multi_llm_comparator.server.api.queries import Preferences, QueryForm
from multi_llm_comparator.server.api.responses_form import ResponseMessage, ResponsePart, ResponsesForm
from multi_llm_comparator.server.api.services import ServiceForm

PAGE = Path(__file__).with_name("serve.md")
BEGIN, END = "<!-- fields: written by docs/make_serve_tables.py -->", "<!-- end of fields -->"
FORMS: dict[str, tuple[type[Form], ...]] = {
    "`/v1/chat/completions`": (ChatForm, StreamOptions, ChatMessage, SeenPart),
    "`/v1/completions`": (CompletionForm,),
    "`/v1/responses`": (ResponsesForm, ResponseMessage, ResponsePart),
    "`/v1/messages`": (MessagesForm, AnthropicTurn),
    "`/api/chat`": (OllamaChatForm, OllamaMessage),
    "`/api/generate`": (OllamaGenerateForm,),
    "`/v1/embeddings`": (EmbeddingsForm,),
    "`/api/embed`": (EmbedForm,),
    "`/query`": (QueryForm,),
    "`preferences` of `/query`": (Preferences,),
    "`/service`": (ServiceForm,),
    "`options` of `/api/chat` and `/api/generate`": (Options,),
}


def section(title: str, forms: tuple[type[Form], ...]) -> str:
    form = forms[0]
    lines = [f"### {title}", "", "| field | default | |", "| --- | --- | --- |"]
    for name, field in form.model_fields.items():
        default = "" if field.is_required() or field.default in (None, []) else _shown(field.default)
        lines.append(f"| `{name}` | {default} | {field.description} |")
    if ignored := sorted(set().union(*(each.ignored for each in forms))):
        lines += ["", f"Ignored: {_names(ignored)}."]
    if form.neutral:
        lines += ["", "Refused:", ""]
        lines += [f"- `{name}` {REFUSED[name]}{_taken(values)}" for name, values in sorted(form.neutral.items())]
    return "\n".join(lines)


def _shown(default: Any) -> str:
    return "" if isinstance(default, Form) else f"`{str(default).lower()}`"


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _taken(values: tuple[Any, ...]) -> str:
    shown = [f"`{json.dumps(value)}`" for value in values]
    return f" ({' and '.join(shown)} {'is' if len(shown) == 1 else 'are'} taken)" if shown else ""


def written(text: str) -> str:
    """The page with its tables as they should be."""
    tables = "\n\n".join(section(title, forms) for title, forms in FORMS.items())
    found = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    return found.sub(lambda _: f"{BEGIN}\n\n{tables}\n\n{END}", text)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
