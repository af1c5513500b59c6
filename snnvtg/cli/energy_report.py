"""What a network costs under every published convention, beside its dense and its quantised twin.

    python experiments/energy_report.py                       # trains the demo on synthetic data first, two minutes
    python experiments/energy_report.py --checkpoint best.pt --data FOLDER --queries 200
    python experiments/energy_report.py --checkpoint best.pt --data FOLDER --sweep reports/timestep_sweep.csv --measure
    python experiments/energy_report.py --network my_network.py:make --beside    # any network: () -> (network, inputs)

Runs queries one at a time, unpadded; a model that can be read out at another T at each of --timesteps (the same
weights). Writes into --out: report.md, tables.tex, provenance.json; models.csv (cost models × T), layers.csv,
modules.csv, operations.csv, rates.csv and for a checkpoint accuracy.csv, controls.csv and twins.csv; figures. The
pareto figure shows the readouts' accuracy, and with --sweep that of models retrained for each T. --train-twins trains
the dense and the quantised twin with the model's own recipe and prints their accuracy beside their energy. --beside
sets SpikingJelly's and NeuroBench's counts beside the ledger's, layer by layer (beside.csv). --measure reads this
machine's energy meters.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import tyro

from snnvtg.claims import claimed
from snnvtg.cli.command import run
from snnvtg.cli.options import CheckpointOptions, DataOptions
from snnvtg.errors import InputError


@dataclass(frozen=True)
class Options(CheckpointOptions, DataOptions):
    """Report the energy of a trained model, or of any network."""

    reads: ClassVar[dict[str, str]] = {
        "checkpoint": "no such checkpoint; train one with experiments/train.py",
        "sweep": "no such file; expected the CSV of experiments/timestep_sweep.py",
    }

    checkpoint: Path | None = None
    """a checkpoint of experiments/train.py, or a sweep's table (NAME.csv) with --row; none: the demo, trained on the
    synthetic set (then --data is not taken)"""
    network: str | None = None
    """instead of a checkpoint: FILE.py:FUNCTION, which returns a network and the inputs to count it on"""
    batch_size: int = 1
    """of --network: samples in each of its inputs"""
    spiking: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """of --network: a neuron written by hand, by its class, --spiking MyNeuron, or with the position or key of its
    spikes in what it returns, --spiking MyNeuron=1 --spiking Other=spikes"""
    split: Literal["val", "test"] = "test"
    timesteps: tuple[int, ...] = (1, 2, 4, 8)
    """where a model with num_timesteps is read out, besides its own T"""
    queries: int = 100
    """queries counted, the first of the split; 0: all"""
    cost_models: tuple[str, ...] = ()
    """cost models of yours beside the known: a JSON table, or FILE.py:OBJECT"""
    metric: str | None = None
    """accuracy in the pareto figure; none: the figure that a model's best epoch is chosen by on such data"""
    train_twins: bool = False
    """also train both twins of the model from scratch with its own recipe, for their accuracy: the model's training
    twice again"""
    sweep: Path | None = None
    """timestep_sweep.csv, for the accuracy of models retrained for each T"""
    beside: bool = False
    """also count with SpikingJelly and NeuroBench, where they are installed, and explain every difference"""
    measure: bool = False
    """also read this machine's energy meters (NVML, RAPL)"""
    device: str = "cpu"
    out: Path = Path("reports/energy")

    def check(self) -> None:
        """InputError for numbers that cannot be."""
        super().check()
        if min(self.timesteps, default=1) < 1:
            raise InputError(f"timesteps: expected at least 1, got {min(self.timesteps)}")
        for name, least in (("queries", 0), ("batch_size", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}; expected at least {least}")
        if self.spiking and self.network is None:
            raise InputError("--spiking: names neurons of --network; a checkpoint's are known")
        if self.train_twins and self.network is not None:
            raise InputError("--train-twins: trains the twins of a --checkpoint; --network brings no data to train on")

    def kept(self) -> str:
        """As CommandOptions: the demo's epochs, and files that may be of different runs."""
        demo = self.checkpoint is None and self.network is None
        trained = f"; epochs of the demo are kept in {self.runs}" if demo else ""
        return f"no file in {self.out} is half written, but some may be of an earlier run{trained}; run it again"


def main(options: Options) -> None:
    """Count, price, draw, write."""
    from snnvtg.cli.energy_work import report_on

    with claimed(options.out / "report.md"):
        report_on(options)


def start() -> None:
    """Run as a command."""
    run(Options, main, __doc__)
