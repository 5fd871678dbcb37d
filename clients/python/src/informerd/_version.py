"""Holds the version where packaging, the connection and programs read it."""

__version__ = "0.1.0"
