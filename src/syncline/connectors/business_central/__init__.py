"""Dynamics 365 Business Central."""
