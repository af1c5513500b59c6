"""The commands: one module each with `Options` and `main`; `experiments/` and the console script start them."""

import importlib

from snnvtg.interrupts import answered

COMMANDS = {
    "timestep-sweep": "accuracy, firing rate and energy against the number of time steps",
    "ablation": "declared sweeps: which part of a model earns its keep, and at what energy",
    "plan": "what declared sweeps will cost: models, hours, memory, disk; afterwards, how right that was",
    "progress": "how far a sweep is that runs elsewhere: a live table from its folder",
    "train": "train one model and measure it",
    "predict": "write a trained model's answers to a split as a submission file",
    "evaluate": "score a submission file with the figures of the official evaluator",
    "compare": "compare two models on the same queries: paired differences with intervals",
    "compare-models": "every model on the same data, seeds, figures and ledger: one table",
    "energy-report": "what a trained model costs under every published convention",
    "report": "one HTML page of everything in reports/, each number with its origin",
    "explore": "record spikes of a trained model for the raster explorer of that page",
    "ground": "ask a trained model for a moment in words",
    "cross-validate": "how good is a setting, without opening the test split",
    "index": "put videos into a store that is searched in words",
    "search": "ask a store in words: which video, and where in it",
    "video-retrieval": "which video holds the moment: every query against every video",
}
"""name -> what it does; the module has underscores"""


def start(name: str) -> None:
    """Run the command `name`; an interrupt is answered from the first import on."""
    with answered(lambda: "nothing was begun"):
        importlib.import_module(f"{__name__}.{name.replace('-', '_')}").start()
