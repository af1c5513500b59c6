"""The spiking saliency detector with feedback: what is found salient at a step is heard louder at the next."""

import torch
from torch import Tensor

from snnvtg.models.spikemba.detector import SpikingSaliencyDetector
from snnvtg.models.spikemba.timesteps import SaliencyFeedback


class FeedbackDetector(SpikingSaliencyDetector):
    """Eq. 5 step by step; the currents of all four neurons are multiplied by the gate of the step before.

    The first step is that of a detector without feedback. BN before the last neuron takes its statistics step by step.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.feedback = SaliencyFeedback()

    def forward(self, x: Tensor, valid_mask: Tensor, num_timesteps: int, match: Tensor | None = None) -> Tensor:
        """As SpikingSaliencyDetector."""
        keep = valid_mask.unsqueeze(-1).to(x.dtype)
        if self.encoder is not None:
            x = self.encoder(x, num_timesteps)
        currents = [self._current(*parts, x, valid_mask) for parts in self._inputs()]  # (B, M, C) or (T, B, M, C)
        states, gate, steps = [None] * 4, torch.ones_like(keep), []
        for t in range(num_timesteps):
            spikes = []
            for place, (lif, current) in enumerate(zip((self.q_lif, self.k_lif, self.v_lif), currents, strict=True)):
                now = current[t] if current.dim() == 4 else current
                fired, states[place] = lif((now * gate).unsqueeze(0), v=states[place], return_state=True)
                spikes.append(fired * keep)
            current = self.out_norm(self.out_proj(self.attended(*spikes)), valid_mask)  # (1, B, M, C)
            heard = current if match is None else current + match * self.match_gain
            fired, states[3] = self.out_lif(heard * gate, v=states[3], return_state=True)
            steps.append(fired * keep)
            gate = self.feedback(steps[-1], valid_mask)
        return torch.cat(steps)

    def _inputs(self) -> tuple:
        return (self.q_proj, self.q_norm), (self.k_proj, self.k_norm), (self.v_proj, self.v_norm)

    @staticmethod
    def _current(project, norm, x: Tensor, valid_mask: Tensor) -> Tensor:
        return project(x) if norm is None else norm(project(x), valid_mask)
