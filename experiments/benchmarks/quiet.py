"""How a benchmark starts: as every command does, without what libraries have to say about themselves."""

import logging
import os
import warnings
from importlib.util import find_spec

from snnvtg.cli import command


def run(options, main, description: str | None = None) -> None:
    """`snnvtg.cli.command.run`, with warnings of snnvtg alone."""
    silence_libraries()
    command.run(options, main, description)


def silence_libraries() -> None:
    """From now on only snnvtg warns; errors are still said by everybody."""
    warnings.filterwarnings("ignore")
    warnings.filterwarnings("default", module=r"snnvtg\b")
    logging.disable(logging.WARNING)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler says when it starts and stops
    if find_spec("loguru"):
        from loguru import logger

        logger.disable("spikingjelly")
