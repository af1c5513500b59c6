"""What a sweep will cost, before it is run: rows, models, hours, memory, disk; afterwards, how right that was.

    python experiments/plan.py --sweeps table4 --data FOLDER --seeds 0 1 2       # the options of ablation.py
    python experiments/plan.py --sweeps table4 --plan reports/plan.json          # kept, with its provenance
    python experiments/plan.py --plan reports/plan.json --compare                # once the sweep has run

A few training steps, a batch of evaluation and a few queries are timed for one model of each kind (models of equal
cost), in as many processes as there are --workers; where models of a kind are finished in --runs, what they took counts
instead. The plan says which. Nothing is trained to its end, and no table is written. Of a plan.json beside the tables
(in --out) the live table of ablation.py takes its times, and ablation.py ends with the comparison.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from snnvtg.cli import ablation
from snnvtg.cli.command import CommandOptions, run
from snnvtg.errors import InputError


@dataclass(frozen=True)
class Options(ablation.Options):
    """Plan sweeps, with the options that experiments/ablation.py runs them with."""

    plan: Path | None = None
    """FILE.json: where the plan is kept, its kinds of models as CSV beside it"""
    compare: bool = False
    """planned against actual, of the plan in --plan whose sweeps have run into --runs and --out"""
    minutes: float = 5.0
    """after which measuring ends; kinds of models that were not measured are taken as the median of the others"""
    render: tyro.conf.Suppress[bool] = False

    def check(self) -> None:
        """As those of an ablation; InputError for a plan that is no JSON file, or is not there to be compared."""
        super().check()
        if self.plan is not None and self.plan.suffix != ".json":
            raise InputError(f"--plan: expected a name ending in .json, got {self.plan}")
        if self.compare and self.plan is None:
            raise InputError("--compare: name the plan with --plan FILE.json")
        if self.compare and not self.plan.is_file():
            raise InputError(f"{self.plan}: no such plan; write it before the sweep is run, without --compare")
        if not self.minutes > 0:
            raise InputError(f"--minutes: expected more than 0, got {self.minutes}")

    kept = CommandOptions.kept  # nothing is resumed


def main(options: Options) -> None:
    """Plan, or compare."""
    from snnvtg.files import check_writable
    from snnvtg.sweeps.over_folds import in_folds
    from snnvtg.sweeps.plan_report import compared, words, write
    from snnvtg.sweeps.planning import costed, counted
    from snnvtg.sweeps.request import SweepRequest

    if options.compare:
        print(compared(options.plan, options.runs, options.out))
        return
    workers = options.pool()["executor"].workers
    sweeps, base, paths, _ = ablation.asked(options)
    if options.plan is not None:
        check_writable(options.plan)
    asked = sweeps, [base] * len(sweeps), paths
    if options.over_folds:
        asked = in_folds(sweeps, base, paths, options.over_folds)
    request = SweepRequest(*map(tuple, asked), options.runs, options.device)
    plan = costed(counted(request, out=options.out, workers=workers), request, seconds=60 * options.minutes)
    print(words(plan, options.device))
    if options.plan is not None:
        write(plan, options.plan, options.device)
        print(f"wrote {options.plan} and {options.plan.stem}.csv")


def start() -> None:
    """Run the command."""
    run(Options, main, __doc__)


if __name__ == "__main__":
    start()
