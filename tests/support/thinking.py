"""A chat template of models that think, as Qwen3 writes it, for small models whose weights know nothing."""

from __future__ import annotations

THINKING_TEMPLATE = (
    "{% for m in messages %}<s>{{ m.role }}\n"
    "{% if m.reasoning_content is defined %}(thought {{ m.reasoning_content }}){% endif %}"
    "{{ m.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n"
    "{% else %}<think>\n{% endif %}{% endif %}"
)
