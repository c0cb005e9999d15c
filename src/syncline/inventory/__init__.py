"""What number may be shown. Pure functions."""
