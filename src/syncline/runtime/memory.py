"""What a process holds for good, out of the garbage collector's sight."""

from __future__ import annotations

import gc

from syncline.engine.engine import Engine


async def settle(engine: Engine) -> None:
    """Once an engine has read what it knows, have the collector leave it alone.

    A full collection visits every object that there is, and nothing else runs meanwhile: tens of milliseconds every few seconds
    in a small shop under load, and as much longer as its catalog is larger. What is let go of later is freed all the same, by
    its count; only rings of objects from before this moment would stay, and they are collected first.
    """
    await engine.applier.reached(0)
    gc.collect()
    gc.freeze()
