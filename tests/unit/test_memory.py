"""The garbage collector leaves alone what a service holds for good."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace

import pytest

from syncline.runtime.memory import settle


@pytest.fixture
def thawed():
    yield
    gc.unfreeze()


async def test_what_is_there_when_the_engine_has_read_it_is_not_visited_again(thawed):
    asked, read = asyncio.Event(), asyncio.Event()

    async def reached(offset):
        assert offset == 0
        asked.set()
        await read.wait()

    gc.unfreeze()
    known = [SimpleNamespace()]
    settling = asyncio.ensure_future(settle(SimpleNamespace(applier=SimpleNamespace(reached=reached))))
    await asked.wait()
    assert gc.get_freeze_count() == 0, "what is still to be read would be left out"
    read.set()
    await settling
    assert gc.get_freeze_count() > 0
    assert not any(one is known for one in gc.get_objects())
