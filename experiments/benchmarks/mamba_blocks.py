"""The whole Mamba block on a GPU, ours on each backend against mamba-ssm's own, on the same weights."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import torch
from torch import Tensor, nn

from measuring import replay_ms
from scan_timing import Setting
from snnvtg.layers.mamba import Mamba, MambaConfig
from snnvtg.memory import peak_of
from snnvtg.scan import available_backends
from step_parts import median_ms

THEIRS = "block: mamba_ssm.Mamba"


def blocks(setting: Setting, names: tuple[str, ...] = ()) -> dict[str, Callable[[], nn.Module]]:
    """A maker of each block by name: ours on each backend (all that run, or `names`), and mamba-ssm's own."""
    config = MambaConfig(setting.D // 2, setting.N)
    here = [name for name, reasons in available_backends(setting.device).items() if not reasons and name != "reference"]
    makers = {f"block: {name}": (lambda name=name: Mamba(config, name)) for name in names or here}

    return makers if names else {**makers, THEIRS: lambda: _their_module().Mamba(config.d_model, config.d_state)}


def _their_module() -> ModuleType:
    """Raises ImportError where it cannot be had."""
    name = "mamba_ssm.modules.mamba_simple"
    try:
        return import_module(name)
    except ImportError as first:
        spec = find_spec("mamba_ssm")
        if spec is None:
            raise
        # its __init__ also imports Mamba-3 and with it packages that the first Mamba does not need
        package = ModuleType("mamba_ssm")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["mamba_ssm"] = package
        try:
            return import_module(name)
        except ImportError as error:
            raise error from first
        finally:
            # a later `import mamba_ssm` must run the real one
            del sys.modules["mamba_ssm"]


def measure_block(make: Callable[[], nn.Module], name: str, setting: Setting) -> Iterator[dict]:
    """Rows as of `scan_timing.measure`, one per direction; raises ImportError where mamba-ssm is missing."""
    torch.manual_seed(0)
    exact = Mamba(MambaConfig(setting.D // 2, setting.N), "torch").to(setting.device)
    block = make().to(setting.device)
    block.load_state_dict(exact.state_dict())
    block, exact = block.to(setting.dtype), exact.double()
    x = torch.randn(setting.B, setting.L, setting.D // 2, device=setting.device).to(setting.dtype).requires_grad_()
    grad = torch.randn_like(x)

    def forward() -> list[Tensor]:
        with torch.no_grad():
            return [block(x)]

    def both() -> list[Tensor]:
        y = block(x)
        return [y.detach(), *torch.autograd.grad(y, [x, *block.parameters()], grad)]

    y = exact(x.detach().double())
    for direction, run in {"forward": forward, "forward+backward": both}.items():
        run()
        peak, (value, *_) = peak_of(run, setting.device)
        sizes = {size: getattr(setting, size) for size in "LBDN"}
        yield {
            "backend": name,
            "device": setting.device,
            "dtype": str(setting.dtype).removeprefix("torch."),
            **sizes,
            "direction": direction,
            "median_ms": median_ms(run, setting.device, setting.budget),
            "peak_mb": peak,
            "max_rel_err": ((value.double() - y).abs().max() / y.abs().max()).item(),
            "graph_ms": replayed(run, setting.device),
        }


def replayed(run: Callable[[], object], device: str) -> float:
    """`replay_ms`, or NaN where the call cannot be captured or there is no GPU."""
    try:
        return replay_ms(run) if device == "cuda" else float("nan")
    except Exception:  # what capturing refuses comes as errors of many kinds
        torch.cuda.synchronize()
        return float("nan")
