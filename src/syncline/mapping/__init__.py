"""What is written into fields of an account's own, as expressions. Pure functions."""
