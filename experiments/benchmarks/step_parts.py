"""One training step and one inference of a whole SpikeMba, timed by part, on our pieces or on the rivals'."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from statistics import median
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

import scan_rivals as rivals
from graph_capture import graphed
from snnvtg.leaf_ops import observe
from snnvtg.models import TrainingConfig
from snnvtg.models.spikemba import SpikeMba
from snnvtg.neurons import set_backend
from snnvtg.records import Batch, Query

# the part an operator belongs to, by its own name or that of one it runs in
PARTS = {
    "LIF": ("snnvtg::lif", "lif_"),
    "scan": ("snnvtg::selective_scan", "snnvtg::bidirectional", "selective_scan", "SelectiveScan"),
    "convolution": (
        "snnvtg::causal_conv1d",
        "aten::convolution",
        "aten::mkldnn_convolution",
        "aten::cudnn_convolution",
    ),
    "products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm"),
    "optimiser": ("aten::_fused_adam", "Optimizer."),
}
# parts that are places in the model or in the step, whatever operators run there; their products count to them
PLACES = ("heads", "loss")
HEADS = ("norm", "pool_query", "foreground", "boundary")
MODES = ("eager", "compiled", "graph")


def random_batch(size: int, num_clips: int, num_tokens: int, video_width: int, text_width: int) -> Batch:
    """Full-length queries with one moment each; QVHighlights has 75 clips."""
    torch.manual_seed(0)
    foreground = torch.zeros(size, num_clips, dtype=torch.bool)
    foreground[:, num_clips // 4 : num_clips // 2] = True
    return Batch(
        queries=tuple(Query(i, f"query {i}", f"video {i}", 2.0 * num_clips) for i in range(size)),
        video=torch.randn(size, num_clips, video_width),
        video_mask=torch.ones(size, num_clips, dtype=torch.bool),
        text=torch.randn(size, num_tokens, text_width),
        text_mask=torch.ones(size, num_tokens, dtype=torch.bool),
        clip_length=2.0,
        foreground=foreground,
        boundaries=torch.rand(size, num_clips, 2) * 8 * foreground.unsqueeze(-1),
        saliency=foreground.float(),
    )


@contextmanager
def rival_pieces(model: SpikeMba) -> Iterator[None]:
    """Within the block the model runs on snnTorch's neurons and mambapy's scan, one direction after the other."""
    set_backend(model, "snntorch")
    scan = rivals.mambapy()

    def instead(name: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        if name != "bidirectional_selective_scan":
            return function(*args, **kwargs)
        ahead, back = args
        z = kwargs.get("z")
        opened = torch.full_like(ahead.u, 1.2784645) if z is None else z  # silu(1.2784645) = 1
        one = scan(ahead.u, ahead.delta, ahead.A, ahead.B, ahead.C, ahead.D, opened, ahead.delta_bias)
        turned = (t.flip(1) for t in (back.u, back.delta))
        u, delta = turned
        B, C = back.B.flip(1), back.C.flip(1)
        return one + scan(u, delta, back.A, B, C, back.D, opened.flip(1), back.delta_bias).flip(1)

    try:
        with observe(instead):
            yield
    finally:
        set_backend(model, "auto")


def steps(
    model: SpikeMba, batch: Batch, mode: str = "eager", precision: str = "float32"
) -> dict[str, Callable[[], None]]:
    """The two things to time: a whole training step and an inference. `mode` is one of MODES, the last for a GPU."""
    config = TrainingConfig()
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate, weight_decay=1e-4, fused=True)
    device = batch.video.device.type
    reading = learning = torch.compile(model) if mode == "compiled" else model
    if mode == "graph":
        learning, reading = graphed(model, batch, True, precision), graphed(model, batch, False, precision)

    def mixed():
        return torch.autocast(device, torch.bfloat16, enabled=precision == "bf16")

    def training() -> None:
        model.train()
        with mixed():
            output = learning(batch)
        with record_function("place: loss"):
            loss = sum(model.losses(output, batch).values())
        optimiser.zero_grad(set_to_none=mode != "graph")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.gradient_clip)
        optimiser.step()

    @torch.no_grad()
    def inference() -> None:
        model.eval()
        with mixed():
            reading(batch)

    return {"training step": training, "inference": inference}


def median_ms(call: Callable[[], None], device: str, budget: float) -> float:
    """Median milliseconds of calls after one to warm up: as many as `budget` seconds hold, at least 3; one for 0."""
    synchronise = torch.cuda.synchronize if device == "cuda" else lambda: None
    call()
    times: list[float] = []
    while len(times) < (3 if budget else 1) or (sum(times) < budget and len(times) < 50):
        synchronise()
        start = time.perf_counter()
        call()
        synchronise()
        times.append(time.perf_counter() - start)
    return 1e3 * median(times)


@contextmanager
def _places(model: SpikeMba) -> Iterator[None]:
    """Within the block the profiler sees which operators run in the model's heads."""
    open_ranges, hooks = [], []

    def enter(module, args):
        open_ranges.append(record_function("place: heads"))
        open_ranges[-1].__enter__()

    def leave(module, args, output):
        open_ranges.pop().__exit__(None, None, None)

    for name in HEADS:
        module = getattr(model, name)
        hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def by_part(call: Callable[[], None], device: str, model: SpikeMba | None = None) -> dict[str, float]:
    """Share of the time of one call in each of PARTS and PLACES, forward and backward; the rest is `elementwise`.

    On a GPU the time is the device's, and `busy` the share of the call in which the device had a kernel to run: near 1
    the step is bound by memory or arithmetic, far below it by launches. Without `model` the heads are not told apart.
    """
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device == "cuda" else [])]
    with _places(model) if model is not None else nullcontext():
        took = median_ms(call, device, 0.0) / 1e3
        with profile(activities=activities) as recorded:
            call()
            if device == "cuda":
                torch.cuda.synchronize()
    # an operator on the CPU owns the kernels it launched; kernels are listed a second time by themselves
    events = [event for event in recorded.events() if event.device_type == torch.autograd.DeviceType.CPU]
    # an operator without a gradient bears the number of the next one that has: the last to bear it counts
    forward = {e.sequence_nr: _place(e) for e in events if e.sequence_nr >= 0 and _backward(e) is None}
    spent = dict.fromkeys((*PARTS, *PLACES, "elementwise"), 0.0)
    for event in events:
        own = event.self_device_time_total if device == "cuda" else event.self_cpu_time_total
        spent[_part(event, forward)] += own
    total = sum(spent.values())
    shares = {part: value / total if total else float("nan") for part, value in spent.items()}
    return {**shares, "busy": total / 1e6 / took} if device == "cuda" else shares


def _ancestors(event) -> Iterator:
    while event is not None:
        yield event
        event = event.cpu_parent


def _place(event) -> str | None:
    names = (e.name.removeprefix("place: ") for e in _ancestors(event) if e.name.startswith("place: "))
    return next(names, None)


def _backward(event):
    """The node of the backward pass an operator runs in."""
    return next((e for e in _ancestors(event) if e.name.startswith("autograd::engine::evaluate_function")), None)


def _part(event, forward: dict[int, str | None]) -> str:
    """The part of an operator; one of the backward pass belongs to the place where its forward operator ran."""
    node = _backward(event)
    place = _place(event) if node is None else forward.get(node.sequence_nr)
    if place is not None:
        return place
    named = (part for e in _ancestors(event) for part, names in PARTS.items() if any(name in e.name for name in names))
    return next(named, "elementwise")


def product_peak(device: str, precision: str = "float32") -> float:
    """Multiply-adds per second of a large matrix product here."""
    side = 8192 if device == "cuda" else 2048
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return side**3 / (median_ms(lambda: a @ b, device, 1.0) / 1e3)


def pieces(name: str, model: SpikeMba):
    """The block within which the model runs on `ours` or on the `rival` pieces."""
    return rival_pieces(model) if name == "rival" else nullcontext()
