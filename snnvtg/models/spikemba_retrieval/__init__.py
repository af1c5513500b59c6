"""SpikeMba for retrieval: which video holds the moment, by clips that its blocks make before any query is known."""

from snnvtg.models.spikemba_retrieval.config import SpikeMbaRetrievalConfig
from snnvtg.models.spikemba_retrieval.model import SpikeMbaRetrieval

MODEL = SpikeMbaRetrieval

__all__ = ["MODEL", "SpikeMbaRetrieval", "SpikeMbaRetrievalConfig"]
