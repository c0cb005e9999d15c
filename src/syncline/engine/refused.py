"""What is raised where a program's question has no answer."""

from __future__ import annotations

from syncline.model.errors import SynclineError


class Refused(SynclineError):
    """A question that cannot be answered. ``code`` is for programs, ``mend`` for whoever wrote them."""

    def __init__(self, code: str, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.mend = mend
