"""Finds the peaks of a mass spectrum and lists them in a table."""

from importlib.metadata import version

__version__ = version("mint-plugin-peak-table")
