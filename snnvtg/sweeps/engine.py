"""The sweep engine: declarations become models to train, measurements, and rows of a table.

A sweep's rows are trials over a base trial. Models are trained once for each recipe, data and seed, whichever rows of
whichever sweeps they belong to, and measured once for each way they are read out. Where, an executor says.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from snnvtg.claims import claimed
from snnvtg.errors import InputError
from snnvtg.files import check_writable
from snnvtg.sweeps.checks import check_device, check_trial
from snnvtg.sweeps.declaration import Sweep
from snnvtg.sweeps.executors.contract import Executor, Watch
from snnvtg.sweeps.executors.local import LocalPool
from snnvtg.sweeps.live import followed
from snnvtg.sweeps.progress import begin
from snnvtg.sweeps.request import SweepRequest, unfinished
from snnvtg.sweeps.results import SweepTable
from snnvtg.sweeps.trial import Trial


def run_sweeps(
    sweeps: Sequence[Sweep],
    base: Trial | Sequence[Trial],
    paths: Sequence[Path],
    runs: Path,
    *,
    device: str = "cpu",
    workers: int = 1,
    executor: Executor | None = None,
    loaders: int = 0,
    note: str = "",
    watch: Watch | None = None,
) -> list[SweepTable]:
    """Run what is unfinished of all sweeps; the tables at `paths` grow with each model.

    `base`: what the sweeps change something of; of several trials each sweep has its own.
    `executor`: where models are run; none: in `workers` processes here. `loaders` processes of each model make its
    batches. A row whose training fails (it may diverge) is named in its table's `failures` and in the JSON; the others
    continue. `note` says in the tables what was changed of the preset. `watch` is told what becomes of each model.
    """
    names = [path.name for path in paths]
    if len(set(names)) != len(names):
        raise InputError(f"sweeps: two of the same name write the same files: {', '.join(names)}")
    executor = executor or LocalPool(workers)
    if not executor.runs_elsewhere:
        check_device(device)
    bases = (base,) * len(sweeps) if isinstance(base, Trial) else tuple(base)
    for sweep, own in zip(sweeps, bases, strict=True):
        check_rows(sweep, sweep.trials(own), own, device)
    request = SweepRequest(tuple(sweeps), bases, tuple(paths), runs, device, note, loaders=loaders)
    with ExitStack() as stack:
        for path in paths if not executor.shares_tables else ():
            stack.enter_context(claimed(path))
        tables = request.tables()
        check_writable(runs / "settings.json")
        for table in tables:
            table.add_untrained()
        board = begin(runs, tables, unfinished(tables), workers=executor.workers, shared=executor.shares_tables)
        with followed(board) as shown:
            executor.run(request, tables, watch or shown)
        for table in tables:
            table.keep_declaration()
    return tables


def check_rows(sweep: Sweep, trials: Mapping[str, Trial], base: Trial, device: str) -> None:
    """InputError where a row could not be trained and measured: with its line, unless the preset could not either."""
    checked: set[Trial] = set()
    for row in sweep.rows:
        trial = trials[row.name]
        try:
            if trial not in checked:
                check_trial(trial, device)
        except InputError as error:
            check_trial(base, device)
            raise InputError(f"{row.where}: row {row.name!r}: {error}") from error
        checked.add(trial)
