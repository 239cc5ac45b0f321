"""Tidings: a programmable-messaging gateway that tells the truth about every message."""

__version__ = "0.1.0"
