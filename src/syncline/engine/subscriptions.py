"""Looking after webhook subscriptions: vendors remove them after failures, and other programs do by mistake."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from syncline.engine.engine import Engine
from syncline.model.errors import SynclineError

RETRY_S = 30.0
LOOK_S = 300.0  # one call; a subscription that was removed is back within it

log = structlog.get_logger(__name__)


async def keep(engine: Engine, name: str, address: str, say: Callable[[str], object]) -> None:
    """Subscribe a system's events to an address, look again and again, and read what a gap has hidden.

    Runs until cancelled; returns at once where a system has nothing to subscribe.
    """
    prepare = engine.systems[name].prepare
    first = True
    while prepare is not None:
        try:
            done = list(await prepare(address) or ())
        except SynclineError as error:
            log.warning("subscribing failed", action="prepare_failed", system=name, error=str(error))
            engine.notices.subscriptions(name, fault=str(error))
            await engine.clock.sleep(RETRY_S)
            continue
        for sentence in done:
            say(f"{name}: {sentence}")
        engine.notices.subscriptions(name, mended=() if first else done)
        if done and not first:
            engine.read_changes(name)
        first = False
        await engine.clock.sleep(LOOK_S)
