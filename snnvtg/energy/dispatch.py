"""Operations as torch dispatches them: what is known of each, and which are handed on."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from snnvtg.energy.operators import OPERATORS, UNKNOWN, Operator
from snnvtg.energy.rules import Rule

aten = torch.ops.aten
SEQUENCES = (tuple, list)
BINDINGS: dict[Any, Callable] = {
    aten.view.default: Tensor.view,
    aten.t.default: torch.t,
    aten.transpose.int: torch.transpose,
    aten.unsqueeze.default: torch.unsqueeze,
    aten.select.int: torch.select,
    aten.permute.default: torch.permute,
    aten._unsafe_view.default: Tensor.view,
    aten.expand.default: Tensor.expand,
    aten.squeeze.dim: torch.squeeze,
    aten.split_with_sizes.default: torch.split_with_sizes,
    aten.detach.default: torch.detach,
    aten.mm.default: torch.mm,
    aten.bmm.default: torch.bmm,
    aten.addmm.default: torch.addmm,
    aten.mul.Tensor: torch.mul,
    aten.add.Tensor: torch.add,
    aten.sub.Tensor: torch.sub,
    aten.div.Tensor: torch.div,
    aten.native_layer_norm.default: torch.native_layer_norm,
    aten._softmax.default: torch._softmax,
    aten.convolution.default: torch.convolution,
    aten.cat.default: torch.cat,
    aten.stack.default: torch.stack,
    **{getattr(aten, name).default: getattr(torch, name) for name in "exp neg relu rsqrt sin cos bitwise_not".split()},
}
"""the same operation by torch's own binding, which reads its arguments faster"""


@dataclass(slots=True, eq=False)
class Operation:
    """What is known of one operator overload.

    `name` is without overload and trailing underscore, functions outside aten keep their namespace; `title` is what
    records call it. `out`: names of results that are handed in. `composite`: torch defines it through others and no
    rule prices it whole. `repeats`: alike for operands of the same shapes and origins. `run`: how it is called.
    `looks_up`: it reads of its first operand what it returns. `cancels`: of a tensor and itself it makes zeros.
    `entry`: what the table of operators says of it. `seen`: what a recorder remembers of its calls.
    """

    name: str
    title: str
    rule: Rule | None
    known: bool
    mutates: bool
    aliases: bool
    silent: bool
    composite: bool
    allocates: bool
    overwrites: bool
    pointwise: bool
    product: bool
    looks_up: bool
    repeats: bool
    reads_spikes: bool
    out: frozenset[str]
    hidden_in_neurons: bool
    cancels: bool
    entry: Operator
    run: Callable
    seen: dict[tuple, Any] = field(default_factory=dict)


def describe(func: Any, rules: Mapping[str, Rule | None]) -> Operation:
    """Facts of an overload; `rules` are a user's, by name, None for one that computes nothing."""
    schema, packet = func._schema, func._overloadpacket.__name__
    mutates = any(a.alias_info is not None and a.alias_info.is_write for a in schema.arguments)
    name = packet if func.namespace == "aten" else f"{func.namespace}::{packet}"
    plain = name.rstrip("_") if mutates else name
    users = next((key for key in (name, plain) if key in rules), None)
    own, entry = OPERATORS.get(name, UNKNOWN), OPERATORS.get(plain, UNKNOWN)  # `name` may end in an underscore
    rule = entry.rule if users is None else rules[users]
    known = users is not None or rule is not None or own.free or entry.free
    implicit = torch._C.DispatchKey.CompositeImplicitAutograd
    return Operation(
        name=plain,
        title=plain if "::" in plain else f"aten.{plain}",
        rule=rule,
        known=known,
        mutates=mutates,
        aliases=any(r.alias_info is not None for r in schema.returns),
        silent=own.silent and users is None,
        composite=rule is None
        and users is None
        and torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), implicit),
        allocates=entry.allocates,
        overwrites=own.overwrites,
        product=entry.product,
        looks_up=entry.looks_up,
        reads_spikes=entry.reads_spikes,
        repeats=known and users is None and not mutates,
        out=frozenset(a.name for a in schema.arguments if a.is_out),
        hidden_in_neurons=entry.family == "elementwise" or (known and rule is None),
        pointwise=torch.Tag.pointwise in func.tags,
        cancels=plain == "sub",
        entry=entry,
        run=BINDINGS.get(func) or getattr(func, "_op", func),
    )


_described: dict[int, Operation] = {}


class Dispatched(TorchDispatchMode):
    """Hands every operation that torch executes to `operation(facts, args, kwargs, out)`, unless it touches no entry.

    `before(facts, args)` is called in front of those that write to an argument. `rules` are a user's own. While the
    backward pass `looks_away` runs (a leaf operation's), nothing is handed on.
    """

    def __init__(self, operation: Callable[..., None], before: Callable[..., None], rules: Mapping[str, Rule | None]):
        super().__init__()
        self.operation, self.before, self.rules = operation, before, rules
        self.facts = {} if rules else _described
        self.looks_away: int | None = None

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # a ledger sets torch.compile's stance once; asking at every operation doubles its cost

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if self.looks_away is not None and self.looks_away == torch._C._current_graph_task_id():
            return func(*args, **(kwargs or {}))
        facts = self.facts.get(id(func))  # overloads live for ever, and their own hash is slow
        if facts is None:
            facts = self.facts[id(func)] = describe(func, self.rules)
        if facts.composite:  # first: a reshape may be a copy
            with self:
                return func.decompose(*args, **(kwargs or {}))
        if facts.silent:
            return func(*args, **kwargs) if kwargs else facts.run(*args)
        if facts.mutates:
            with unseen():
                self.before(facts, args)
        out = func(*args, **kwargs) if kwargs else facts.run(*args)
        self.operation(facts, args, kwargs or {}, out)
        return out


def unseen() -> AbstractContextManager:
    """What a ledger computes for itself is no work of the model, not to a ledger around it either."""
    return torch._C._DisableTorchDispatch()


def tensors_in(values: Iterable[Any]) -> Iterator[Tensor]:
    """The tensors among the arguments or results of an operation, also in its lists."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, SEQUENCES):
            yield from (v for v in value if isinstance(v, Tensor))


def is_expanded(tensor: Tensor) -> bool:
    """Whether an axis of the tensor holds one entry that is shown several times."""
    return tensor.layout is torch.strided and 0 in tensor.stride()


def stored_bytes(tensor: Tensor) -> int:
    """Bytes of the entries that lie in memory: an axis that was only expanded holds one."""
    if not is_expanded(tensor):
        return tensor.numel() * tensor.element_size()
    stored = math.prod(n for n, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride or not n)
    return stored * tensor.element_size()
