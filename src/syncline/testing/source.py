"""The conformance suite of a Source: name a bench, done.

::

    class TestAcmeSource(SourceConformance):
        bench = AcmeBench

It needs pytest. ``tests/conformance/test_connector_mutants.py`` holds a broken connector for each test.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from random import Random

from syncline.model.change import Change, Cursor, Event, LoggedEvent
from syncline.model.copying import replace
from syncline.model.errors import AuthExpired, Forged, OutcomeUnknown, Rejected, Retryable
from syncline.model.records import Order
from syncline.ports import Page, System, WebhookRequest
from syncline.testing.announcements import UNSIGNED, Announcements, signs
from syncline.testing.bench import ConnectorBench, cut
from syncline.testing.suite import Books, changes_of, conformance, edited, failure_of, posts_of, some

FUZZ_ROUNDS = 400
DECIMALS = ("0.1", "0.7", "19.99", "1234567.89", "0.000001", "0.30000001")
OTHER_SECRET = "not-the-secret-that-both-sides-share"  # noqa: S105 (it opens nothing)
APART_S = 2.0  # stamps of many vendors have whole seconds
QUIET_S = 300.0
AGAIN_S = 3600.0  # by then every vendor has sent a refused webhook again
AGAIN_POSTS = 12  # more than one act causes, so that the waiting lasts


async def pages_of(system: System, stream: str, cursor: Cursor | None, limit: int = 10_000) -> list[Page]:
    """At most ``limit`` pages of a read, as a process that then dies would have stored them."""
    pages: list[Page] = []
    reading = system.source.poll(stream, cursor)
    async for page in reading:
        pages.append(page)
        # A whole read runs to its own end: only then does the source know that its last page is stored.
        if len(pages) >= limit:
            break
    close = getattr(reading, "aclose", None)
    if close is not None:
        await close()
    return pages


async def pull(
    bench: ConnectorBench,
    system: System,
    cursor: Cursor | None = None,
) -> tuple[list[Event], Cursor]:
    """A whole read of the delta stream."""
    pages = some(await pages_of(system, bench.facts.delta, cursor), "page")
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True], (
        "the read ends with its last page"
    )
    return [event for page in pages for event in page.events], pages[-1].cursor


async def spread(bench: ConnectorBench, count: int, *, apart_s: float = APART_S) -> list[str]:
    """Make records, each in a second of its own."""
    keys: list[str] = []
    for _ in range(count):
        keys += bench.add(1)
        await bench.around.clock.sleep(apart_s)
    return keys


def keys_of(bench: ConnectorBench, system: System, events: list[Event]) -> list[str]:
    """The keys of the changes in events, in order."""
    return [change.key for change in changes_of(system, events, bench.facts.kind)]


class SourceConformance(Announcements):
    """What every Source has to do."""

    # --- reads --------------------------------------------------------------------------------------

    @conformance()
    async def test_a_read_from_nothing_brings_every_record_once(self, bench: ConnectorBench) -> None:
        keys = await spread(bench, bench.facts.page_items * 2 + 1)
        system = bench.open()
        events, _ = await pull(bench, system)
        found = keys_of(bench, system, events)
        assert sorted(some(found, "record")) == sorted(keys)

    @conformance()
    async def test_a_read_killed_on_any_page_resumes_from_the_last_stored_one(
        self, bench: ConnectorBench
    ) -> None:
        # So far apart that no overlap of reads could make up for a cursor that ran ahead.
        keys = await spread(bench, bench.facts.page_items * 3 + 1, apart_s=QUIET_S)
        whole = await pages_of(bench.open(), bench.facts.delta, None)
        assert len(whole) > 3, f"nothing to check: {len(whole)} pages"
        for stored in range(len(whole)):
            before = bench.open()
            pages = await pages_of(before, bench.facts.delta, None, limit=stored + 1)
            kept = pages[:stored]  # the process died before it could store the last page that it got
            seen = {key for page in kept for key in keys_of(bench, before, list(page.events))}
            after = bench.open()
            events, _ = await pull(bench, after, kept[-1].cursor if kept else None)
            assert seen | set(keys_of(bench, after, events)) >= set(keys), f"killed after page {stored}"

    @conformance()
    async def test_records_of_one_moment_at_a_page_edge_are_all_read(self, bench: ConnectorBench) -> None:
        size = bench.facts.page_items
        keys = await spread(bench, size - 1)
        keys += bench.add(size + 2)  # one moment, over two page edges
        await bench.around.clock.sleep(APART_S)
        keys += await spread(bench, 1)
        system = bench.open()
        pages = await pages_of(system, bench.facts.delta, None)
        assert len(pages) > 2, f"nothing to check: {len(pages)} pages"
        found = {key for page in pages for key in keys_of(bench, system, list(page.events))}
        assert found == set(keys)

    @conformance()
    async def test_an_update_during_the_read_is_not_lost(self, bench: ConnectorBench) -> None:
        keys = await spread(bench, bench.facts.page_items * 3)
        await bench.around.clock.sleep(QUIET_S)
        system = bench.open()
        books = Books(bench, system)
        cursor: Cursor | None = None
        edited = [keys[0], keys[-1]]  # one that was read already, one that comes later
        async for page in system.source.poll(bench.facts.delta, None):
            await books.take(page.events)
            if cursor is None:
                assert not page.last, "nothing to check: the read has one page"
                await bench.around.clock.sleep(APART_S)
                for key in edited:
                    bench.edit(key)
                await bench.around.clock.sleep(APART_S)
            cursor = page.cursor
        await bench.around.clock.sleep(QUIET_S)
        events, _ = await pull(bench, system, cursor)
        await books.take(events)
        for key in edited:
            assert books.shows(key) == bench.truth(key)

    @conformance()
    async def test_a_change_that_becomes_visible_late_is_found(self, bench: ConnectorBench) -> None:
        bench.add(1)
        await bench.around.clock.sleep(QUIET_S)
        bench.add(1)
        await bench.around.clock.sleep(APART_S)
        system = bench.open()
        _, cursor = await pull(bench, system)
        await bench.around.clock.sleep(APART_S)
        clock = bench.around.vendor_clock
        clock.behind_ms = round(bench.facts.overlap_s * 1000)
        late = bench.add(1)
        clock.behind_ms = 0
        await bench.around.clock.sleep(APART_S)
        events, _ = await pull(bench, system, cursor)
        assert set(late) <= set(keys_of(bench, system, events))

    @conformance()
    async def test_deletes_are_seen_or_declared_unseen(self, bench: ConnectorBench) -> None:
        keys = await spread(bench, 2)
        system = bench.open()
        _, cursor = await pull(bench, system)
        await bench.around.clock.sleep(QUIET_S)
        before = {event.event_id for event in (await pull(bench, system, cursor))[0]}
        bench.delete(keys[0])
        await bench.around.clock.sleep(APART_S)
        posted: list[WebhookRequest] = list(bench.around.mailbox.posts)
        events, _ = await pull(bench, system, cursor)
        news = [e for e in events if e.event_id not in before]
        seen = keys[0] in keys_of(bench, system, news) or bool(posted)
        assert seen == system.capabilities.deletes_seen, (
            "the capability deletes_seen does not say what happens"
        )

    @conformance()
    async def test_a_completed_read_confirms_the_moment_it_began(self, bench: ConnectorBench) -> None:
        await spread(bench, bench.facts.page_items * 2)
        system = bench.open()
        cursor: Cursor | None = None
        for _ in range(2):
            covered = cursor.covers_ms if cursor else 0
            began = bench.around.clock.now_ms()
            pages = some(await pages_of(system, bench.facts.delta, cursor), "page")
            assert all(page.cursor.covers_ms == covered for page in pages[:-1]), (
                "an unfinished read confirms nothing"
            )
            cursor = pages[-1].cursor
            assert covered < cursor.covers_ms <= began
            await bench.around.clock.sleep(QUIET_S)
            bench.add(bench.facts.page_items * 2)

    @conformance()
    async def test_a_read_that_breaks_says_so_and_loses_nothing(self, bench: ConnectorBench) -> None:
        keys = await spread(bench, bench.facts.page_items)
        system = bench.open()
        bench.around.wire.between = cut
        failure = await failure_of(pull(bench, system))
        assert isinstance(failure, Retryable | OutcomeUnknown), f"an answer cut in half ended in {failure!r}"
        bench.around.wire.between = None
        events, _ = await pull(bench, system)
        assert set(keys_of(bench, system, events)) == set(keys)

    @conformance()
    async def test_a_refused_credential_stops_a_read(self, bench: ConnectorBench) -> None:
        await spread(bench, 1)
        system = bench.open()
        bench.simulator.faults.reject_auth = True
        failure = await failure_of(pull(bench, system))
        assert isinstance(failure, AuthExpired), f"a refused credential ended in {failure!r}"

    @conformance()
    async def test_one_malformed_record_is_parked_and_the_rest_flow(self, bench: ConnectorBench) -> None:
        keys = await spread(bench, bench.facts.page_items * 2)
        bench.spoil(keys[1])
        system = bench.open()
        books = Books(bench, system)
        events, _ = await pull(bench, system)
        await books.take(events)
        assert set(books.held) == set(keys) - {keys[1]}
        assert some(books.parked, "parked record")
        assert all(books.parked), "what is parked says why"

    @conformance(needs=lambda c: "orders" in c.delta_poll, because="it has no reads of orders")
    async def test_the_version_of_an_order_is_its_stamp(self, bench: ConnectorBench) -> None:
        """The engine compares it with the stamp that the ERP was last sent: another number loses revisions."""
        keys = await spread(bench, 2)
        bench.edit(keys[0])
        await bench.around.clock.sleep(QUIET_S)
        system = bench.open()
        books = Books(bench, system)
        events, _ = await pull(bench, system)
        await books.take(events)
        told = [(change.version, change.value) for change in books.held.values()]
        orders = [(version, order) for version, order in told if isinstance(order, Order)]
        for version, order in some(orders, "order"):
            assert version == order.updated_at_ms

    # --- webhooks -----------------------------------------------------------------------------------

    async def _posted(self, bench: ConnectorBench) -> tuple[System, str, WebhookRequest]:
        """A system with webhooks, a record, and a webhook about its last change."""
        system = bench.open()
        await bench.subscribe(system)
        (key,) = bench.add(1)
        await bench.around.clock.sleep(APART_S)
        post = await edited(bench, system, key)
        return system, key, post

    @conformance(needs=signs, because=UNSIGNED)
    async def test_a_webhook_that_is_not_rightly_signed_is_refused(self, bench: ConnectorBench) -> None:
        system, _, post = await self._posted(bench)
        system.source.verify(post)
        # JSON allows white space at the end, so only the signature can tell that this is another body.
        forgeries = {
            "another body": replace(post, body=post.body + b" "),
            "another secret": bench.sign(post, post.body, secret=OTHER_SECRET),
            "an empty secret": bench.sign(post, post.body, secret=""),
        }
        for what, forged in forgeries.items():
            failure = _verify(system, forged)
            assert isinstance(failure, Rejected), f"{what}: {failure!r}"

    @conformance(needs=lambda c: c.webhooks, because="it has no webhooks")
    async def test_a_webhook_without_a_signature_is_called_a_forgery(self, bench: ConnectorBench) -> None:
        """The ingress answers 401 to those, counts them apart, and tells strangers nothing."""
        system, _, post = await self._posted(bench)
        failure = _verify(system, bench.unsigned(post))
        assert isinstance(failure, Forged), f"{failure!r}"

    @conformance(needs=lambda c: c.webhooks, because="it has no webhooks")
    async def test_a_webhook_sent_twice_has_one_event_id(self, bench: ConnectorBench) -> None:
        system, key, post = await self._posted(bench)
        first = system.source.verify(post).event
        again = system.source.verify(replace(post, received_at_ms=post.received_at_ms + 60_000)).event
        assert again.event_id == first.event_id
        bench.around.mailbox.refuse = 1
        posts = await posts_of(bench, lambda: bench.edit(key), at_least=AGAIN_POSTS, wait_s=AGAIN_S)
        ids = [system.source.verify(one).event.event_id for one in posts]
        assert ids.count(ids[0]) > 1, "nothing to check: the vendor did not send it again"
        assert first.event_id not in ids, "another event has the same id"

    @conformance(needs=signs, because=UNSIGNED)
    async def test_webhooks_and_reads_of_one_record_converge_in_any_order(
        self, bench: ConnectorBench
    ) -> None:
        system, key, _ = await self._posted(bench)
        posts: list[WebhookRequest] = []
        for _ in range(2):
            await bench.around.clock.sleep(APART_S)
            posts.append(await edited(bench, system, key))
        await bench.around.clock.sleep(APART_S)
        told = [[system.source.verify(post).event] for post in posts]
        read, _ = await pull(bench, system)
        assert key in keys_of(bench, system, read)
        for order in permutations([*told, read]):
            books = Books(bench, system)
            for events in order:
                await books.take(events)
            assert books.shows(key) == bench.truth(key)

    @conformance(needs=lambda c: c.webhooks, because="it has no webhooks")
    async def test_a_truncated_webhook_is_refused_whole(self, bench: ConnectorBench) -> None:
        system, _, post = await self._posted(bench)
        for share in (1, 3, 7):
            short = post.body[: len(post.body) * share // 8]
            assert isinstance(_verify(system, replace(post, body=short)), Rejected)
            # Even where the sender itself signed the half of it.
            failure = _verify(system, bench.sign(post, short))
            assert isinstance(failure, Rejected), f"{share}/8 of a body were taken: {failure!r}"

    @conformance(needs=signs, because=UNSIGNED)
    async def test_decimals_are_exact(self, bench: ConnectorBench) -> None:
        system, _, post = await self._posted(bench)
        numbers = [
            number
            for number in map(Decimal, DECIMALS)
            if -int(number.as_tuple().exponent) <= bench.facts.decimal_places
        ]
        for number in some(numbers, "number that this vendor can state"):
            event = system.source.verify(bench.stating(post, number)).event
            (change, *_) = some(_decoded(bench, system, event), "change")
            assert bench.stated(change) == number

    @conformance(needs=lambda c: c.webhooks, because="it has no webhooks")
    async def test_verify_raises_nothing_but_rejected(self, bench: ConnectorBench) -> None:
        system, _, post = await self._posted(bench)
        rng = Random(self.seed)
        refused = 0
        for _ in range(FUZZ_ROUNDS):
            failure = _verify(system, _mangled(bench, post, rng))
            refused += failure is not None
            assert failure is None or str(failure), "a refusal says why"
        assert refused > FUZZ_ROUNDS // 8, f"nothing to check: {refused} of {FUZZ_ROUNDS} were refused"


def _verify(system: System, post: WebhookRequest) -> Rejected | None:
    try:
        system.source.verify(post)
    except Rejected as error:
        return error
    return None


def _decoded(bench: ConnectorBench, system: System, event: Event) -> list[Change]:
    changes = system.source.decode(LoggedEvent(1, event.occurred_at_ms, event))
    return [change for change in changes if change.kind is bench.facts.kind]


def _mangled(bench: ConnectorBench, post: WebhookRequest, rng: Random) -> WebhookRequest:
    """A webhook with something wrong in its headers or, rightly signed, in its body."""
    headers = dict(post.headers)
    choice = rng.randrange(6)
    if choice == 0:
        headers.pop(rng.choice(sorted(headers)))
        return replace(post, headers=headers)
    if choice == 1:
        odd = ("", "\x00", "é", "x" * 5000, "v1,", "=", "NaN", "-1", "9" * 40, "\ud800")
        headers[rng.choice(sorted(headers))] = rng.choice(odd)
        return replace(post, headers=headers)
    if choice == 2:
        return replace(post, headers={})
    body = bytearray(post.body)
    if choice == 3:
        for _ in range(rng.randint(1, 4)):
            body[rng.randrange(len(body))] = rng.randrange(256)
    elif choice == 4:
        start = rng.randrange(len(body))
        del body[start : start + rng.randint(1, 40)]
    else:
        odd_bodies = (
            b"",
            b"null",
            b"[]",
            b"{}",
            b'"',
            b"[" * 100_000,
            b"\xff\xfe",
            b"1e999",
            b'{"id":-1}',
            b" ",
        )
        body = bytearray(rng.choice(odd_bodies))
    return bench.sign(post, bytes(body))
