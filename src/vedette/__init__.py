"""Vedette watches cameras, says what it sees, and never stops without telling."""

__version__ = "0.1.0.dev0"
