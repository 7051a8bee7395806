"""Integrations with web frameworks; each is a distribution of its own."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
