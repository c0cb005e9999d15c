"""What the connector suites have in common: virtual time, declared skips, waivers, and no silent pass."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar, TypeVar

import pytest

from syncline.model.capabilities import Capabilities
from syncline.model.change import Change, Event, Kind, LoggedEvent
from syncline.model.delivery import Item, Operation, Outcome, Result
from syncline.model.errors import Rejected, SynclineError
from syncline.model.payloads import ReadOrder
from syncline.model.records import Notice
from syncline.ports import System, WebhookRequest
from syncline.simulate.clock import VirtualLoop
from syncline.testing.bench import START_MS, ConnectorBench, Surroundings, Waiver

READS_MAX = 20
POSTS_WAIT_S = 5.0

T = TypeVar("T")
Story = Callable[[Any, Any], Coroutine[Any, Any, None]]
Needs = Callable[[Capabilities], bool]
Offers = Callable[[Mapping[str, Operation]], bool]


def conformance(
    needs: Needs | None = None, *, operations: Offers | None = None, because: str = ""
) -> Callable[[Story], Callable[[Any], None]]:
    """Make a test of a story ``async (self, bench)``, told on virtual time.

    Args:
        needs: what the connector's capabilities must say for the test to apply.
        operations: what its Sink must offer for that.
        because: what is declared where they say otherwise; the reason of the skip.
    """

    def mark(story: Story) -> Callable[[Any], None]:
        def test(self: Suite) -> None:
            self.play(story, needs, operations, because)

        test.__name__ = story.__name__
        test.__qualname__ = story.__qualname__
        test.__doc__ = story.__doc__
        test.__module__ = story.__module__
        test.conformance = True  # type: ignore[attr-defined]
        return test

    return mark


def some(values: Iterable[T], what: str) -> list[T]:
    """The values; a test that would look at none of them has shown nothing and fails."""
    found = list(values)
    assert found, f"nothing to check: no {what}"
    return found


class Suite:
    """The base of the connector suites. A subclass names its ``bench``."""

    bench: ClassVar[type[ConnectorBench]]
    waivers: ClassVar[Mapping[str, Waiver]] = {}
    seed: ClassVar[int] = 1

    def __init_subclass__(cls) -> None:
        """Refuse a waiver for a test that does not exist."""
        super().__init_subclass__()
        for name in cls.waivers:
            if name not in cls.conformance_tests():
                raise TypeError(f"{cls.__name__} waives {name}, which is no test of the suite")

    @classmethod
    def conformance_tests(cls) -> list[str]:
        """The names of all conformance tests of this suite."""
        return [name for name in dir(cls) if getattr(getattr(cls, name), "conformance", False)]

    def play(self, story: Story, needs: Needs | None, offers: Offers | None, because: str) -> None:
        """Tell a story, and judge it by the waiver that it may have."""
        waiver = self.waivers.get(story.__name__)
        if waiver is None:
            self._tell(story, needs, offers, because)
            return
        today = date.today().isoformat()  # noqa: TID251, DTZ011 (a waiver ends on the reader's calendar)
        assert today <= waiver.expires, f"this waiver ended on {waiver.expires}: {waiver.reason}"
        try:
            self._tell(story, needs, offers, because)
        except Exception:  # noqa: BLE001 (whatever the failure is, it is the one that was waived)
            pytest.xfail(f"until {waiver.expires}: {waiver.reason}")
        pytest.fail(f"passes now, so take its waiver away: {waiver.reason}")

    def _tell(self, story: Story, needs: Needs | None, offers: Offers | None, because: str) -> None:
        loop = VirtualLoop(START_MS)
        bench: ConnectorBench | None = None
        try:
            bench = type(self).bench(Surroundings(loop, self.seed))
            if needs is not None and not needs(bench.connector.capabilities):
                pytest.skip(f"declared: {because}")
            if offers is not None and not offers(bench.open().sink.operations):
                pytest.skip(f"declared: {because}")
            loop.run_until_complete(story(self, bench))
        finally:
            loop.run_until_complete(_tidy())
            if bench is not None:
                bench.close()
            loop.close()


async def _tidy() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# --- reading ---------------------------------------------------------------------------------------


def changes_of(system: System, events: Iterable[Event], kind: Kind) -> list[Change]:
    """What events say about records of a kind."""
    return [
        change
        for event in events
        for change in system.source.decode(LoggedEvent(1, event.occurred_at_ms, event))
        if change.kind is kind
    ]


class Books:
    """Keeps the newest version of every record, as the engine does: the arbiter of convergence."""

    def __init__(self, bench: ConnectorBench, system: System) -> None:
        self._bench = bench
        self._system = system
        self.held: dict[str, Change] = {}
        self.parked: list[str] = []

    async def take(self, events: Iterable[Event]) -> None:
        """Apply events in the order of their arrival; what only announces a change is read."""
        for event in events:
            try:
                changes = self._system.source.decode(LoggedEvent(1, event.occurred_at_ms, event))
            except Rejected as error:
                self.parked.append(str(error))
                continue
            for change in changes:
                if change.kind is self._bench.facts.kind:
                    await self._apply(change)

    async def _apply(self, change: Change) -> None:
        before = self.held.get(change.key)
        if isinstance(change.value, Notice):
            known = before is not None and before.tiebreak > 0 and before.version >= change.version
            if not known:
                await self._read(change.key)
        elif before is None or (change.version, change.tiebreak) > (before.version, before.tiebreak):
            self.held[change.key] = change
            # What an event carries may be a part only; then the record is read whole.
            if getattr(change.value, "complete", True) is False:
                await self._read(change.key)

    async def _read(self, key: str) -> None:
        said = ""
        for _ in range(READS_MAX):
            (outcome,) = await self._system.sink.deliver("read_order", [Item(key, ReadOrder(key))], "read")
            if outcome.result is Result.DONE:
                await self.take([outcome.facts["event"]])
                return
            if outcome.result is Result.REJECTED:
                self.parked.append(outcome.message)
                return
            said = outcome.message
            await self._bench.around.clock.sleep(outcome.retry_after_s or 1.0)
        raise AssertionError(f"{key} could not be read in {READS_MAX} tries: {said}")

    def shows(self, key: str) -> object:
        """What is visible of a record."""
        return self._bench.visible(self.held[key]) if key in self.held else None


async def posts_of(
    bench: ConnectorBench,
    act: Callable[[], Any],
    *,
    at_least: int = 1,
    wait_s: float = 30.0,
) -> list[WebhookRequest]:
    """The webhooks that the vendor sends because of an act."""
    mailbox = bench.around.mailbox
    before = len(mailbox.posts)
    runner = asyncio.get_running_loop().create_task(bench.simulator.run())
    try:
        await bench.around.clock.sleep(0)
        act()
        waited = 0.0
        while waited < wait_s:
            await bench.around.clock.sleep(POSTS_WAIT_S)
            waited += POSTS_WAIT_S
            if len(mailbox.posts) >= before + at_least:
                await bench.around.clock.sleep(POSTS_WAIT_S)
                break
    finally:
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)
    return some(mailbox.posts[before:], "webhook that the vendor sent")


async def edited(bench: ConnectorBench, system: System, key: str) -> WebhookRequest:
    """The last webhook about a record that the vendor sends when it is edited; other things may be told with it."""
    delay_s = system.capabilities.event_delay_ms / 1000
    posts = await posts_of(bench, lambda: bench.edit(key), wait_s=30.0 + 2 * delay_s)

    def tells(post: WebhookRequest) -> bool:
        verified = system.source.verify(post)
        return bench.facts.delta in verified.reads or bool(
            changes_of(system, [verified.event], bench.facts.kind)
        )

    about = [post for post in posts if tells(post)]
    return some(about, "webhook about the record")[-1]


async def failure_of(work: Awaitable[Any]) -> SynclineError | None:
    """The error of ours that something raises, or ``None``."""
    try:
        await work
    except SynclineError as error:
        return error
    return None


# --- writing ---------------------------------------------------------------------------------------


def writes_of(system: System) -> list[str]:
    """The operations that have an effect."""
    return some((n for n, o in system.sink.operations.items() if not o.reads_only), "operation that writes")


def batch_of(system: System) -> list[str]:
    """The operations that have an effect and take several items."""
    return [name for name in writes_of(system) if system.sink.operations[name].batch_items_max > 1]


def results(outcomes: Sequence[Outcome]) -> list[Result]:
    """The bare results."""
    return [outcome.result for outcome in outcomes]
