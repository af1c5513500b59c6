"""Accuracy against energy: one network read out at every T, and networks of a sweep retrained for each."""

from pathlib import Path

import pandas as pd

from snnvtg.errors import InputError, first_line

TOLD_APART = ("model", "row")
"""columns of a sweep's table that make another series, where they are; of a row's name what is not its T"""


def trade_table(models: pd.DataFrame, accuracy: pd.DataFrame, metric: str, sweep: Path | None = None) -> pd.DataFrame:
    """Rows of series, energy_pj (45 nm, fp32), the metric and a label; `models` and `accuracy` are a report's.

    Also `low` and `high` of the metric: what `accuracy` has as METRIC_low and METRIC_high, and a standard deviation
    over the seeds of the sweep to both sides; NaN where nothing is known.
    """
    spiking = models[models["cost_model"] == "45nm_fp32"].merge(accuracy, on="num_timesteps")
    if metric not in spiking:
        raise InputError(f"--metric: expected one of {', '.join(map(str, accuracy.columns[1:]))}, got {metric!r}")
    rows = pd.DataFrame(
        {
            "series": "one model read out at T",
            "energy_pj": spiking["spiking_pj"],
            metric: spiking[metric],
            "low": spiking.get(f"{metric}_low", float("nan")),
            "high": spiking.get(f"{metric}_high", float("nan")),
            "label": [f"T={step:g}" for step in spiking["num_timesteps"]],
        }
    )
    return rows if sweep is None else pd.concat([rows, retrained(sweep, metric)[rows.columns]], ignore_index=True)


def retrained(sweep: Path, metric: str) -> pd.DataFrame:
    """Mean energy and accuracy by T of a sweep's table; InputError where it is something else."""
    try:
        table = pd.read_csv(sweep)
        steps = next(name for name in ("num_timesteps", "model.num_timesteps") if name in table)
        table = table.dropna(subset=["energy_pj", metric, steps])
        if "row" in table:
            table["row"] = table["row"].astype(str).str.replace(r"\bnum_timesteps=\S+\s*", "", regex=True)
        series = [name for name in TOLD_APART if name in table and table[name].nunique() > 1]
        numbers = table.astype(dict.fromkeys(("energy_pj", metric, steps), float))
        grouped = numbers.groupby([*series, steps])
        means = grouped[["energy_pj", metric]].mean()
        spread = grouped[metric].std()
        means = means.assign(low=means[metric] - spread, high=means[metric] + spread).reset_index()
    except (
        OSError,
        LookupError,
        ArithmeticError,
        StopIteration,
        TypeError,
        ValueError,
    ) as error:  # pandas' are the last
        expected = f"num_timesteps, energy_pj and {metric}"
        raise InputError(
            f"{sweep}: expected the CSV of experiments/timestep_sweep.py, with {expected} ({first_line(error)})"
        ) from None
    names = means[series].astype(str).agg(", ".join, axis=1) if series else pd.Series("", index=means.index)
    return means.assign(
        series=("retrained at T, " + names.str.strip()).str.removesuffix(", "),
        label="T=" + means[steps].astype(int).astype(str),
    )
