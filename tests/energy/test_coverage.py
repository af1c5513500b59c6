"""Every model of the project is priced whole, in evaluation and in a training step."""

import pytest
import torch

from snnvtg.energy import Ledger
from snnvtg.models import MODELS
