"""One training step and one inference of a whole SpikeMba, timed by part, on our pieces or on the rivals'."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from statistics import median
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from snnvtg.composite import observe
from snnvtg.models import SpikeMba
from snnvtg.neurons import set_backend
from snnvtg.records import Batch, Query
from snnvtg.scan import rivals
from snnvtg.training import TrainingConfig
from snnvtg.training.losses import grounding_losses

PARTS = {
    "LIF": ("snnvtg::lif", "lif_"),
    "scan": ("snnvtg::selective_scan", "snnvtg::bidirectional", "selective_scan"),
    "convolution": (
        "snnvtg::causal_conv1d",
        "aten::convolution",
        "aten::mkldnn_convolution",
        "aten::cudnn_convolution",
    ),
    "products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm"),
    "optimiser": ("aten::_fused_adam", "Optimizer."),
}


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


def steps(model: SpikeMba, batch: Batch, compiled: bool) -> dict[str, Callable[[], None]]:
    """The two things to time: a whole training step and an inference."""
    config = TrainingConfig()
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate, weight_decay=1e-4, fused=True)
    run = torch.compile(model) if compiled else model

    def training() -> None:
        model.train()
        loss = sum(grounding_losses(run(batch), batch, config.loss).values())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.gradient_clip)
        optimiser.step()

    @torch.no_grad()
    def inference() -> None:
        model.eval()
        run(batch)

    return {"training step": training, "inference": inference}


def measure(call: Callable[[], None], device: str, budget: float) -> float:
    """Median milliseconds of a call, after one to warm up: at least three, as many as fit in `budget` seconds."""
    synchronise = torch.cuda.synchronize if device == "cuda" else lambda: None
    call()
    times: list[float] = []
    while len(times) < 3 or (sum(times) < budget and len(times) < 50):
        synchronise()
        start = time.perf_counter()
        call()
        synchronise()
        times.append(time.perf_counter() - start)
    return 1e3 * median(times)


def by_part(call: Callable[[], None], device: str) -> dict[str, float]:
    """Share of the time of one call in each of PARTS, forward and backward together; the rest is `elementwise`."""
    with profile(activities=[ProfilerActivity.CUDA if device == "cuda" else ProfilerActivity.CPU]) as recorded:
        call()
    spent = dict.fromkeys(PARTS, 0.0)
    total = 0.0
    for event in recorded.key_averages():
        own = event.self_device_time_total if device == "cuda" else event.self_cpu_time_total
        total += own
        part = next((p for p, names in PARTS.items() if any(n in event.key for n in names)), None)
        if part is not None:
            spent[part] += own
    shares = {part: value / total for part, value in spent.items()}
    return {**shares, "elementwise": 1 - sum(shares.values())}


def product_peak(device: str) -> float:
    """Multiply-adds a second of a large float32 matrix product here."""
    side = 8192 if device == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device) for _ in range(2))
    return side**3 / (measure(lambda: a @ b, device, 1.0) / 1e3)


def pieces(name: str, model: SpikeMba):
    """The block within which the model runs on `ours` or on the `rival` pieces."""
    return rival_pieces(model) if name == "rival" else nullcontext()
