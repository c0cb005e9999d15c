"""Before anything is connected: which pattern each flow needs, what it costs, what cannot be kept. Pure functions."""
