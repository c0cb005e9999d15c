"""Waiting for a store that takes nothing at the moment, because its disk is full or its server away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from syncline.model.errors import Retryable
from syncline.ports import Clock

RETRY_S = 1.0

T = TypeVar("T")
log = structlog.get_logger(__name__)


async def kept(clock: Clock, keep: Callable[[], Awaitable[T]]) -> T:
    """Try until the store takes it.

    What a call did or read has to be kept before its records go on, however long that takes.

    Raises:
        Fenced: another worker took over.
    """
    while True:
        try:
            return await keep()
        except Retryable as error:
            log.warning("the store does not take it", action="store_refused", error=str(error))
            await clock.sleep(RETRY_S)
