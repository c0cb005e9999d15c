"""Alerts: from the status to one message for one cause, told once, repeated while it lasts, closed when it ends."""
