"""What an error of a call means for its items."""

from __future__ import annotations

from syncline.model.delivery import Outcome, Result
from syncline.model.errors import Busy, Conflict, OutcomeUnknown, Retryable, SynclineError, Throttled


def outcome_of(error: SynclineError) -> Outcome:
    """What an error means for an item of the call: only what is surely not applied may be sent again as it is."""
    if isinstance(error, Throttled):
        return Outcome(Result.THROTTLED, str(error), retry_after_s=error.retry_after_s)
    if isinstance(error, OutcomeUnknown):
        return Outcome(Result.UNKNOWN, str(error))
    if isinstance(error, Retryable | Busy | Conflict):
        return Outcome(Result.NOT_SENT, str(error))
    return Outcome(Result.REJECTED, str(error))


__all__ = ["outcome_of"]
