"""Convolutional heads that read a padded sequence without letting padding in."""

from torch import Tensor, nn


class ConvHead(nn.Module):
    """Two 1-D convolutions over clips with a ReLU between; padding stays zero before each."""

    def __init__(self, width: int, out: int, kernel_size: int = 3, dropout: float = 0.0):
        super().__init__()
        self.first = nn.Conv1d(width, width, kernel_size, padding=kernel_size // 2)
        self.second = nn.Conv1d(width, out, kernel_size, padding=kernel_size // 2)
        self.activation, self.dropout = nn.ReLU(), nn.Dropout(dropout)

    def forward(self, x: Tensor, valid_mask: Tensor) -> Tensor:
        """x (B, L, C), valid_mask (B, L) -> (B, L, out)."""
        mask = valid_mask.unsqueeze(1).to(x.dtype)
        hidden = self.dropout(self.activation(self.first(x.transpose(1, 2) * mask))) * mask
        return self.second(hidden).transpose(1, 2)
