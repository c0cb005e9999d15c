"""What Syncline costs, measured beside what it could cost: ``python -m bench``."""
