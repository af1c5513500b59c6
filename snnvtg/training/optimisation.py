"""What happens to the weights in a step: gradient, clip, optimiser, ranges of learned neurons, moving average."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from snnvtg.models import TrainingConfig
from snnvtg.neurons import LIF

OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class Optimisation:
    """The optimiser of a model with its schedule, and the average of its weights; `step` counts from 0."""

    def __init__(self, model: nn.Module, config: TrainingConfig, steps_per_epoch: int):
        self.model, self.config, self.steps_per_epoch, self.step = model, config, steps_per_epoch, 0
        self.average = {key: value.detach().clone() for key, value in model.state_dict().items()}
        self.learned_neurons = [m for m in model.modules() if isinstance(m, LIF) and list(m.parameters())]
        settings = {"lr": config.learning_rate, "weight_decay": config.weight_decay, "fused": True}
        self.optimiser = OPTIMISERS[config.optimiser](self._parameter_groups(), **settings)

    def descend(self, loss: Tensor) -> None:
        """One step down the gradient of `loss`."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * self._rate()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self.optimiser.step()
        for layer in self.learned_neurons:
            layer.constrain_()
        self.step += 1
        self._update_average()

    def weights(self) -> dict[str, Tensor]:
        """The weights that are validated and kept: the average, where there is one."""
        return self.average if self.config.ema_decay else self.model.state_dict()

    def _parameter_groups(self) -> list[dict[str, Any]]:
        """Weights, and apart from them learned leaks and thresholds: a decay towards 0 means nothing to those."""
        neurons = [parameter for layer in self.learned_neurons for parameter in layer.parameters()]
        apart = {id(parameter) for parameter in neurons}
        groups = [{"params": [p for p in self.model.parameters() if id(p) not in apart]}]
        return [*groups, {"params": neurons, "weight_decay": 0.0}] if neurons else groups

    def _rate(self) -> float:
        warmup = self.config.warmup_epochs * self.steps_per_epoch
        if self.step < warmup:
            return (self.step + 1) / warmup
        if self.config.schedule == "constant":
            return 1.0
        done = (self.step - warmup) / max(1, self.config.epochs * self.steps_per_epoch - warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    @torch.no_grad()
    def _update_average(self) -> None:
        if not self.config.ema_decay:
            return
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        for key, value in self.model.state_dict().items():
            self.average[key].lerp_(value, 1 - decay)
