"""What the counted operations may cost: cost models, each a small table file that names its source.

`compute` models price every operation by kind (45 nm, one width). `chip` models price synaptic operations and neuron
updates on a neuromorphic chip and everything else on a `host`, another model: a chip's table says nothing of a
softmax. No single number is the answer: `pricing.COST_MODELS` is the range.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from snnvtg.errors import InputError

TABLES = Path(__file__).parent / "tables"
ARITHMETIC = ("mac", "ac", "mul", "add", "compare", "select", "logic")
SPECIAL = ("exp", "log", "trig", "erf", "div", "sqrt", "random")


@dataclass(frozen=True)
class CostModel:
    """Prices in pJ.

    compute: `pj` holds the ARITHMETIC kinds; a SPECIAL function costs `special_in_muls[kind]` × `special_mul_pj`.
    chip: `pj` holds `synop` and `neuron_update`; the rest is priced by `host`, and so are the operations of a neuron
    update where the source gives no price of one (null).
    """

    name: str
    kind: Literal["compute", "chip"]
    title: str
    source: str
    pj: Mapping[str, float | None]
    node_nm: int | None = None
    width_bits: int | None = None
    special_in_muls: Mapping[str, float] | None = None
    special_mul_pj: float | None = None
    host: str | None = None
    note: str = ""

    def __post_init__(self):
        needed = ARITHMETIC if self.kind == "compute" else ("synop", "neuron_update")
        missing = [key for key in needed if key not in self.pj]
        if self.kind == "compute":
            missing += [f"special_in_muls.{key}" for key in SPECIAL if key not in (self.special_in_muls or {})]
        if missing:
            raise InputError(
                f"cost model {self.name!r}: expected prices for {', '.join(missing)}; add them to its table"
            )
        if self.kind == "chip" and self.host is None:
            raise InputError(f"cost model {self.name!r}: expected `host`, the model that prices what is no synop")
        unknown = [key for key, price in self.pj.items() if price is None and key != "neuron_update"]
        if unknown:
            raise InputError(f"cost model {self.name!r}: expected a price for {', '.join(unknown)}, got null")
        if any(price is not None and price < 0 for price in self.pj.values()):
            raise InputError(f"cost model {self.name!r}: expected prices of at least 0 pJ, got {dict(self.pj)}")


def load_cost_model(path: str | Path) -> CostModel:
    """Read a cost model from a JSON table (the fields of CostModel)."""
    path = Path(path)
    try:
        return CostModel(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a cost model as in {TABLES}") from None
    except (json.JSONDecodeError, TypeError) as error:
        raise InputError(f"{path}: expected a JSON object with the fields of CostModel ({error})") from None
