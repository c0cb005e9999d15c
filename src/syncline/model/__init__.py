"""The words of the design as values. Standard library only."""
