"""Chat templates in the styles one meets, written for the tests."""

from __future__ import annotations

CHATML = """{%- for message in messages %}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}"""

LLAMA_3 = """{{- bos_token }}
{%- if not tools is defined %}{% set tools = none %}{% endif %}
{%- if tools is not none %}{{ raise_exception('no tools here') }}{% endif %}
{% for message in messages %}
    {% set header = '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' %}
    {% generation %}{{- header + message.content | trim + '<|eot_id|>' }}{% endgeneration %}
{% endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}"""

GEMMA = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for message in messages %}
{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{- raise_exception('Roles must alternate: user, model, user, ...') }}
{%- endif %}
{%- set role = 'model' if message['role'] == 'assistant' else message['role'] %}
{{- '<start_of_turn>' + role + '\\n' + (message['content'] | trim) + '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"""

MISTRAL = """{{ bos_token }}{% for message in messages %}
{%- if message.role == 'user' %}{{ '[INST] ' ~ message.content ~ ' [/INST]' }}
{%- elif message.role == 'assistant' %}{{ ' ' ~ message.content ~ eos_token }}
{%- elif not loop.first %}{{ raise_exception('Only user and assistant roles are supported!') }}
{%- endif %}{% endfor %}"""

WITH_LOOP_CONTROLS = """{%- set state = namespace(last=none) -%}
{% for message in messages[::-1] %}
  {% if message.role == 'system' %}{% continue %}{% endif %}
  {% set state.last = message %}{% break %}
{% endfor %}
{%- for message in messages %}{{ message | tojson }}
{% endfor %}
{{- 'last: ' + state.last.content + '<>&' }}
{%- if documents %} documents{% endif %}{% if add_generation_prompt %} answer:{% endif %}"""

STYLES = {
    "chatml": CHATML,
    "llama-3": LLAMA_3,
    "gemma": GEMMA,
    "mistral": MISTRAL,
    "loop controls": WITH_LOOP_CONTROLS,
}
SPECIAL_TOKENS = (
    "<s>",
    "</s>",
    "<|im_start|>",
    "<|im_end|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "[INST]",
    "[/INST]",
)
