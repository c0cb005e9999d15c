"""Short ways to say what the Store conformance tests say often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from typing import Any

from syncline.model.change import Event, Via
from syncline.ports import Row, Store, Write

T0 = 1_790_000_000_000  # a moment in 2026, in milliseconds; nothing depends on when
DAY_MS = 86_400_000
BIG = 2**63 - 1


class Opens:
    """A part of the suite: its tests open the store that the subclass names."""

    def store(self) -> AbstractAsyncContextManager[Store]:
        """A new store on empty data of its own, closed at the end."""
        raise NotImplementedError


def event(event_id: str, *, system: str = "shop") -> Event:
    """An event of which only the id matters."""
    return Event(system, "topic", event_id, Via.EVENT, T0, event_id.encode())


async def put(store: Store, statement: str, **row: Any) -> list[Row]:
    """Run one statement with one row; returns what it returned."""
    return (await store.write(Write(statement, [row])))[0]


async def attempt(what: Awaitable[Any]) -> Exception | None:
    """The exception that something raises, or ``None``."""
    try:
        await what
    except Exception as error:  # noqa: BLE001 (each store's engine has its own errors for bad content)
        return error
    return None


async def stored_log(store: Store, texts: list[str]) -> list[str]:
    """Append an event for each text and read the texts back."""
    await store.append([Event("shop", text, text, Via.EVENT, T0, b"") for text in texts], received_at_ms=T0)
    logged = await store.events(0, len(texts) + 1)
    assert [one.event.topic for one in logged] == [one.event.event_id for one in logged]
    return [one.event.event_id for one in logged]


async def breathe() -> None:
    """Let every task that can run do so once."""
    turn = asyncio.Event()
    asyncio.get_running_loop().call_soon(turn.set)
    await turn.wait()
