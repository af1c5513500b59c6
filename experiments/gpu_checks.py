"""Everything that only a GPU can show, in one command and ten minutes, on a machine that can fetch nothing.

    SNNVTG_WHEELS=wheels SNNVTG_GPU_OUT=results python3 experiments/gpu_checks.py
    python3 experiments/gpu_checks.py --only lif-speed scan-speed
    python3 experiments/gpu_checks.py --rehearse       # every command on the CPU, small: nothing but the GPU is missing

Installs the wheels that lie in SNNVTG_WHEELS (none: uses what is installed), then runs the parts below in order of
worth. Each has a share of the time and may use what others leave of theirs. After each part gpu_checks.json, .md and
.tar.gz (tables, figures and logs of all parts) are written to --out. The same command resumes: what passed under this
code is not run again, what was not reached comes first; on a fresh machine, put gpu_checks.tar.gz into --out before.
What is missing is "not installed" and no failure. Exit status 1 where a part failed, was cut off, or was not reached.
To add a part, add an entry to PARTS.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from gpu_checks_runner import ROOT, Part, Place, install, run_all

SECONDS = 575.0  # less than the ten minutes such a machine gives to one command
PYTEST = "-m pytest -o addopts= --import-mode=importlib -p no:cacheprovider -q --disable-warnings"
LIF = "experiments/benchmarks/lif.py --device {cuda|cpu} {|--shapes 2x16x3x256 --repeats 3} --out {out}/lif.csv"
SCAN = "experiments/benchmarks/scan.py --device {cuda|cpu --lengths 16} --budget {0.3|0.01} --out {out}/../scan.csv"
STEP = (
    "experiments/benchmarks/train_step.py --device {{cuda|cpu}} --modes {} --batch-sizes {} --rival-batch-sizes"
    " --precisions {{float32 bf16|float32}} --budget {{1|0}} --out {{out}}/../train_step.csv"
)
TINY = "--set model.width=16 --set model.num_blocks=1 --set model.num_heads=2 --set training.batch_size=8"
TRAIN = (
    "experiments/train.py --dataset qvhighlights --features {out}/features --splits train val test --split test"
    " --preset paper"
)

PARTS = (
    Part("doctor", ("-m snnvtg.doctor",), 25),
    # right before fast: every variant of every kernel, and every kind of neuron
    Part("lif", ("tests/neurons/device_parity.py --device {cuda|cpu --every 30}",), 65, needs=("triton",)),
    Part("scan", ("tests/scan/device_parity.py --device {cuda|cpu --every 40}",), 65, needs=("triton",)),
    Part("lif-speed", (LIF,), 45),
    Part("scan-speed", (SCAN + " --backends {triton torch|cpu torch}",), 50),
    # a whole run of the paper's model at the size of QVHighlights, in both precisions
    Part(
        "training",
        (
            "experiments/tools/random_features.py --out {out}/features {|--queries 24 8 4}",
            f"{TRAIN} --device {{cuda|cpu}} --set training.epochs={{2|1}} {{|{TINY}}} --out {{out}}/float32",
            f"{TRAIN} --device {{cuda|cpu}} --set training.epochs=1 {{--set training.precision=bf16|{TINY}}}"
            " --out {out}/bf16",
        ),
        50,
    ),
    # every model and its spiking forms: a step against the CPU, then trained and measured
    Part(
        "models",
        (
            f"{PYTEST} -m {{gpu|gpu --collect-only}} tests/models",
            "experiments/compare_models.py --device {cuda|cpu} --preset demo --seeds 0 --workers 1"
            " --set training.epochs={4|1} --set data.synthetic.num_train={600|25}"
            " --runs {out}/runs --out {out}/comparison.csv",
        ),
        40,
    ),
    Part(
        "cupy",
        (
            "{-m snnvtg.neurons.conformance spikingjelly-cupy --device cuda|tests/neurons/old_spikingjelly/checks.py}",
            LIF + " --backends {spikingjelly-cupy|torch}",
        ),
        35,
        needs=("cupy", "spikingjelly"),
        site="cupy",
    ),
    Part(
        "mamba-ssm",
        (
            "tests/scan/device_parity.py --device cuda --backends mamba-ssm",
            f"{PYTEST} -m gpu tests/layers/test_mamba.py",
            SCAN,
        ),
        45,
        needs=("mamba_ssm", "selective_scan_cuda"),
    ),
    Part("graphs", (STEP.format("{graph eager|eager}", "{64 256|2}"),), 45),
    # the estimate beside what the meter of the device says
    Part(
        "energy",
        (
            "experiments/train.py --device {cuda|cpu} --preset demo --set training.epochs={4|1} --out {out}/demo",
            "experiments/energy_report.py --checkpoint {out}/demo/best.pt --device {cuda|cpu} --measure"
            " --queries {20|4} --timesteps 4 --out {out}/report",
        ),
        40,
        needs=("pynvml",),
    ),
    # one model on all GPUs there are, beside one process without NCCL; of a single GPU the path is shown, not the split
    Part(
        "nccl",
        (
            "experiments/benchmarks/parallel_training.py --device {cuda|cpu} --models spikemba spikemba_retrieval"
            " {--precisions float32 bf16 --tolerance 0.02|--processes 2 --epochs 1 --queries 21}"
            " --out {out}/../training_parallel.csv",
        ),
        30,
    ),
    # what other people's programs do to the kernels; those of all values are compiled by now
    Part("conformance", ("-m snnvtg.neurons.conformance {fused --device cuda|--help}",), 20),
    # whatever else is marked for a GPU
    Part("tests", (f"{PYTEST} -m {{gpu|gpu --collect-only}} --maxfail=20 tests",), 15, needs=("hypothesis",)),
    # compiling takes minutes: what time is left, or a second call
    Part("compiled", (STEP.format("{compiled|eager}", "{64|2}") + " --keep",), 5),
)


def options() -> argparse.Namespace:
    """The command line, read without any package that may be missing."""
    names = [part.name for part in PARTS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=names, choices=names, metavar="PART", help=", ".join(names))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="installing and all parts together")
    parser.add_argument("--out", type=Path, default=os.environ.get("SNNVTG_GPU_OUT"), help="default: runs/gpu_checks")
    parser.add_argument("--rehearse", action="store_true", help="every command on the CPU, small")
    return parser.parse_args()


def main(given: argparse.Namespace) -> int:
    """Install, run, write; the exit status."""
    end = time.monotonic() + given.seconds
    wheels = Path(os.environ.get("SNNVTG_WHEELS", ROOT / "no wheels"))
    if "SNNVTG_WHEELS" in os.environ and not wheels.is_dir():
        print(f"error: SNNVTG_WHEELS={wheels}: no such folder; name one with *.whl, or unset it", file=sys.stderr)
        return 2
    import torch

    if not (torch.cuda.is_available() or given.rehearse):
        print("error: no CUDA device: these checks need one; --rehearse runs them on the CPU", file=sys.stderr)
        return 2
    work = ROOT / "runs" / ("gpu_rehearsal" if given.rehearse else "gpu_checks")
    place = Place(work, Path(given.out or work), given.rehearse)
    for refused in install(wheels, work / "sites"):
        print(f"not installed: {refused}", flush=True)
    results = run_all([part for part in PARTS if part.name in given.only], place, end)
    print(f"wrote gpu_checks.json, gpu_checks.md and gpu_checks.tar.gz to {place.out}")
    return int(any(result.outcome not in ("passed", "not installed") for result in results))


if __name__ == "__main__":
    sys.exit(main(options()))
