"""Where the Kafka client's own lines go in commands that end by themselves."""

from __future__ import annotations

import logging

CLIENT_LOGGER = logging.getLogger("streamproc.operations.client")
"""Silent: that no broker answers, the command says itself, once, where the client repeats it many times a second."""
CLIENT_LOGGER.setLevel(logging.CRITICAL)
