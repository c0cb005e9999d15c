"""A broken connector for every conformance test, which fails exactly that test.

The mutants are wrappers around the Shopify connector or its simulator: each does one thing wrong, as
a careless author might.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from random import Random
from typing import Any, ClassVar

import pytest
from tests.connectors.benches import SHOP, SIGNATURE, TOKEN, NetSuiteBench, ShopifyBench
from tests.connectors.test_shopify import TestShopifySink as ShopifySink
from tests.connectors.test_shopify import TestShopifySource as ShopifySource

from syncline.model.change import Change, Cursor, Event, LoggedEvent, Via
from syncline.model.copying import replace
from syncline.model.delivery import Item, Operation, Outcome, Result
from syncline.model.errors import AuthExpired, Rejected, Retryable
from syncline.model.payloads import ReadStock, SetStock
from syncline.ports import Page, Sink, Source, System, Verified, WebhookRequest
from syncline.testing.announcements import Announcements
from syncline.testing.bench import Surroundings, Waiver
from syncline.testing.simulator import SimulatorConformance
from syncline.testing.sink import SinkConformance
from syncline.testing.sink_stock import StockWrites
from syncline.testing.source import SourceConformance
from syncline.testing.suite import Suite, conformance, some

# It starts two processes; a mutant of another test is the same in both.
COSTLY = {"test_the_history_is_the_same_in_any_process"}


# --- sources -----------------------------------------------------------------------------------------------


class OddSource:
    """Passes everything on; mutants override what they do wrong."""

    def __init__(self, inner: Source, bench: ShopifyBench) -> None:
        self.inner = inner
        self.bench = bench
        self.streams = inner.streams

    def verify(self, request: WebhookRequest) -> Verified:
        return self.inner.verify(request)

    def decode(self, logged: LoggedEvent) -> list[Change]:
        return self.inner.decode(logged)

    def poll(self, stream: str, cursor: Cursor | None) -> AsyncIterator[Page]:
        return self.inner.poll(stream, cursor)


class Repeats(OddSource):
    async def poll(self, stream, cursor):
        first = True
        async for page in self.inner.poll(stream, cursor):
            yield replace(page, events=page.events * 2) if first else page
            first = False


class RunsAhead(OddSource):
    """Stores the cursor of the end with the first page."""

    async def poll(self, stream, cursor):
        pages = [page async for page in self.inner.poll(stream, cursor)]
        for page in pages:
            yield replace(page, cursor=replace(pages[-1].cursor, covers_ms=page.cursor.covers_ms))


class DropsTies(OddSource):
    """Pages by ``stamp >`` instead of ``(stamp, id) >``."""

    async def poll(self, stream, cursor):
        edge = -1
        async for page in self.inner.poll(stream, cursor):
            yield replace(page, events=tuple(e for e in page.events if e.occurred_at_ms != edge))
            edge = page.events[-1].occurred_at_ms if page.events else edge


class TakesTheEndForTheWatermark(OddSource):
    """Believes that a read saw everything until the moment it ended."""

    def __init__(self, inner, bench):
        super().__init__(inner, bench)
        self.windows: list[list[int]] = []

    async def poll(self, stream, cursor):
        clock = self.bench.around.clock
        window = [clock.now_ms() // 1000 * 1000, 10**15]
        self.windows.append(window)
        async for page in self.inner.poll(stream, cursor):
            yield replace(page, events=tuple(e for e in page.events if not self._within(e)))
        window[1] = clock.now_ms()

    def _within(self, event: Event) -> bool:
        return any(low <= event.occurred_at_ms <= high for low, high in self.windows)


class NoOverlap(OddSource):
    seen = 0

    async def poll(self, stream, cursor):
        floor = self.seen
        async for page in self.inner.poll(stream, cursor):
            self.seen = max([self.seen, *(e.occurred_at_ms for e in page.events)])
            yield replace(page, events=tuple(e for e in page.events if e.occurred_at_ms >= floor))


class ConfirmsTheEnd(OddSource):
    async def poll(self, stream, cursor):
        async for page in self.inner.poll(stream, cursor):
            now_ms = self.bench.around.clock.now_ms()
            yield replace(page, cursor=replace(page.cursor, covers_ms=now_ms)) if page.last else page


class SwallowsBreaks(OddSource):
    async def poll(self, stream, cursor):
        try:
            async for page in self.inner.poll(stream, cursor):
                yield page
        except Retryable:
            yield Page((), Cursor("shop", stream, "", 0), last=True)


class RetriesAuth(OddSource):
    async def poll(self, stream, cursor):
        try:
            async for page in self.inner.poll(stream, cursor):
                yield page
        except AuthExpired as error:
            raise Retryable(str(error)) from error


class SkipsTheMalformed(OddSource):
    def decode(self, logged):
        try:
            return self.inner.decode(logged)
        except Rejected:
            return []


class CountsRevisions(OddSource):
    """Gives orders versions that grow as they should, and are no stamps."""

    def decode(self, logged):
        return [replace(change, version=change.version + 1) for change in self.inner.decode(logged)]


class AcceptsAnySignature(OddSource):
    def verify(self, request):
        if SIGNATURE in request.headers:
            request = self.bench.sign(request, request.body)
        return self.inner.verify(request)


class CallsForgeriesRejected(OddSource):
    def verify(self, request):
        try:
            return self.inner.verify(request)
        except Rejected as error:
            raise Rejected(str(error)) from error


class NumbersArrivals(OddSource):
    def verify(self, request):
        event = self.inner.verify(request).event
        return Verified(replace(event, event_id=f"{event.event_id}@{request.received_at_ms}"))


class OrdersBackwards(OddSource):
    """Gives webhooks a version that falls, so that the older one wins."""

    def decode(self, logged):
        changes = self.inner.decode(logged)
        if logged.event.via is Via.EVENT:
            changes = [replace(change, version=10**13 - change.version) for change in changes]
        return changes


class TakesHalves(OddSource):
    """Takes whatever is signed, without a look at what it says."""

    def verify(self, request):
        try:
            return self.inner.verify(request)
        except Rejected:
            right = self.bench.sign(request, request.body).headers[SIGNATURE]
            if not request.body or request.headers.get(SIGNATURE) != right:
                raise
            return Verified(
                Event("shop", "orders/updated", "?", Via.EVENT, request.received_at_ms, request.body)
            )


class FloatsMoney(OddSource):
    def decode(self, logged):
        return [self._floated(change) for change in self.inner.decode(logged)]

    @staticmethod
    def _floated(change: Change) -> Change:
        lines = getattr(change.value, "lines", ())
        if not lines:
            return change
        odd = tuple(replace(line, unit_price=Decimal(float(line.unit_price))) for line in lines)
        return replace(change, value=replace(change.value, lines=odd))


class TrustsHeaders(OddSource):
    def verify(self, request):
        if not request.headers:
            raise KeyError(SIGNATURE)
        return self.inner.verify(request)


# --- sinks -------------------------------------------------------------------------------------------------


class OddSink:
    """Passes everything on; mutants override what they do wrong."""

    def __init__(self, inner: Sink, bench: ShopifyBench) -> None:
        self.inner = inner
        self.bench = bench

    @property
    def operations(self) -> Mapping[str, Operation]:
        return self.inner.operations

    async def deliver(self, operation: str, items: Sequence[Item], key: str) -> list[Outcome]:
        return [self.turn(outcome) for outcome in await self.inner.deliver(operation, items, key)]

    def turn(self, outcome: Outcome) -> Outcome:
        return outcome

    async def look_up(self, operation: str, item: Item) -> Outcome | None:
        return await self.inner.look_up(operation, item)


class TellsNothing(OddSink):
    def turn(self, outcome):
        return replace(outcome, facts={}) if outcome.result is Result.DONE else outcome


class ForgetsItsKey(OddSink):
    calls = 0

    async def deliver(self, operation, items, key):
        self.calls += 1
        return await self.inner.deliver(operation, items, f"{key}/{self.calls}")


class DeniesAfterErrors(OddSink):
    def turn(self, outcome):
        if outcome.result is Result.UNKNOWN and "HTTP 500" in outcome.message:
            return replace(outcome, result=Result.RETRY)
        return outcome


class DoubtsEverything(OddSink):
    def turn(self, outcome):
        return replace(outcome, result=Result.UNKNOWN) if outcome.result is Result.NOT_SENT else outcome


class SwallowsTheThrottle(OddSink):
    def turn(self, outcome):
        if outcome.result is Result.THROTTLED and "429" not in outcome.message:
            return Outcome(Result.RETRY, outcome.message)
        return outcome


class WaitsAsItLikes(OddSink):
    def turn(self, outcome):
        return replace(outcome, retry_after_s=1.0) if "429" in outcome.message else outcome


class FailsTheBatch(OddSink):
    async def deliver(self, operation, items, key):
        outcomes = await self.inner.deliver(operation, items, key)
        bad = [outcome for outcome in outcomes if outcome.result is Result.REJECTED]
        return bad[:1] * len(items) if bad else outcomes


class Overwrites(OddSink):
    """Meets a stale expectation by reading and sending its number all the same."""

    async def deliver(self, operation, items, key):
        outcomes = await self.inner.deliver(operation, items, key)
        if [outcome.result for outcome in outcomes] == [Result.STALE]:
            payload: SetStock = items[0].payload
            ask = Item("read", ReadStock(payload.sku, payload.stock_id, payload.location))
            (read,) = await self.inner.deliver("read_stock", [ask], "read")
            again = replace(payload, expected=read.facts["held"])
            return await self.inner.deliver(operation, [replace(items[0], payload=again)], f"{key}-again")
        return outcomes


class Boasts(OddSink):
    @property
    def operations(self):
        known = self.inner.operations
        return {**known, "set_stock": replace(known["set_stock"], batch_items_max=300)}


class FailsOnAuth(OddSink):
    async def deliver(self, operation, items, key):
        try:
            return await self.inner.deliver(operation, items, key)
        except AuthExpired as error:
            return [Outcome(Result.RETRY, str(error))] * len(items)


class Paraphrases(OddSink):
    def turn(self, outcome):
        return replace(outcome, message="rejected") if outcome.result is Result.REJECTED else outcome


class LeaksTheToken(OddSink):
    async def deliver(self, operation, items, key):
        try:
            return await self.inner.deliver(operation, items, key)
        except AuthExpired as error:
            raise AuthExpired(f"{error} (sent {TOKEN})") from None


def unpaced(system: System) -> System:
    """Takes no notice of the budget."""
    governor: Any = system.governor

    async def acquire(cost: float, *, urgent: bool = False) -> None:
        governor.calls += 1

    governor.acquire = acquire
    return system


class Uncounted:
    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def ready(self, *, urgent: bool = False) -> None:
        await self.inner.ready(urgent=urgent)

    def usage(self) -> Mapping[str, float]:
        return {**self.inner.usage(), "calls": 0}


# --- simulators --------------------------------------------------------------------------------------------


class Doorman:
    """Stands in front of a simulator; ``alter`` may change what it is asked, ``answer`` what it says."""

    def __init__(self, bench: ShopifyBench) -> None:
        self.simulator = bench.simulator
        bench.around.apps.register(f"https://{SHOP}", self)

    def alter(self, headers: dict[bytes, bytes], body: bytes) -> bytes:
        return body

    def answer(self, status: int, body: bytes) -> bytes:
        return body

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        headers = dict(scope["headers"])
        body = self.alter(headers, message["body"])

        async def given() -> Any:
            return {**message, "body": body}

        status = 0

        async def passed(part: Any) -> None:
            nonlocal status
            status = part.get("status", status)
            if "body" in part:
                part = {**part, "body": self.answer(status, part["body"])}
            await send(part)

        await self.simulator({**scope, "headers": list(headers.items())}, given, passed)


class LooksAtTheFirstCharacters(Doorman):
    def alter(self, headers, body):
        name = b"x-shopify-access-token"
        if headers.get(name, b"")[:10] == TOKEN[:10].encode():
            headers[name] = TOKEN.encode()
        return body


class DropsUnknownFields(Doorman):
    def alter(self, headers, body):
        with contextlib.suppress(ValueError, LookupError, TypeError):
            request = json.loads(body)
            if request["variables"]["input"].pop("quantitys", None) is not None:
                self.simulator.ledger.breach("unknown_field")
                request["variables"]["key"] = "a key of its own"
                for line in request["variables"]["input"]["quantities"]:
                    line["changeFromQuantity"] = None
                return json.dumps(request).encode()
        return body


class MakesUpErrors(Doorman):
    def answer(self, status, body):
        return b'{"errors":"Bad Request"}' if status == 400 else body


class IsNeverDown(Doorman):
    def alter(self, headers, body):
        self.simulator.faults.down = False
        return body


LIVES = count()


class Whims(ShopifyBench):
    """Draws from something that no seed rules."""

    def people(self, rng: Random) -> None:
        super().people(Random(next(LIVES)))


class Hashes(ShopifyBench):
    def digest(self) -> str:
        return f"{super().digest()} {hash('the order of sets')}"


class Generous(ShopifyBench):
    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self.simulator.bucket.take = lambda points: True  # type: ignore[method-assign]


class Forgetful(ShopifyBench):
    """Notes neither unknown fields nor anything else that is said to be wrong with a query."""

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        note = self.simulator.ledger.breach
        kept = ("auth", "throttled")
        self.simulator.ledger = _Ledger(note, kept, self.simulator.ledger)


class _Ledger:
    def __init__(self, note: Callable[[str], None], kept: tuple[str, ...], inner: Any) -> None:
        self._note = note
        self._kept = kept
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def breach(self, kind: str) -> None:
        if kind in self._kept:
            self._note(kind)


class MiscountsSometimes(ShopifyBench):
    acts = 0

    def people(self, rng: Random) -> None:
        super().people(rng)
        self.acts += 1
        if self.acts == 40:
            self.simulator.state.skus["P0"].levels[self.place].committed += 1


# --- which mutant must fail which test -----------------------------------------------------------------------


@dataclass(frozen=True)
class Mutant:
    test: str
    what: Any


def changed(**capabilities: Any) -> Callable[[System], System]:
    return lambda system: replace(system, capabilities=replace(system.capabilities, **capabilities))


def uncounted(system: System) -> System:
    return replace(system, governor=Uncounted(system.governor))


SOURCES = [
    Mutant("test_a_read_from_nothing_brings_every_record_once", Repeats),
    Mutant("test_a_read_killed_on_any_page_resumes_from_the_last_stored_one", RunsAhead),
    Mutant("test_records_of_one_moment_at_a_page_edge_are_all_read", DropsTies),
    Mutant("test_an_update_during_the_read_is_not_lost", TakesTheEndForTheWatermark),
    Mutant("test_a_change_that_becomes_visible_late_is_found", NoOverlap),
    Mutant("test_deletes_are_seen_or_declared_unseen", changed(deletes_seen=True)),
    Mutant("test_a_completed_read_confirms_the_moment_it_began", ConfirmsTheEnd),
    Mutant("test_a_read_that_breaks_says_so_and_loses_nothing", SwallowsBreaks),
    Mutant("test_a_refused_credential_stops_a_read", RetriesAuth),
    Mutant("test_one_malformed_record_is_parked_and_the_rest_flow", SkipsTheMalformed),
    Mutant("test_the_version_of_an_order_is_its_stamp", CountsRevisions),
    Mutant("test_a_webhook_that_is_not_rightly_signed_is_refused", AcceptsAnySignature),
    Mutant("test_a_webhook_without_a_signature_is_called_a_forgery", CallsForgeriesRejected),
    Mutant("test_a_webhook_sent_twice_has_one_event_id", NumbersArrivals),
    Mutant("test_webhooks_and_reads_of_one_record_converge_in_any_order", OrdersBackwards),
    Mutant("test_a_truncated_webhook_is_refused_whole", TakesHalves),
    Mutant("test_decimals_are_exact", FloatsMoney),
    Mutant("test_verify_raises_nothing_but_rejected", TrustsHeaders),
]
SINKS = [
    Mutant("test_what_is_delivered_is_there_and_told", TellsNothing),
    Mutant("test_a_lost_answer_never_leads_to_a_second_effect", ForgetsItsKey),
    Mutant("test_a_server_error_after_the_effect_is_no_denial", DeniesAfterErrors),
    Mutant("test_a_call_that_never_left_is_known_to_have_done_nothing", DoubtsEverything),
    Mutant("test_a_throttle_says_how_long_to_wait_and_is_counted", SwallowsTheThrottle),
    Mutant("test_a_delay_that_the_vendor_names_is_kept", WaitsAsItLikes),
    Mutant("test_one_bad_item_spoils_only_itself", FailsTheBatch),
    Mutant("test_a_stale_expectation_never_overwrites", Overwrites),
    Mutant("test_a_full_batch_is_taken", Boasts),
    Mutant("test_a_refused_credential_pauses_and_fails_nothing", FailsOnAuth),
    Mutant("test_a_refusal_keeps_the_vendors_words", Paraphrases),
    Mutant("test_a_crowd_never_breaks_the_vendors_limit", unpaced),
    Mutant("test_every_call_is_counted", uncounted),
    Mutant("test_no_secret_is_ever_shown", LeaksTheToken),
]
SIMULATORS = [
    Mutant("test_one_seed_gives_one_history", Whims),
    Mutant("test_the_history_is_the_same_in_any_process", Hashes),
    Mutant("test_a_wrong_credential_gets_nothing", LooksAtTheFirstCharacters),
    Mutant("test_who_calls_too_fast_is_refused_and_noted", Generous),
    Mutant("test_a_field_that_the_vendor_does_not_have_is_refused", DropsUnknownFields),
    Mutant("test_a_field_that_was_refused_is_noted", Forgetful),
    Mutant("test_errors_are_the_documented_ones", MakesUpErrors),
    Mutant("test_a_vendor_that_is_down_does_nothing", IsNeverDown),
    Mutant("test_the_books_balance_whatever_people_do", MiscountsSometimes),
]


def bench_of(what: Any) -> type[ShopifyBench]:
    """The Shopify bench with one thing wrong."""
    if isinstance(what, type) and issubclass(what, ShopifyBench):
        return what

    class Broken(ShopifyBench):
        def __init__(self, around: Surroundings) -> None:
            super().__init__(around)
            if isinstance(what, type) and issubclass(what, Doorman):
                what(self)

        def open(self) -> System:
            system = super().open()
            if not isinstance(what, type):
                return what(system)
            if issubclass(what, OddSource):
                return replace(system, source=what(system.source, self))
            return replace(system, sink=what(system.sink, self)) if issubclass(what, OddSink) else system

    return Broken


def failing(suite: type[Suite], names: Sequence[str]) -> Iterator[str]:
    """The tests of a suite that fail, or are waived."""
    for name in names:
        try:
            getattr(suite(), name)()
        except pytest.skip.Exception:
            continue
        except (Exception, pytest.fail.Exception, pytest.xfail.Exception):  # noqa: BLE001 - whatever it is
            yield name


def run(suite: type[Suite], what: Any, test: str) -> set[str]:
    names = [name for name in suite.conformance_tests() if name == test or name not in COSTLY]
    broken = type("Broken", (suite,), {"bench": bench_of(what), "waivers": {}})
    return set(failing(broken, names))


def ids(mutant: Mutant) -> str:
    return mutant.test.removeprefix("test_")


@pytest.mark.parametrize("mutant", SOURCES, ids=ids)
def test_a_broken_source_fails_exactly_its_test(mutant):
    waived = ShopifySource.waivers.keys()
    assert run(SourceConformance, mutant.what, mutant.test) - (waived - {mutant.test}) == {mutant.test}


@pytest.mark.parametrize("mutant", SINKS, ids=ids)
def test_a_broken_sink_fails_exactly_its_test(mutant):
    waived = ShopifySink.waivers.keys()
    assert run(SinkConformance, mutant.what, mutant.test) - (waived - {mutant.test}) == {mutant.test}


@pytest.mark.parametrize("mutant", SIMULATORS, ids=ids)
def test_a_broken_simulator_fails_exactly_its_test(mutant):
    assert run(SimulatorConformance, mutant.what, mutant.test) == {mutant.test}


@pytest.mark.parametrize(
    ("suite", "mutants"),
    [
        (SourceConformance, SOURCES),
        (SinkConformance, SINKS),
        (SimulatorConformance, SIMULATORS),
    ],
    ids=["source", "sink", "simulator"],
)
def test_every_conformance_test_has_a_mutant(suite, mutants):
    # tests/conformance/test_stock_sink_mutants.py and test_announcement_mutants.py
    elsewhere = StockWrites.conformance_tests() + Announcements.conformance_tests()
    tests = [test for test in suite.conformance_tests() if test not in elsewhere]
    assert sorted(mutant.test for mutant in mutants) == sorted(tests)


# --- the suites' own rules ---------------------------------------------------------------------------------


class Small(Suite):
    bench = NetSuiteBench
    ran = 0

    @conformance()
    async def test_fails(self, bench: NetSuiteBench) -> None:
        raise AssertionError("as it must")

    @conformance()
    async def test_passes(self, bench: NetSuiteBench) -> None:
        type(self).ran += 1

    @conformance(needs=lambda c: c.deletes_seen, because="it shows no deletes")
    async def test_does_not_apply(self, bench: NetSuiteBench) -> None:
        raise AssertionError("never told")


def test_a_skip_is_declared_and_says_so():
    with pytest.raises(pytest.skip.Exception, match="declared: it shows no deletes"):
        Small().test_does_not_apply()


def test_a_waived_failure_is_shown_with_its_reason_and_its_end():
    class Waived(Small):
        waivers: ClassVar = {"test_fails": Waiver("known", expires="9999-12-31")}

    with pytest.raises(pytest.xfail.Exception, match="until 9999-12-31: known"):
        Waived().test_fails()


def test_a_waiver_ends():
    class Waived(Small):
        waivers: ClassVar = {"test_fails": Waiver("known", expires="2026-01-01")}

    with pytest.raises(AssertionError, match="this waiver ended on 2026-01-01: known"):
        Waived().test_fails()


def test_a_waiver_that_is_not_needed_any_more_fails():
    class Waived(Small):
        waivers: ClassVar = {"test_passes": Waiver("known", expires="9999-12-31")}

    with pytest.raises(pytest.fail.Exception, match="passes now"):
        Waived().test_passes()
    assert Waived.ran == 1


def test_a_waiver_names_a_test():
    with pytest.raises(TypeError, match="waives test_typo"):
        type("Waived", (Small,), {"waivers": {"test_typo": Waiver("?", expires="9999-12-31")}})


def test_a_test_with_nothing_to_check_fails():
    assert some([1], "thing") == [1]
    with pytest.raises(AssertionError, match="nothing to check: no thing"):
        some([], "thing")


def test_the_benches_leave_nothing_behind(monkeypatch):
    from syncline.connectors.netsuite import delta
    from syncline.connectors.shopify import documents

    before = documents.ORDERS_CHANGED, delta.PAGE_MAX
    for suite in (ShopifySource, type("N", (SourceConformance,), {"bench": NetSuiteBench})):
        suite().test_a_read_from_nothing_brings_every_record_once()
    after = documents.ORDERS_CHANGED, delta.PAGE_MAX
    assert after == before
