"""Syncline keeps ERPs and sales channels in agreement, and proves how old every number may be."""

__version__ = "0.1.0"
