"""Trains the demo planner on composed questions and their plans.

    python -m demo.composed.train                        as long as its shape says
    python -m demo.composed.train --resume --minutes 90  continue from the last checkpoint

It starts from the weights of demo-small, which must be there: that model reads the same questions and has learnt to
copy numbers and words. As with the others, the schedule follows the clock.
"""

import argparse
import json
from pathlib import Path

import torch

from demo.checkpoints import new_model, save_model
from demo.composed.measuring import share_written_exactly
from demo.evaluate import load
from demo.shapes import PLANNER, SMALL, WORK_FOLDER
from demo.training import Trainer

LOOK_QUESTIONS = 100
LOOK_SEED = 99
"""Looks during training use other questions than the final measurement."""


def look(trainer: Trainer) -> None:
    """Prints where the planner stands, and leaves a usable snapshot in its folder."""
    shares = share_written_exactly(trainer.model, trainer.tokenizer, LOOK_QUESTIONS, LOOK_SEED)
    print(json.dumps({"step": trainer.progress.step, "written exactly": shares}), flush=True)
    save_model(trainer.model, trainer.tokenizer, trainer.shape)


def train(minutes: float, resume: bool, look_minutes: float, work: Path, note: str) -> None:
    """Trains the planner and writes its weights and its training record."""
    small, tokenizer = load(SMALL.folder)
    model = new_model(PLANNER, tokenizer)
    model.load_state_dict(small.state_dict())
    trainer = Trainer(model, tokenizer, PLANNER, work)
    if resume and (work / f"{PLANNER.name}.pt").exists():
        trainer.resume()
        print(json.dumps({"resumed": PLANNER.name, "step": trainer.progress.step}), flush=True)
    trainer.run(minutes * 60, look_minutes * 60, look)
    folder = save_model(trainer.model, tokenizer, PLANNER)
    (folder / "training.json").write_text(json.dumps(trainer.record() | {"note": note}, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=PLANNER.minutes, help="training time, earlier runs included")
    parser.add_argument("--resume", action="store_true", help="continue from the last checkpoint")
    parser.add_argument("--threads", type=int, help="CPU threads; default: all")
    parser.add_argument("--look-minutes", type=float, default=5.0, help="time between quick measurements")
    parser.add_argument("--work", type=Path, default=WORK_FOLDER, help="where checkpoints are kept")
    parser.add_argument("--note", default="", help="a remark on this training for the model card")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    train(args.minutes, args.resume, args.look_minutes, args.work, args.note)


if __name__ == "__main__":
    main()
