"""The Transformer baseline of SpikeMba's Table 4: softmax attention over clips and words."""

from snnvtg.models.transformer.network import Transformer, TransformerConfig

MODEL = Transformer

__all__ = ["MODEL", "Transformer", "TransformerConfig"]
