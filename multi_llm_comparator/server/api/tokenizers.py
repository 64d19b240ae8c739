"""``/tokenize`` and ``/detokenize`` in vLLM's and llama.cpp's forms, ``/tokenizer_info`` in vLLM's; lm-eval's remote
tokenizer asks all three."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field, model_validator
from starlette.responses import JSONResponse, Response

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.token_requests import MAX_TOKENS, TokenList, TokenRequest
from multi_llm_comparator.server.api.calls import as_json, served_by
from multi_llm_comparator.server.api.errors import ApiError
from multi_llm_comparator.server.api.forms import MAX_MESSAGES, Form, Name, Several, Text, example
from multi_llm_comparator.server.api.openai_forms import ChatMessage
from multi_llm_comparator.server.leaving import unless_left
from multi_llm_comparator.server.metering import counted
from multi_llm_comparator.server.serving import Served

router = APIRouter(tags=["Tokens"])
Id = Annotated[int, Field(ge=0, lt=2**31)]
Ids = Annotated[Several[Id], Field(max_length=MAX_TOKENS)]
_WHO = "a local model; by default the server's, or the only one in memory"


class TokenizeForm(Form):
    """``POST /tokenize``: of a text, or of a conversation as the model is given it."""

    model_config = example({"model": "demo-small", "prompt": "12 + 30 ="})

    model: Name | None = Field(default=None, description=_WHO)
    prompt: Text | None = Field(default=None, description="a text; names of control tokens in it are those tokens")
    content: Text | None = Field(default=None, description="a text as well, by llama.cpp's name")
    messages: Annotated[Several[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)] | None = Field(
        default=None, description="or a conversation"
    )
    add_special_tokens: bool = Field(default=True, description="put the begin mark before a text that should have one")
    add_generation_prompt: bool | None = Field(default=None, description="must be the opposite of the next, if given")
    continue_final_message: bool = Field(default=False, description="the last message is the assistant's and goes on")
    return_token_strs: bool = Field(default=False, description="tell the text of each token, too")
    add_special: bool = Field(default=False, description="with `content`: put the begin mark before it")
    parse_special: bool = Field(default=True, description="with `content`: names of control tokens are those tokens")
    with_pieces: bool = Field(default=False, description="with `content`: each token as its `id` and `piece`")

    @model_validator(mode="after")
    def _one_of_them(self) -> TokenizeForm:
        if sum(given is not None for given in (self.prompt, self.content, self.messages)) != 1:
            raise ValueError("give one of 'prompt', 'content' and 'messages'")
        if self.add_generation_prompt not in (None, not self.continue_final_message):
            raise ValueError("'add_generation_prompt' must be the opposite of 'continue_final_message'")
        return self


class DetokenizeForm(Form):
    """``POST /detokenize``."""

    model_config = example({"model": "demo-small", "tokens": [3, 4, 5]})

    model: Name | None = Field(default=None, description=_WHO)
    tokens: Ids = Field(description="ids")


@router.post("/tokenize")
async def tokenize(form: TokenizeForm, request: Request) -> Response:
    """The tokens of a text or a conversation."""
    served = await served_by(request)
    messages = tuple(message.message() for message in form.messages or ())
    is_llamas = form.content is not None
    asked = TokenRequest(
        text=form.prompt or form.content or "",
        messages=messages,
        adds_begin=form.add_special if is_llamas else form.add_special_tokens,
        reads_control=form.parse_special if is_llamas else True,
        continues=form.continue_final_message,
        config=ModelConfig(n_ctx=served.n_ctx),
    )
    found = await tokens_for(request, served, form.model, asked)
    body: dict[str, Any] = {"count": len(found.tokens), "max_model_len": found.n_ctx, "tokens": list(found.tokens)}
    if form.with_pieces:
        body["tokens"] = [
            {"id": token, "piece": _piece(*spelled)} for token, spelled in zip(found.tokens, found.spelled, strict=True)
        ]
    if form.return_token_strs:
        body["token_strs"] = [text for text, _ in found.spelled]
    return Response(as_json(body), media_type="application/json")


def _piece(text: str, raw: bytes) -> str | list[int]:
    """The text of a token; where it is no whole character, its bytes."""
    return list(raw) if raw and "\ufffd" in text else text


@router.post("/detokenize")
async def detokenize(form: DetokenizeForm, request: Request) -> Response:
    """The text of tokens: `prompt` by vLLM's name, `content` by llama.cpp's."""
    served = await served_by(request)
    asked = TokenRequest(tokens=tuple(form.tokens), config=ModelConfig(n_ctx=served.n_ctx))
    found = await tokens_for(request, served, form.model, asked)
    return Response(as_json({"prompt": found.text, "content": found.text}), media_type="application/json")


@router.get("/tokenizer_info")
async def tokenizer_info(request: Request, model: str | None = None) -> Response:
    """The marks and the chat template of a model's tokenizer."""
    served = await served_by(request)
    found = await tokens_for(request, served, model, TokenRequest(config=ModelConfig(n_ctx=served.n_ctx)))
    return JSONResponse(
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": found.begin or None,
            "eos_token": found.end or None,
            "pad_token": None,
            "chat_template": found.chat_template or None,
            "model_max_length": found.n_ctx,
            "vocab_size": found.n_vocab,
        }
    )


async def tokens_for(request: Request, served: Served, model: str | None, asked: TokenRequest) -> TokenList:
    """What a model's tokenizer says. A client that leaves is not waited for.

    Raises:
        ApiError: nobody is named, it is no local model, or the caller's key may not.
        MultiLLMError: why it cannot be told.
    """
    name = local_model(served, model)
    async with counted(served, request, name):
        return await unless_left(request.receive, served.there(served.engine.tokens(name, asked)))


def local_model(served: Served, model: str | None) -> str:
    """The name of a local model.

    Raises:
        ApiError: nobody is named and there is no default; or the name stands for an endpoint, or for several models.
    """
    loaded = {one.name for one in served.engine.loaded_models()}
    target = model or served.default_model or (loaded.pop() if len(loaded) == 1 else "")
    if not target:
        said = "'model' is missing, and no model or several are in memory; name one, or start the server with a default"
        raise ApiError(said, code="missing_required_parameter", param="model")
    groups = served.gateway.groups
    declaration = groups.config.models.get(target)
    if declaration is not None and not declaration.is_remote:
        return declaration.local or target
    if declaration is not None or not groups.targets.names_local_model(target):
        said = f"{target!r} is no local model: the tokens of endpoints and groups are not known here"
        raise ApiError(said, code="model_not_supported", param="model")
    return target
