"""What is asked with a deadline: it ends in time, and leaves no error behind that nobody has taken."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace

import pytest
from tests.unit.support import play

from syncline.connectors.adobe_commerce.simulator import hooks
from syncline.model.errors import OutcomeUnknown, Retryable
from syncline.ports import Late, Request, within
from syncline.web import gates
from syncline.web.site import Refusal


def quietly(story):
    """Play it; what asyncio then says of errors that nobody has taken fails the test."""
    said = []

    async def heard(clock):
        asyncio.get_running_loop().set_exception_handler(lambda loop, told: said.append(told["message"]))
        result = await story(clock)
        await clock.sleep(1)
        return result

    result = play(heard)
    gc.collect()
    assert said == []
    return result


async def unwilling(clock, begun=None):
    """Makes an error of being cancelled, as a transport does that was about to give up by itself."""
    try:
        if begun is not None:
            begun.set()
        await clock.sleep(3600)
    except asyncio.CancelledError:
        raise OutcomeUnknown("cut off") from None


def test_what_comes_in_time_is_told_and_so_is_an_error():
    async def story(clock):
        async def work(seconds, error=None):
            await clock.sleep(seconds)
            if error is not None:
                raise error
            return clock.monotonic()

        assert await within(clock, 2, work(1)) == 1
        with pytest.raises(Retryable, match="busy"):
            await within(clock, 2, work(1, Retryable("busy")))
        assert clock.monotonic() == 2
        with pytest.raises(Late):
            await within(clock, 2, work(3))
        assert clock.monotonic() == 4

    quietly(story)


def test_an_error_after_the_deadline_is_nobodys():
    async def story(clock):
        with pytest.raises(Late):
            await within(clock, 1, unwilling(clock))

    quietly(story)


def test_who_is_cancelled_meanwhile_cancels_the_work():
    async def story(clock):
        begun = asyncio.Event()
        asking = asyncio.ensure_future(within(clock, 60, unwilling(clock, begun)))
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert clock.monotonic() == 0

    quietly(story)


def test_a_checkout_that_waits_no_longer_leaves_nothing_behind():
    async def story(clock):
        gate = SimpleNamespace(deadline_ms=800)
        with pytest.raises(Refusal, match="not decided within 800 ms"):
            await gates._in_time(SimpleNamespace(clock=clock), gate, unwilling(clock), "shop", "credit")

    quietly(story)


def test_a_simulated_shop_that_waits_no_longer_leaves_nothing_behind():
    async def story(clock):
        transport = SimpleNamespace(send=lambda request: unwilling(clock))
        return await hooks._answer(Request("POST", "http://us.example", {}, b""), 800, clock, transport)

    assert quietly(story) is None
