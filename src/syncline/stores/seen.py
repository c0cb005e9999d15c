"""Recognising an event id that was seen before, without an index over the whole history.

Ids are hashed to 16 bytes and kept in buckets of 16 days. An id is looked up in the current bucket
and the two before it, so a repetition is recognised for at least 32 days, and old buckets are
dropped whole. Beyond that the version check of the record refuses it anyway.
"""

from __future__ import annotations

import hashlib

BUCKET_MS = 16 * 86_400_000
BUCKETS_KEPT = 3


def bucket_of(received_at_ms: int) -> int:
    """The bucket that an event received at this moment belongs to."""
    return received_at_ms // BUCKET_MS


def digest_of(system: str, event_id: str) -> bytes:
    """16 bytes that stand for an event id of a system."""
    return hashlib.blake2b(f"{system}\x1f{event_id}".encode(), digest_size=16).digest()
