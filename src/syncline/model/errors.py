"""What can go wrong, sorted by what happens next.

::

    SynclineError
    ├── Throttled        the vendor said "slower": wait, does not count as an attempt
    ├── Busy             somebody else holds it: wait, does not count as an attempt
    ├── Retryable        it did not happen, trying again may help: back off, counts
    ├── OutcomeUnknown   it may have happened: look it up before anything is sent again
    ├── Conflict         the other side moved on: read again, compute again
    ├── Rejected         the other side, or we, refuse this content: park it for a person
    │   └── Forged       the signature is missing, wrong or too old: answer 401, keep nothing
    ├── AuthExpired      the credential is refused: pause the system, alarm once
    ├── Misconfigured    the configuration is wrong: refuse to start, say how to mend it
    ├── Fenced           this worker no longer owns what it writes to: stop at once
    └── StoreBroken      the store takes nothing any more until it is opened again: end the process
"""

from __future__ import annotations


class SynclineError(Exception):
    """Base of everything that Syncline raises on purpose."""


class Throttled(SynclineError):
    """The vendor's limit was reached.

    ``retry_after_s`` is the vendor's own delay in seconds, or ``None`` where it gave none.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Busy(SynclineError):
    """A record or lease is held by somebody else; come back later."""


class Retryable(SynclineError):
    """Certainly not applied (never sent, or refused as a whole); trying again may help."""


class OutcomeUnknown(SynclineError):
    """Sent, but no trustworthy answer came back: applied or not, nobody knows yet."""


class Conflict(SynclineError):
    """A compare-and-set failed because the record moved on; re-read and compute again."""


class Rejected(SynclineError):
    """The content is refused and would be again. The vendor's words are kept in the message."""


class Forged(Rejected):
    """A webhook whose signature does not hold. Nothing of it is kept."""


class AuthExpired(SynclineError):
    """The credential was refused and a fresh one was refused too."""


class Misconfigured(SynclineError):
    """The configuration cannot work. The message names the field and the mend."""


class Fenced(SynclineError):
    """Another worker owns this lane or partition now; whatever we hold is stale."""


class StoreBroken(SynclineError):
    """The store failed in a way that trying again cannot mend; what was written last may be there or not.

    It is no ``Retryable``, so whatever waits for a store that takes nothing ends as well, and with it the process: its
    supervisor starts it again, and what the disk really holds is read from the beginning.
    """
