"""Measures demo models on held-out questions and writes their model cards.

python -m demo.evaluate                                  both demo models, and their cards
python -m demo.evaluate --model DIR --items 500          any checkpoint of the same family, printed only
python -m demo.evaluate --task sum --task product --wrong   some tasks, with what was answered wrongly
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, PreTrainedModel

from demo.cards import card
from demo.measuring import EVALUATION_SEED, Answered, measure, summary
from demo.shapes import SHAPES, Shape
from demo.world import TASKS

CARD_ITEMS = 2_720
"""Forty rounds of every task in both languages and difficulties."""


def load(folder: Path) -> tuple[PreTrainedModel, Tokenizer]:
    """A checkpoint as stored (float16 weights), computed in float32."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval(), Tokenizer.from_file(str(folder / "tokenizer.json"))


def write_report(shape: Shape, items: int = CARD_ITEMS) -> None:
    """Measures a model and writes evaluation.json and the card, README.md, into its folder."""
    model, tokenizer = load(shape.folder)
    answered = measure(model, tokenizer, items)
    report = summary(answered)
    (shape.folder / "evaluation.json").write_text(json.dumps(report, indent=2) + "\n")
    record = json.loads((shape.folder / "training.json").read_text())
    (shape.folder / "README.md").write_text(card(shape, report, record, answered))
    _show(shape.name, answered)


def _show(name: str, answered: Sequence[Answered], wrong: bool = False) -> None:
    print(name, json.dumps(summary(answered), indent=2))
    for a in answered:
        if wrong and not a.correct:
            print(f"{a.item.task} {a.item.difficulty} {a.item.prompt!r}: {a.item.answer!r}, not {a.text!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, action="append", help="a checkpoint folder (repeatable)")
    parser.add_argument("--items", type=int, default=CARD_ITEMS, help="questions, rounded up to whole rounds")
    parser.add_argument("--seed", type=int, default=EVALUATION_SEED)
    parser.add_argument("--task", choices=sorted(TASKS), action="append", help="only this task (repeatable)")
    parser.add_argument("--wrong", action="store_true", help="print the wrong answers")
    args = parser.parse_args()
    if not args.model and not args.task:
        for shape in SHAPES.values():
            write_report(shape, args.items)
        return
    for folder in args.model or [shape.folder for shape in SHAPES.values()]:
        model, tokenizer = load(folder)
        _show(folder.name, measure(model, tokenizer, args.items, args.seed, args.task), args.wrong)


if __name__ == "__main__":
    main()
