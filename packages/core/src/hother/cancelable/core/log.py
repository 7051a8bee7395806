"""The one logger. Nothing goes to it above DEBUG but failing callbacks, stuck operations and lost backends."""

import logging

logger: logging.Logger = logging.getLogger("hother.cancelable")
"""The logger of all packages."""
