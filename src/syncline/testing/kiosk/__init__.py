"""A made-up shop with one counter: a whole connector, small enough to be read at once."""

from syncline.testing.kiosk.connector import CONNECTOR

__all__ = ["CONNECTOR"]
