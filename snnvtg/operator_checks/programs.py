"""Checks with tracing, compiling and exporting at other sizes, in-place use and torch.library.opcheck."""

import warnings

import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend

from snnvtg.operator_checks.subject import Mismatch, Trial, gradients, leaves, loss, same, same_answer, same_values

SIZES = (3, 5, 2, 7, 4, 6)  # the first is the size a program is made with


class Wrapped(torch.nn.Module):
    """The trial as a module, for torch.export."""

    def __init__(self, trial: Trial):
        super().__init__()
        self.run = trial.run

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return self.run(*tensors)


def jit_trace_at_another_size(trial: Trial) -> None:
    """A function traced at one size and called at others, smaller and larger, with gradients."""

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        return trial.run(*tensors)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(run, trial.inputs(SIZES[0], 0), check_trace=False)
    for size in SIZES:
        inputs = trial.inputs(size, size)
        expected = gradients(trial.reference, inputs)
        try:
            mine = gradients(traced, inputs)
        except Exception:
            # a loop over time is unrolled by the tracer, so torch itself refuses another length
            continue
        same_values(trial, f"traced at {SIZES[0]}, called at {size}: output", mine[0], expected[0])
        same(f"traced at {SIZES[0]}, called at {size}: gradient", mine[1], expected[1], trial.tolerance)


def compiled_with_dynamic_sizes(trial: Trial) -> None:
    """torch.compile(fullgraph=True) compiles a second time at most as it goes dynamic by itself, never when told to."""
    for dynamic, allowed in ((None, 1), (True, 0)):
        torch._dynamo.reset()
        counter = CompileCounterWithBackend("aot_eager")
        compiled = torch.compile(trial.run, backend=counter, fullgraph=True, dynamic=dynamic)
        first = None
        for size in SIZES:
            same_answer(trial, compiled, trial.inputs(size, size), f"compiled, dynamic={dynamic}: ")
            first = first or counter.frame_count
        again = counter.frame_count - first
        if again > allowed:
            raise Mismatch(f"dynamic={dynamic}: {again} recompilations for {len(SIZES)} sizes, expected {allowed}")
    torch._dynamo.reset()


def exported_with_dynamic_sizes(trial: Trial) -> None:
    """torch.export with every axis dynamic that changes with the size, run at other sizes."""
    example, other = trial.inputs(SIZES[0], 0), trial.inputs(SIZES[1], 0)
    dynamic = tuple(
        {axis: torch.export.Dim.DYNAMIC for axis in range(one.dim()) if one.shape[axis] != two.shape[axis]}
        for one, two in zip(example, other, strict=True)
    )
    program = torch.export.export(Wrapped(trial), example, dynamic_shapes=(dynamic,)).module()
    for size in SIZES:
        inputs = trial.inputs(size, size)
        same_values(trial, f"exported, called at {size}: output", program(*inputs), trial.reference(*inputs))


def results_changed_in_place(trial: Trial) -> None:
    """`out += 1` and `out[0] = 0`, small and large: the values and gradients of the same without a backend."""

    def changed(function):
        def run(*tensors: Tensor) -> tuple[Tensor, ...]:
            outputs = function(*tensors)
            for out in outputs:
                out += 1
                out *= 2
                out.select(0, 0).zero_()
            return outputs

        return run

    for size in (SIZES[0], trial.large):
        inputs = trial.inputs(size, 0)
        expected = gradients(changed(trial.reference), inputs)
        mine = gradients(changed(trial.run), inputs)
        same_values(trial, f"in place at size {size}: output", mine[0], expected[0])
        same(f"in place at size {size}: gradient", mine[1], expected[1], trial.tolerance)


def inputs_are_left_alone(trial: Trial) -> None:
    """Inputs keep their values, and one changed between forward and backward is noticed or does not matter."""
    inputs = trial.inputs(SIZES[0], 0)
    before = [t.clone() for t in inputs]
    _, expected = gradients(trial.run, inputs)
    same("input after the run", inputs, before, 0.0)
    for i in range(len(inputs)):
        tensors = leaves(inputs)
        used = [t * 1 for t in tensors]
        value = loss(trial.run(*used))
        used[i].add_(1)
        try:
            mine = torch.autograd.grad(value, tensors)
        except RuntimeError as error:
            if "modified by an inplace operation" in str(error):
                continue
            raise
        same(f"input {i} changed before the backward: gradient", mine, expected, trial.tolerance)


def opcheck(trial: Trial) -> None:
    """torch.library.opcheck of every registered operator behind the backend."""
    for operator, arguments in trial.operators():
        torch.library.opcheck(operator, arguments)


CHECKS = (
    jit_trace_at_another_size,
    compiled_with_dynamic_sizes,
    exported_with_dynamic_sizes,
    results_changed_in_place,
    inputs_are_left_alone,
    opcheck,
)
