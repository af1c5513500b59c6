"""What a trained model is used for: asking in words, scoring files of answers."""

from typing import Literal

Task = Literal["grounding", "video_retrieval"]
"""what a file of answers answers: when in its video a query is, or in which video"""
