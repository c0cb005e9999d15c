"""How facts get in: events that are pushed to us, and reads that we make."""
