"""The logger of the project."""

import logging

logger: logging.Logger = logging.getLogger("hother.cancelable")
