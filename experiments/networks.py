"""Networks that others bring, for energy_report.py --network experiments/networks.py:FUNCTION.

A function gives a network and the inputs to count it on, one inference each; a tuple is several arguments. Weights and
inputs are drawn at random: the reports show what is counted, not what a trained network would cost.
"""

import importlib
import sys
import types

import torch
from torch import Tensor, nn


class TimeLoop(nn.Module):
    """snnTorch as its tutorials write it: a loop over T that hands the states on. `recurrent`: RLeaky, all to all."""

    def __init__(self, recurrent: bool, num_steps: int = 10):
        super().__init__()
        import snntorch

        self.recurrent, self.num_steps = recurrent, num_steps
        self.fc1, self.fc2 = nn.Linear(784, 256), nn.Linear(256, 10)
        self.lif1 = snntorch.RLeaky(beta=0.9, linear_features=256) if recurrent else snntorch.Leaky(beta=0.9)
        self.lif2 = snntorch.Leaky(beta=0.9)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, 784) -> spikes (T, B, 10)."""
        state = self.lif1.init_rleaky() if self.recurrent else (self.lif1.init_leaky(),)
        mem, fired = self.lif2.init_leaky(), []
        for _ in range(self.num_steps):
            spikes, *rest = self.lif1(self.fc1(x), *state)
            state = (spikes, *rest) if self.recurrent else rest
            out, mem = self.lif2(self.fc2(spikes), mem)
            fired.append(out)
        return torch.stack(fired)


class Repeated(nn.Module):
    """A multi-step network of SpikingJelly on still images, repeated T times; its neurons are reset before each."""

    def __init__(self, network: nn.Module, num_steps: int = 4):
        super().__init__()
        from spikingjelly.activation_based import functional

        self.network, self.num_steps, self.reset = network, num_steps, functional.reset_net
        functional.set_step_mode(network, "m")

    def forward(self, x: Tensor) -> Tensor:
        """x (B, 3, H, W) -> (B, classes)."""
        self.reset(self.network)
        return self.network(x.unsqueeze(0).repeat(self.num_steps, 1, 1, 1, 1)).mean(0)


@torch.no_grad()
def _calibrated(network: nn.Module, inputs: list[Tensor]) -> tuple[nn.Module, list[Tensor]]:
    """With batch norms that know these inputs: an untrained network is silent in evaluation otherwise."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = None  # the plain average
    network.train()
    for _ in range(3):
        network(inputs[0])
    return network.eval(), inputs


def _image(size: int) -> list[Tensor]:
    return [2 * torch.randn(1, 3, size, size)]


def _resnet(module: str, function: str, **options: object) -> tuple[nn.Module, list[Tensor]]:
    from spikingjelly.activation_based import neuron

    if "torchvision" not in sys.modules:  # these models want one function of it, to download weights with
        for name in ("torchvision", "torchvision.models", "torchvision.models.utils"):
            sys.modules[name] = types.ModuleType(name)
        sys.modules["torchvision.models.utils"].load_state_dict_from_url = torch.hub.load_state_dict_from_url
    models = importlib.import_module(f"spikingjelly.activation_based.model.{module}")
    torch.manual_seed(0)
    network = getattr(models, function)(spiking_neuron=neuron.IFNode, num_classes=10, **options)
    return _calibrated(Repeated(network), _image(64))


def snntorch_loop() -> tuple[nn.Module, list[Tensor]]:
    """Two fully connected layers, T = 10, the input repeated."""
    torch.manual_seed(0)
    return TimeLoop(recurrent=False), [torch.rand(1, 784) for _ in range(4)]


def recurrent() -> tuple[nn.Module, list[Tensor]]:
    """The same with recurrent neurons, whose synapses are their own."""
    torch.manual_seed(0)
    return TimeLoop(recurrent=True), [torch.rand(1, 784) for _ in range(4)]


def spiking_resnet() -> tuple[nn.Module, list[Tensor]]:
    """SpikingJelly's spiking ResNet-18, T = 4."""
    return _resnet("spiking_resnet", "spiking_resnet18")


def sew_resnet() -> tuple[nn.Module, list[Tensor]]:
    """SpikingJelly's SEW ResNet-18, T = 4: residual sums of spikes are integers, so most of its products are MACs."""
    return _resnet("sew_resnet", "sew_resnet18", cnf="ADD")


def sew_resnet_iand() -> tuple[nn.Module, list[Tensor]]:
    """The same with IAND, which keeps spikes."""
    return _resnet("sew_resnet", "sew_resnet18", cnf="IAND")


def spikformer() -> tuple[nn.Module, list[Tensor]]:
    """SpikingJelly's Spikformer for CIFAR-10, T = 4."""
    from spikingjelly.activation_based import functional
    from spikingjelly.activation_based.model.spikformer import spikformer_cifar10

    class Reset(nn.Module):
        def __init__(self, network: nn.Module):
            super().__init__()
            self.network = network

        def forward(self, x: Tensor) -> Tensor:
            functional.reset_net(self.network)
            return self.network(x)

    torch.manual_seed(0)
    return _calibrated(Reset(spikformer_cifar10(T=4)), _image(32))
