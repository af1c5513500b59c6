"""One executed operation as a counting rule sees it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from snnvtg.energy.account import Counts
from snnvtg.energy.origin import BINARY, Mark

if TYPE_CHECKING:  # the table of operators, which provenance reads, is made of rules
    from snnvtg.energy.provenance import Provenance


@dataclass(slots=True)
class Call:
    """Arguments and result of an aten operation, and the marks of its operands.

    Rules on matrices also note what drove the operation, `spikes_in` of `dense_in` entries, and the bias.
    """

    name: str
    args: tuple
    kwargs: dict[str, Any]
    out: Any
    provenance: "Provenance"
    spikes_in: int = 0
    dense_in: int = 0
    spike_operands: int = 1
    bias: Tensor | None = None
    skip_zero_weights: bool = False

    @property
    def result(self) -> Tensor:
        """The first output."""
        return self.out[0] if isinstance(self.out, tuple | list) else self.out

    @property
    def numel(self) -> int:
        """Entries of the first output."""
        return self.result.numel()

    def arg(self, position: int, name: str, default: Any = None) -> Any:
        """An argument given by position or by name."""
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)

    def is_spike(self, value: object) -> bool:
        """Whether an operand descends from a LIF layer unmixed."""
        return self.provenance.is_spike(value)

    def is_weight(self, value: object) -> bool:
        """Whether an operand is a parameter or buffer of the model."""
        return self.provenance.get(value) is Mark.WEIGHT

    def is_binary(self, value: object) -> bool:
        """Whether an operand is a spike tensor or a mask: a product with it is a choice, not a multiplication."""
        return self.provenance.get(value) in BINARY


def counts(**kinds: int) -> Counts:
    """Counts that skip nothing: effective and dense are the same. Kinds of count 0 are left out."""
    return {kind: (count, count) for kind, count in kinds.items() if count}
