"""What an evaluation can show, said before it starts: the smallest difference, and how many items five points take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.evaluation.measuring.crossing import check_count
from multi_llm_comparator.evaluation.measuring.prompt_task import PROMPTS
from multi_llm_comparator.evaluation.measuring.spec import TaskChoice
from multi_llm_comparator.evaluation.measuring.words import count_sentence, outlook_sentence, source_name, words_of
from multi_llm_comparator.evaluation.prompt_sets import PromptSet
from multi_llm_comparator.evaluation.statistics.power import USUAL_DISCORDANCE, smallest_difference
from multi_llm_comparator.evaluation.tasks.catalogue import items_of
from multi_llm_comparator.evaluation.tasks.sources import HUB


def items_asked(prompts: PromptSet | None, tasks: Sequence[TaskChoice]) -> dict[str, int]:
    """How many items each source has, one's own prompts first. The data is read where it is a folder; of the Hub's it
    is what is published.

    Raises:
        DocumentError: the data of a task cannot be read.
    """
    counts = {PROMPTS: len(prompts.rows)} if prompts is not None else {}
    for choice in tasks:
        # A folder's items are the same with fewer examples, and read sooner.
        options = replace(choice.options, shots=0) if choice.data else choice.options
        for group, n in items_of(choice.name, choice.data or HUB, options).items():
            counts[group] = counts.get(group, 0) + n
    return counts


def count_line(counts: Mapping[str, int], models: int, ways: int, repeats: int, language: Language) -> str:
    """How many answers it will be.

    Raises:
        ConfigurationError: these are more models, times parameters, than fit.
    """
    check_count(models, ways)
    return count_sentence(counts, models, ways, repeats, language)


def outlook_lines(counts: Mapping[str, int], subjects: int, language: Language) -> list[str]:
    """A sentence for each source; none where there is nobody to be compared with."""
    if subjects < 2:
        return []
    say, pairs = words_of(language), subjects * (subjects - 1) // 2
    return [
        (f"{source_name(say, source)}: " if len(counts) > 1 else "")
        + outlook_sentence(
            source, n, smallest_difference(n, comparisons=pairs), USUAL_DISCORDANCE, language, comparisons=pairs
        )
        for source, n in counts.items()
    ]
