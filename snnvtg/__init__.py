"""snnvtg: what spiking buys, and what it costs, in video temporal grounding.

    data = snnvtg.load_data()                             # the embedded synthetic set; a folder: load_data("FOLDER")
    recipe = snnvtg.recipe("demo", "training.epochs=2")   # a model's preset, with settings as --set takes them
    checkpoint = snnvtg.train(recipe, data, seed=0)       # or snnvtg.load_checkpoint(Path("best.pt"))
    model = checkpoint.build()
    figures, answers = snnvtg.evaluate(model, data.val)

    with snnvtg.FiringRates(model) as rates, snnvtg.Ledger(model) as ledger:
        snnvtg.predict(model, data.val)

The names below are imported when they are first asked for: `import snnvtg` costs milliseconds.
"""

from snnvtg.lazy import lazily

__version__ = "0.1.0"

_PLACES = {
    "DataSource": "snnvtg.data.source",
    "DataSplits": "snnvtg.data.dataset",
    "SyntheticConfig": "snnvtg.data.synthetic_config",
    "load_data": "snnvtg.surface",
    "GroundingModel": "snnvtg.models",
    "Recipe": "snnvtg.models",
    "model": "snnvtg.surface",
    "recipe": "snnvtg.surface",
    "Checkpoint": "snnvtg.training",
    "evaluate": "snnvtg.training",
    "load_checkpoint": "snnvtg.training",
    "predict": "snnvtg.surface",
    "train": "snnvtg.training",
    "trained": "snnvtg.surface",
    "LIF": "snnvtg.neurons",
    "LIFParameters": "snnvtg.neurons",
    "set_backend": "snnvtg.neurons",
    "FiringRates": "snnvtg.instrumentation",
    "Rasters": "snnvtg.instrumentation",
    "COST_MODELS": "snnvtg.energy",
    "Ledger": "snnvtg.energy",
    "energy_pj": "snnvtg.energy",
    "InputError": "snnvtg.errors",
}
__all__ = ["__version__", *_PLACES]
__getattr__, __dir__ = lazily(__name__, _PLACES)
