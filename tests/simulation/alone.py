"""How a process that is alone with its store is played over days."""

from __future__ import annotations

HOUR_MS = 3_600_000

# Nobody else pauses anything, and nobody waits for its leases to end: to look and to renew them every few seconds
# would be most of what happens on a quiet day.
ALONE = {"modes_interval_ms": HOUR_MS, "lease_ttl_ms": HOUR_MS}
