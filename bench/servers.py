"""The servers that benchmarks load, each a process of its own: ``python -m bench.servers KIND FOLDER``.

They print their port, and on SIGTERM what they counted. All use the settings of ``web.serve.Listener``:
uvicorn on uvloop with httptools.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random

import uvloop

from bench import webhooks
from bench.floor import BareEndpoint, Writer
from syncline.connectors.shopify import CONNECTOR as SHOPIFY
from syncline.engine.capture.ingress import Ingress
from syncline.ports import Opening, Request, Response, Transport
from syncline.runtime.clock import SystemClock
from syncline.stores.sqlite import LiveSqliteStore
from syncline.web.hooks import Hooks
from syncline.web.serve import Listener

TOKEN = "t" * 32


class Nowhere(Transport):
    """No network."""

    async def send(self, request: Request) -> Response:
        raise RuntimeError(request.url)


async def serve(kind: str, folder: str) -> None:
    """Serve until SIGTERM."""
    clock = SystemClock()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    path = f"{folder}/{kind}.sqlite"
    committed: Callable[[], int]
    close: Callable[[], Awaitable[None]]
    if kind == "bare":
        writer = Writer(path, clock.now_ms())
        listener = Listener(BareEndpoint(writer, webhooks.SECRET, clock.now_ms), "127.0.0.1", 0)
        committed, close = lambda: writer.commits, partial(asyncio.to_thread, writer.close)
    else:
        store = await LiveSqliteStore.open(path, now_ms=clock.now_ms())
        settings = SHOPIFY.settings(
            shop=webhooks.SHOP,
            access_token="shpat_bench",
            webhook_secrets=(webhooks.SECRET,),
            plan="plus",
        )
        system = SHOPIFY.open(Opening("shop", settings, clock, Random(1), Nowhere()))
        ingress = Ingress(store, clock, {"shop": system}, lambda _: None)
        # One generator stands for all the vendor's addresses, so the limit for one source is lifted.
        hooks = Hooks(ingress, clock, {"shop": TOKEN}, per_s=1e6, burst=1_000_000)
        listener = Listener(hooks, "127.0.0.1", 0)
        committed, close = lambda: store.commits, store.close
    listener.start()
    while not listener._server.started:  # noqa: ASYNC110, SLF001 (a port that is bound does not listen yet)
        await asyncio.sleep(0.01)
    print(listener.port, flush=True)
    await stop.wait()
    await listener.stop()
    await close()
    print(committed(), flush=True)


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], sys.argv[2]))
