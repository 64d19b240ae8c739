"""Measures the demo planner on held-out composed questions and writes its model card.

python -m demo.composed.evaluate                  measures it, and writes evaluation.json and README.md
python -m demo.composed.evaluate --dry --wrong    prints figures and what came out wrong
"""

import argparse
import json

from demo.composed.card import card
from demo.composed.constrained import valid_under_grammar
from demo.composed.measuring import EVALUATION_SEED, measure, summary
from demo.composed.question import compact_xml
from demo.evaluate import load
from demo.shapes import PLANNER
from multi_llm_comparator.core.settings import get_settings

CARD_QUESTIONS = 900
"""A hundred of each family, planned freely and under the grammar."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=CARD_QUESTIONS)
    parser.add_argument("--seed", type=int, default=EVALUATION_SEED)
    parser.add_argument("--wrong", action="store_true", help="print the plans that are not the expected ones")
    parser.add_argument("--dry", action="store_true", help="leave the card as it is")
    args = parser.parse_args()
    model, tokenizer = load(PLANNER.folder)
    files = {"pytorch": PLANNER.folder, "gguf": get_settings().models_dir / "gguf" / f"{PLANNER.name}-F16.gguf"}
    planned = measure(model, tokenizer, args.questions, args.seed)
    report = summary(planned, tokenizer, args.seed)
    report["under_grammar"] = valid_under_grammar(files, [p.question for p in planned])
    print(json.dumps(report, indent=2))
    for p in planned:
        if args.wrong and not p.same_dag:
            print(f"{p.question.prompt!r}\n  {p.text}\n  not\n  {compact_xml(p.question.plan)}")
    if not args.dry:
        record = json.loads((PLANNER.folder / "training.json").read_text())
        (PLANNER.folder / "evaluation.json").write_text(json.dumps(report, indent=2) + "\n")
        (PLANNER.folder / "README.md").write_text(card(PLANNER, report, record, planned))


if __name__ == "__main__":
    main()
