"""Attacks a running app for some minutes and writes what was seen into docs/security.md (`make attack`).

    python -m tests.attack [--seed 1] [--share 1.0] [--dry]

Exits with 1 when the app did not hold: an error that is none of ours, `/health` later than promised, or a connection
beyond this machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import describe_machine
from multi_llm_comparator.core.files import write_atomically
from tests.attack.seeds import write_seeds
from tests.attack.watch import ROOT, Row, attacked_app

PAGE = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- attack: begin -->", "<!-- attack: end -->"
HEALTH_S = 0.5
GB = 1e9


def holds(row: Row) -> bool:
    """Whether the app kept its promises under one attack."""
    return (
        not row.outcome["findings"]
        and row.outcome["count"] > 0
        and row.seen.health_s <= HEALTH_S
        and not row.seen.connections
    )


def table(rows: list[Row], seed: int) -> str:
    """What was seen, as Markdown."""
    columns = (
        *("attack", "number", "refused", "longest `/health` (at most 0.5 s)", "most memory: app, one model process"),
        *("connections outward", "other errors", "seconds"),
    )
    lines = [f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]
    for row in rows:
        outcome, seen = row.outcome, row.seen
        lines.append(
            f"| {outcome['name']} | {outcome['count']:,} | {outcome['refused']:,} | {seen.health_s:.2f} s | "
            f"{seen.app_bytes / GB:.2f} GB, {seen.child_bytes / GB:.2f} GB | {len(seen.connections)} | "
            f"{len(outcome['findings'])} | {row.seconds:.0f} |"
        )
    machine = describe_machine()
    today = datetime.now(UTC).date().isoformat()
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}"
    return "\n".join([*lines, "", f"Seed {seed}, {today}; {where}."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="of the full number of everything")
    parser.add_argument("--dry", action="store_true", help="write nothing into the page")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="mlc-attack-") as folder:
        seeds = write_seeds(Path(folder) / "seeds")
        with attacked_app(seeds, Path(folder) / "app", arguments.seed, arguments.share) as coming:
            for row in coming:
                rows.append(row)
                print(table([row], arguments.seed).splitlines()[2], flush=True)
                for finding in row.outcome["findings"]:
                    print(finding, file=sys.stderr)
                if row.seen.connections:
                    print("connected to", *sorted(row.seen.connections), file=sys.stderr)
    if not arguments.dry:
        text = PAGE.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        _, after = rest.split(END)
        write_atomically(PAGE, f"{before}{BEGIN}\n{table(rows, arguments.seed)}\n{END}{after}")
    sys.exit(not all(map(holds, rows)))


if __name__ == "__main__":
    main()
