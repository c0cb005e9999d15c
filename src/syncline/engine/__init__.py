"""The way of a change: capture, log, apply, derive, schedule, deliver, confirm."""
