"""How much work an operation without a rule may stand for: at the most, from the shapes of what it reads and writes."""

from collections.abc import Sequence

from torch import Tensor


def most_operations(operands: Sequence[Tensor], results: Sequence[Tensor], *, pointwise: bool) -> int:
    """Upper bound for one operation.

    Element-wise operations do one thing an entry. In any other, each entry of the largest result may use every entry of
    the second largest operand (of two: in a product no entry meets more), or of the only one.
    """
    out = max((tensor.numel() for tensor in results), default=0)
    sizes = sorted((tensor.numel() for tensor in operands), reverse=True)
    if pointwise or not sizes:
        return max(out, *sizes, 1)
    return max(out * sizes[min(1, len(sizes) - 1)], sizes[0])
