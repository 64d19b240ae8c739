"""Builds the demo models from nothing: tokenizer, data, training, measurement, model cards.

    python -m demo.train                                  both models, as long as the cards say
    python -m demo.train --model demo-large --resume      continue one from its last checkpoint

Everything is drawn from fixed seeds. The schedule follows the clock, so a faster machine takes more steps in the
same time and the weights differ from run to run; the data of step n do not.
"""

import argparse
import json
from pathlib import Path

import torch
from tokenizers import Tokenizer

from demo.checkpoints import new_model, save_model
from demo.evaluate import write_report
from demo.measuring import measure, summary
from demo.shapes import SHAPES, WORK_FOLDER, Shape
from demo.tokens import build_tokenizer
from demo.training import Trainer
from demo.world import generate

TOKENIZER_SEED = 5
TOKENIZER_ITEMS = 40_000
LOOK_ITEMS = 340
LOOK_SEED = 99
"""Looks during training use other questions than the final measurement."""


def world_tokenizer() -> Tokenizer:
    """The tokenizer all demo models share, from a fixed sample of the training split."""
    items = generate(TOKENIZER_SEED, TOKENIZER_ITEMS, "train")
    return build_tokenizer(text for item in items for text in (item.prompt, item.answer))


def look(trainer: Trainer) -> None:
    """Measures quickly, prints where the model stands, and leaves a usable snapshot in its folder."""
    report = summary(measure(trainer.model, trainer.tokenizer, LOOK_ITEMS, LOOK_SEED), LOOK_SEED)
    halves = {half: score["accuracy"] for half, score in report["halves"].items()}
    weak = {name: score["accuracy"] for name, score in report["tasks"].items() if score["accuracy"] < 0.9}
    print(json.dumps({"step": trainer.progress.step, **halves, "weak": weak}), flush=True)
    save_model(trainer.model, trainer.tokenizer, trainer.shape)


def stored_tokenizer(shape: Shape) -> Tokenizer:
    """The tokenizer in the model's folder: a checkpoint's embeddings belong to it."""
    return Tokenizer.from_file(str(shape.folder / "tokenizer.json"))


def train(shape: Shape, minutes: float, resume: bool, look_minutes: float, work: Path, note: str) -> None:
    """Trains one model and writes its weights and its training record."""
    continued = resume and (work / f"{shape.name}.pt").exists()
    tokenizer = stored_tokenizer(shape) if continued else world_tokenizer()
    trainer = Trainer(new_model(shape, tokenizer), tokenizer, shape, work)
    if continued:
        trainer.resume()
        print(json.dumps({"resumed": shape.name, "step": trainer.progress.step}), flush=True)
    trainer.run(minutes * 60, look_minutes * 60, look)
    folder = save_model(trainer.model, tokenizer, shape)
    (folder / "training.json").write_text(json.dumps(trainer.record() | {"note": note}, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=sorted(SHAPES), action="append", help="train only this one (repeatable)")
    parser.add_argument("--minutes", type=float, help="training time of each model; default: what its shape says")
    parser.add_argument("--resume", action="store_true", help="continue from the last checkpoint")
    parser.add_argument("--threads", type=int, help="CPU threads; default: all")
    parser.add_argument("--look-minutes", type=float, default=8.0, help="time between quick measurements")
    parser.add_argument("--no-report", action="store_true", help="leave the final measurement and the card for later")
    parser.add_argument("--note", default="", help="a remark on this training for the model card")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    for name in args.model or sorted(SHAPES, reverse=True):
        shape = SHAPES[name]
        train(shape, args.minutes or shape.minutes, args.resume, args.look_minutes, WORK_FOLDER, args.note)
        if not args.no_report:
            write_report(shape)


if __name__ == "__main__":
    main()
