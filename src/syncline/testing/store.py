"""The conformance suite of the Store port: subclass ``StoreConformance``, say how to open one, done.

::

    class TestAcmeStore(StoreConformance):
        @asynccontextmanager
        async def store(self):
            store = await AcmeStore.open(...)
            try:
                yield store
            finally:
                await store.close()

It needs pytest and pytest-asyncio in mode ``auto``. For readable failures, call
``pytest.register_assert_rewrite("syncline.testing")`` in your ``conftest.py``.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

import pytest

from syncline.model.change import Cursor, Event, Via
from syncline.model.errors import Fenced, Rejected
from syncline.ports import Store, Write
from syncline.testing.store_adoption import AdoptionConformance
from syncline.testing.store_bindings import BindingConformance
from syncline.testing.store_credit import CreditConformance
from syncline.testing.store_deliveries import DeliveryConformance
from syncline.testing.store_full_reads import FullReadConformance
from syncline.testing.store_heard import HeardConformance
from syncline.testing.store_holds import HoldConformance
from syncline.testing.store_mappings import MappingConformance
from syncline.testing.store_modes import ModeConformance
from syncline.testing.store_privacy import PrivacyConformance
from syncline.testing.store_proofs import ProofConformance
from syncline.testing.store_records import RecordConformance
from syncline.testing.store_retired import RetiredConformance
from syncline.testing.store_routing import RoutingConformance
from syncline.testing.store_statements import StatementConformance
from syncline.testing.store_states import StateConformance
from syncline.testing.store_surveys import SurveyConformance
from syncline.testing.store_tools import BIG, DAY_MS, T0, attempt, breathe, event, put, stored_log

BUCKET_MS = 16 * DAY_MS


class StoreConformance(
    StatementConformance,
    BindingConformance,
    HeardConformance,
    DeliveryConformance,
    HoldConformance,
    ModeConformance,
    SurveyConformance,
    AdoptionConformance,
    FullReadConformance,
    ProofConformance,
    RetiredConformance,
    StateConformance,
    RecordConformance,
    RoutingConformance,
    MappingConformance,
    CreditConformance,
    PrivacyConformance,
):
    """What every Store has to do. ``tests/conformance/test_store_mutants.py`` proves each test's worth."""

    survives_close: ClassVar[bool] = True
    """Whether data outlives ``close`` (not so in memory)."""

    def store(self) -> AbstractAsyncContextManager[Store]:
        """A new store on empty data of its own, closed at the end."""
        raise NotImplementedError

    async def reopen(self, store: Store) -> Store:
        """Close ``store`` and open another one on its data; ``store()`` closes that one at its end."""
        raise NotImplementedError

    # --- the log ---------------------------------------------------------------------------------

    async def test_an_event_is_read_back_as_it_came(self) -> None:
        events = [
            Event("shop", "orders/create", "1", Via.EVENT, T0 - 7, b'{"a": 1}'),
            Event("erp", "item", "1", Via.POLL, T0 - 8, b""),
            Event("erp", "stock", "2", Via.SNAPSHOT, 0, bytes(range(256)) * 4_000),
            Event("erp", "order", "3", Via.READ, -1, "ünïcode \U0001f600".encode()),
        ]
        async with self.store() as store:
            assert await store.append(events, received_at_ms=T0) == [1, 2, 3, 4]
            logged = await store.events(0, 10)
            assert [one.event for one in logged] == events
            assert [(one.offset, one.received_at_ms) for one in logged] == [(n, T0) for n in (1, 2, 3, 4)]

    async def test_reading_starts_after_an_offset_and_stops_at_the_limit(self) -> None:
        async with self.store() as store:
            await store.append([event(str(n)) for n in range(6)], received_at_ms=T0)
            assert [one.offset for one in await store.events(0, 2)] == [1, 2]
            assert [one.offset for one in await store.events(2, 3)] == [3, 4, 5]
            assert await store.events(6, 10) == []
            assert await store.read("log_end") == [(6,)]

    async def test_a_reader_misses_nothing_while_many_append(self) -> None:
        """What "seq > last" readers lose when lower numbers become visible later."""
        async with self.store() as store:
            seen: list[int] = []
            done = asyncio.Event()

            async def append(writer: int) -> list[int | None]:
                offsets: list[int | None] = []
                for turn in range(8):
                    ids = [f"{writer}.{turn}.{n}" for n in range((writer + turn) % 4 + 1)]
                    offsets += await store.append([event(id_) for id_ in ids], received_at_ms=T0 + turn)
                    await breathe()
                return offsets

            async def follow() -> None:
                while True:
                    last_round = done.is_set()
                    logged = await store.events(seen[-1] if seen else 0, 7)
                    seen.extend(one.offset for one in logged)
                    assert len(seen) < 10_000, "the reader is given events again and again"
                    if last_round and not logged:
                        return
                    await breathe()

            follower = asyncio.ensure_future(follow())
            try:
                answers = await asyncio.gather(*map(append, range(12)))
            finally:
                done.set()
                await follower
            given = [offset for offsets in answers for offset in offsets]
            count = len(given)
            assert sorted(offset for offset in given if offset is not None) == list(range(1, count + 1))
            assert seen == list(range(1, count + 1))

    async def test_a_known_event_id_is_refused_and_takes_no_offset(self) -> None:
        async with self.store() as store:
            assert await store.append([event("a"), event("a"), event("b")], received_at_ms=T0) == [1, None, 2]
            assert await store.append([event("b"), event("c"), event("a")], received_at_ms=T0) == [
                None,
                3,
                None,
            ]
            assert [one.event.event_id for one in await store.events(0, 10)] == ["a", "b", "c"]

    async def test_one_event_id_arriving_many_times_at_once_is_one_event(self) -> None:
        async with self.store() as store:
            answers = await asyncio.gather(
                *(store.append([event("same")], received_at_ms=T0 + n) for n in range(20)),
            )
            assert sorted(answers, key=str) == [[1]] + [[None]] * 19
            assert len(await store.events(0, 10)) == 1

    async def test_an_event_id_is_known_for_32_days(self) -> None:
        start = T0 // BUCKET_MS * BUCKET_MS
        async with self.store() as store:
            for n, received in enumerate((start, start + BUCKET_MS - 1)):
                first = await store.append([event(f"e{n}")], received_at_ms=received)
                assert first != [None]
                for days in (0, 1, 16, 31):
                    again = await store.append([event(f"e{n}")], received_at_ms=received + days * DAY_MS)
                    assert again == [None], f"forgotten after {days} days"

    async def test_an_event_id_is_forgotten_in_the_end(self) -> None:
        async with self.store() as store:
            await store.append([event("a")], received_at_ms=T0)
            assert await store.append([event("a")], received_at_ms=T0 + 3 * BUCKET_MS) == [2]

    async def test_one_event_id_of_two_systems_is_two_events(self) -> None:
        async with self.store() as store:
            events = [event("1", system="shop"), event("1", system="erp")]
            assert await store.append(events, received_at_ms=T0) == [1, 2]

    async def test_offsets_of_forgotten_events_are_not_given_out_again(self) -> None:
        async with self.store() as store:
            await store.append([event("a"), event("b")], received_at_ms=T0)
            await put(store, "forget_events", before=T0 + 1, applied=2, limit=10)
            assert await store.events(0, 10) == []
            assert await store.append([event("c")], received_at_ms=T0) == [3]

    async def test_what_was_accepted_is_there_after_a_restart(self) -> None:
        if not self.survives_close:
            pytest.skip("declared: this store's data ends with it")
        async with self.store() as store:
            await store.append([event("a")], received_at_ms=T0, cursor=Cursor("shop", "orders", "p1", T0))
            await put(store, "progress_put", consumer="apply", offset=1)
            again = await self.reopen(store)
            assert [one.event.event_id for one in await again.events(0, 10)] == ["a"]
            assert await again.read("cursor_get", system="shop", stream="orders") == [("p1", T0)]
            assert await again.read("progress_get", consumer="apply") == [(1,)]
            assert await again.append([event("a"), event("b")], received_at_ms=T0) == [None, 2]

    # --- cursors ---------------------------------------------------------------------------------

    async def test_a_cursor_moves_with_its_events(self) -> None:
        async with self.store() as store:
            assert await store.read("cursor_get", system="shop", stream="orders") == []
            await store.append([event("a")], received_at_ms=T0, cursor=Cursor("shop", "orders", "p1", T0))
            assert await store.read("cursor_get", system="shop", stream="orders") == [("p1", T0)]
            await store.append([], received_at_ms=T0, cursor=Cursor("shop", "orders", "p2", T0 + 5))
            await store.append([event("a")], received_at_ms=T0, cursor=Cursor("shop", "items", "x", T0))
            assert await store.read("cursor_get", system="shop", stream="orders") == [("p2", T0 + 5)]
            assert await store.read("cursors") == [("shop", "items", T0), ("shop", "orders", T0 + 5)]

    async def test_a_cursor_never_covers_less_than_before(self) -> None:
        async with self.store() as store:
            await store.append([], received_at_ms=T0, cursor=Cursor("shop", "orders", "p1", T0))
            await store.append([], received_at_ms=T0, cursor=Cursor("shop", "orders", "p0", T0 - 9))
            assert await store.read("cursor_get", system="shop", stream="orders") == [("p0", T0)]

    async def test_an_append_that_fails_leaves_no_trace(self) -> None:
        async with self.store() as store:
            await store.append([event("a")], received_at_ms=T0, cursor=Cursor("shop", "orders", "p1", T0))
            bad = Event("shop", "t", "bad", Via.EVENT, BIG * 4, b"")
            cursor = Cursor("shop", "orders", "p2", T0 + 1)
            assert (
                await attempt(store.append([event("b"), bad], received_at_ms=T0, cursor=cursor)) is not None
            )
            unholdable = Cursor("shop", "orders", "p3", BIG * 4)
            assert await attempt(store.append([event("c")], received_at_ms=T0, cursor=unholdable)) is not None
            assert [one.event.event_id for one in await store.events(0, 10)] == ["a"]
            assert await store.read("cursor_get", system="shop", stream="orders") == [("p1", T0)]
            assert await store.append([event("b"), event("c")], received_at_ms=T0) == [2, 3]

    async def test_an_append_that_fails_takes_nobody_with_it(self) -> None:
        async with self.store() as store:
            bad = Event("shop", "t", "bad", Via.EVENT, BIG * 4, b"")
            answers = await asyncio.gather(
                *(store.append([bad if n == 5 else event(str(n))], received_at_ms=T0) for n in range(10)),
                return_exceptions=True,
            )
            assert [n for n, answer in enumerate(answers) if isinstance(answer, BaseException)] == [5]
            assert len(await store.events(0, 20)) == 9

    async def test_progress_never_goes_back(self) -> None:
        async with self.store() as store:
            assert await store.read("progress_get", consumer="apply") == []
            assert await put(store, "progress_put", consumer="apply", offset=5) == [("apply",)]
            assert await put(store, "progress_put", consumer="apply", offset=5) == [("apply",)]
            assert await put(store, "progress_put", consumer="apply", offset=4) == []
            assert await store.read("progress_get", consumer="apply") == [(5,)]

    # --- transactions ----------------------------------------------------------------------------

    async def test_a_transaction_returns_the_rows_of_each_statement(self) -> None:
        async with self.store() as store:
            results = await store.write(
                Write("dirty_mark", [{"sku": "A", "changed_at_ms": 1}, {"sku": "B", "changed_at_ms": 2}]),
                Write("dirty_done", [{"sku": "A", "seq": 2}]),
                Write("dirty_mark", []),
                Write("progress_put", [{"consumer": "apply", "offset": 1}]),
            )
            assert [sorted(rows) for rows in results] == [[("A",), ("B",)], [], [], [("apply",)]]

    async def test_a_statement_sees_what_the_one_before_it_wrote(self) -> None:
        async with self.store() as store:
            results = await store.write(
                Write("dirty_mark", [{"sku": "A", "changed_at_ms": 1}]),
                Write("dirty_mark", [{"sku": "A", "changed_at_ms": 1}]),
                Write("dirty_done", [{"sku": "A", "seq": 2}]),
            )
            assert results == [[("A",)], [("A",)], [("A",)]]
            assert await store.read("dirty", now_ms=T0, limit=9) == []

    async def test_a_transaction_that_fails_changes_nothing(self) -> None:
        async with self.store() as store:
            await put(store, "dirty_mark", sku="A", changed_at_ms=1)
            failure = await attempt(
                store.write(
                    Write("dirty_done", [{"sku": "A", "seq": 1}]),
                    Write("dirty_mark", [{"sku": "B", "changed_at_ms": 1}]),
                    Write("progress_put", [{"consumer": "apply", "offset": BIG * 4}]),
                ),
            )
            assert failure is not None
            assert await store.read("dirty", now_ms=T0, limit=9) == [("A", 1, 1)]
            assert await put(store, "progress_put", consumer="apply", offset=1) == [("apply",)]

    async def test_a_guard_that_fails_undoes_the_statements_before_it(self) -> None:
        async with self.store() as store:
            lease = {"name": "lane", "owner": "me", "fence": 1}
            await put(store, "lease_take", name="lane", owner="me", now_ms=T0, ttl_ms=10)
            mark = Write("dirty_mark", [{"sku": "A", "changed_at_ms": 1}])
            with pytest.raises(Fenced):
                await store.write(mark, Write("lease_check", [{**lease, "fence": 2}], guard=True))
            assert await store.read("dirty", now_ms=T0, limit=9) == []
            await store.write(mark, Write("lease_check", [lease], guard=True))
            assert await store.read("dirty", now_ms=T0, limit=9) == [("A", 1, 1)]

    async def test_what_need_not_be_told_is_done_all_the_same(self) -> None:
        """A write whose rows nobody wants does what it does otherwise, and a guard counts all the same."""
        async with self.store() as store:
            row = {"consumer": "apply", "offset": 7}
            await store.write(Write("progress_put", [row], told=False))
            assert await store.read("progress_get", consumer="apply") == [(7,)]
            lease = {"name": "apply", "owner": "nobody", "fence": 1}
            ahead = Write("progress_put", [{**row, "offset": 9}], told=False)
            with pytest.raises(Fenced):
                await store.write(ahead, Write("lease_check", [lease], guard=True, told=False))
            assert await store.read("progress_get", consumer="apply") == [(7,)]

    async def test_a_guard_counts_every_row(self) -> None:
        async with self.store() as store:
            for name in ("one", "two"):
                await put(store, "lease_take", name=name, owner="me", now_ms=T0, ttl_ms=10)
            rows = [{"name": name, "owner": "me", "fence": 1} for name in ("one", "two")]
            mark = Write("dirty_mark", [{"sku": "A", "changed_at_ms": 1}])
            await store.write(Write("lease_check", rows, guard=True), mark)
            rows[1] = {**rows[1], "owner": "you"}
            with pytest.raises(Fenced):
                await store.write(Write("lease_check", rows, guard=True), mark)
            assert await store.read("dirty", now_ms=T0, limit=9) == [("A", 1, 1)]

    # --- leases ----------------------------------------------------------------------------------

    async def test_two_workers_never_hold_one_lease(self) -> None:
        async with self.store() as store:
            for turn in range(5):
                now_ms = T0 + turn * 100
                takes = [
                    put(store, "lease_take", name="lane", owner=f"w{n}", now_ms=now_ms, ttl_ms=50)
                    for n in range(6)
                ]
                taken = [rows for rows in await asyncio.gather(*takes) if rows]
                assert taken == [[(turn + 1,)]], "exactly one, and the fence counts"

    async def test_a_lease_is_free_once_it_has_expired_by_the_time_passed_in(self) -> None:
        for now_ms in (5, T0, BIG // 4):  # no clock but the caller's
            async with self.store() as store:

                async def take(owner: str, at: int, store: Store = store) -> list[tuple[int, ...]]:
                    return await put(store, "lease_take", name="lane", owner=owner, now_ms=at, ttl_ms=100)

                assert await take("a", now_ms) == [(1,)]
                assert await take("b", now_ms + 99) == []
                assert await take("b", now_ms + 100) == [(2,)]
                assert await take("a", now_ms + 150) == []

    async def test_taking_an_own_lease_again_raises_the_fence(self) -> None:
        async with self.store() as store:
            for fence in (1, 2):
                rows = await put(store, "lease_take", name="lane", owner="a", now_ms=T0, ttl_ms=100)
                assert rows == [(fence,)]

    async def test_renewing_keeps_a_lease(self) -> None:
        async with self.store() as store:
            await put(store, "lease_take", name="lane", owner="a", now_ms=T0, ttl_ms=100)
            lease = {"name": "lane", "owner": "a", "fence": 1}
            assert await put(store, "lease_renew", **lease, now_ms=T0 + 90, ttl_ms=100) == [(1,)]
            assert await put(store, "lease_take", name="lane", owner="b", now_ms=T0 + 189, ttl_ms=100) == []
            assert await put(store, "lease_take", name="lane", owner="b", now_ms=T0 + 190, ttl_ms=100) == [
                (2,)
            ]

    async def test_a_former_owner_can_neither_write_nor_renew_nor_drop(self) -> None:
        async with self.store() as store:
            former = {"name": "lane", "owner": "a", "fence": 1}
            await put(store, "lease_take", name="lane", owner="a", now_ms=T0, ttl_ms=100)
            await put(store, "lease_take", name="lane", owner="b", now_ms=T0 + 100, ttl_ms=100)
            with pytest.raises(Fenced):
                await store.write(
                    Write("lease_check", [former], guard=True),
                    Write("dirty_mark", [{"sku": "A", "changed_at_ms": 1}]),
                )
            assert await store.read("dirty", now_ms=T0, limit=9) == []
            assert await put(store, "lease_renew", **former, now_ms=T0 + 150, ttl_ms=9999) == []
            assert await put(store, "lease_drop", **former) == []
            assert await put(store, "lease_take", name="lane", owner="c", now_ms=T0 + 199, ttl_ms=100) == []
            # Also a former self: the same owner, but from before somebody else had it.
            await put(store, "lease_take", name="lane", owner="a", now_ms=T0 + 200, ttl_ms=100)
            with pytest.raises(Fenced):
                await store.write(Write("lease_check", [former], guard=True))

    async def test_a_dropped_lease_is_free_at_once(self) -> None:
        async with self.store() as store:
            await put(store, "lease_take", name="lane", owner="a", now_ms=T0, ttl_ms=100)
            assert await put(store, "lease_drop", name="lane", owner="a", fence=1) == [(1,)]
            assert await put(store, "lease_take", name="lane", owner="b", now_ms=T0 + 1, ttl_ms=100) == [(2,)]

    # --- awkward values --------------------------------------------------------------------------

    async def test_awkward_text_is_kept_exactly(self) -> None:
        texts = [
            "", " ", "'", '"', "''; DROP TABLE record; --", "\\", "\\u0000", "%", "_", "\x01\x1f\x7f", "\n\r\t",
            "é", "e\u0301", "ß", "İ", "\u202e", "\ufeff", "\uffff", "\U0001f600", "null", "{}", "$1", ":key", "?1",
            "x" * 1_000, "ü" * 500,
        ]  # fmt: skip
        async with self.store() as store:
            rows = [
                {"system": "shop", "kind": "item", "key": text, "version": 1, "tiebreak": 0, "changed_at_ms": T0,
                 "observed_at_ms": T0, "offset": 1, "hash": text, "body": text + text}
                for text in texts
            ]  # fmt: skip
            await store.write(Write("record_put", rows))
            found = await store.read("records_get", system="shop", kind="item", keys=texts)
            assert {row[0]: (row[3], row[4]) for row in found} == {
                text: (text, text + text) for text in texts
            }
            assert await stored_log(store, texts) == texts

    async def test_json_bodies_keep_every_byte(self) -> None:
        body = '{"b" :1.10, "a":1e2,\t"a":"\\u0000\\u00e9","n":12345678901234567890123}'
        async with self.store() as store:
            await put(
                store, "record_put", system="shop", kind="order", key="1", version=1, tiebreak=0, changed_at_ms=T0,
                observed_at_ms=T0, offset=1, hash="", body=body,
            )  # fmt: skip
            await put(
                store, "intent_put", id="i", system="shop", operation="put_order", items=body, now_ms=T0
            )
            assert (await store.read("records_get", system="shop", kind="order", keys=["1"]))[0][4] == body
            assert (await store.read("intent_get", id="i"))[0][3] == body

    async def test_integers_of_64_bits_are_exact(self) -> None:
        async with self.store() as store:
            for n, value in enumerate((BIG, -BIG - 1, 2**53 + 1, 0, -1)):
                await put(
                    store, "record_put", system="shop", kind="item", key=str(n), version=value, tiebreak=value,
                    changed_at_ms=value, observed_at_ms=value, offset=value, hash="", body="",
                )  # fmt: skip
                rows = await store.read("records_get", system="shop", kind="item", keys=[str(n)])
                assert rows == [(str(n), value, value, "", "", value, value)]

    async def test_a_nul_in_text_is_kept_or_refused(self) -> None:
        """PostgreSQL cannot hold it; then it has to say so and change nothing."""
        async with self.store() as store:
            key = "a\0b"
            mark = Write("dirty_mark", [{"sku": "A", "changed_at_ms": 1}, {"sku": key, "changed_at_ms": 1}])
            failure = await attempt(store.write(mark))
            assert failure is None or isinstance(failure, Rejected), repr(failure)
            kept = [] if failure is not None else ["A", key]
            assert sorted(row[0] for row in await store.read("dirty", now_ms=T0, limit=9)) == kept
            failure = await attempt(store.append([event("ok"), event(key)], received_at_ms=T0))
            assert failure is None or isinstance(failure, Rejected), repr(failure)
            kept = [] if failure is not None else ["ok", key]
            assert [one.event.event_id for one in await store.events(0, 10)] == kept

    async def test_closing_twice_does_no_harm(self) -> None:
        async with self.store() as store:
            await store.append([event("a")], received_at_ms=T0)
            await store.close()
            await store.close()
