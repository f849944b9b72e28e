"""Writes a summary of a mass spectrum as a plain text report."""

from importlib.metadata import version

__version__ = version("mint-plugin-legacy-report")
