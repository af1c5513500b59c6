"""How clips read the words they are fused with, where the text is not pooled."""

from torch import Tensor, nn

from snnvtg.layers.attention import masked_softmax


class WordReading(nn.Module):
    """Every clip reads the words it has most to do with: softmax attention from clips to words, one head."""

    def __init__(self, width: int, key_width: int = 64):
        super().__init__()
        self.query, self.key = nn.Linear(width, key_width), nn.Linear(width, key_width)

    def forward(self, vis: Tensor, tex: Tensor, tex_mask: Tensor) -> Tensor:
        """vis (B, M, E), tex (B, M', E) with its mask -> (B, M, E)."""
        scores = self.query(vis) @ self.key(tex).transpose(1, 2) * self.key.out_features**-0.5  # (B, M, M')
        return masked_softmax(scores, tex_mask.unsqueeze(1)) @ tex
