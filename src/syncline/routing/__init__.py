"""Which location sends which units of an order, and why. Pure functions."""
