"""The part of the Store suite that is about personal data: requests, whose records they concern, and what is put in its place."""

from __future__ import annotations

from typing import Any

from syncline.model.change import Event, Via
from syncline.ports import Store
from syncline.testing.store_statements import record
from syncline.testing.store_tools import T0, Opens, put

AT = {"system": "shop", "kind": "order", "key": "7"}


async def bind(store: Store, **changes: Any) -> None:
    """A binding with the fingerprint that was sent."""
    row = {**AT, "external_id": "9", "version": 5, "hash": "sent", "now_ms": T0}
    await put(store, "binding_put", **{**row, **changes})


async def bound(store: Store, system: str = "shop", kind: str = "order", key: str = "7") -> Any:
    """Its fingerprint, with what must stay as it is beside it."""
    ((_, external_id, version, hash_, *_),) = await store.read(
        "bindings_get", system=system, kind=kind, keys=[key]
    )
    return external_id, version, hash_


class PrivacyConformance(Opens):
    """Requests are kept once; of records, messages and calls that which told of somebody is replaced, and nothing else."""

    async def test_a_request_is_kept_once_moves_on_and_is_told_in_order(self) -> None:
        async with self.store() as store:
            for id_ in ("b", "c", "a", "d"):
                assert await put(store, "privacy_ask", id=id_, state="asked", body=f"{id_}1") == [(id_,)]
            assert await put(store, "privacy_ask", id="b", state="done", body="b9") == []
            assert await put(store, "privacy_move", id="b", state="done", body="b2") == [("b",)]
            assert await put(store, "privacy_move", id="z", state="done", body="z2") == []
            assert await store.read("privacy_get", id="b") == [("done", "b2")]
            assert await store.read("privacy_get", id="z") == []
            asks = {"state": "", "after": "", "limit": 9}
            assert await store.read("privacies", **asks) == [
                ("a", "asked", "a1"), ("b", "done", "b2"), ("c", "asked", "c1"), ("d", "asked", "d1"),
            ]  # fmt: skip
            assert await store.read("privacies", **{**asks, "state": "asked", "after": "a", "limit": 1}) == [
                ("c", "asked", "c1")
            ]
            assert await store.read("privacies", **{**asks, "state": "waiting"}) == []

    async def test_what_belongs_to_somebody_erased_is_known_by_system_kind_and_key(self) -> None:
        async with self.store() as store:
            assert await put(store, "erased_put", **AT, now_ms=T0) == [("7",)]
            assert await put(store, "erased_put", **AT, now_ms=T0 + 1) == []
            await put(store, "erased_put", **{**AT, "key": "5"}, now_ms=T0)
            await put(store, "erased_put", **{**AT, "system": "erp", "key": "8"}, now_ms=T0)
            await put(store, "erased_put", **{**AT, "kind": "customer", "key": "9"}, now_ms=T0)
            keys = ["9", "8", "7", "6", "5"]
            assert await store.read("erased_among", system="shop", kind="order", keys=keys) == [
                ("5",),
                ("7",),
            ]
            assert await store.read("erased_among", system="shop", kind="order", keys=["7"]) == [("7",)]
            assert await store.read("erased_among", system="shop", kind="customer", keys=keys) == [("9",)]

    async def test_the_body_of_an_erased_message_is_gone_and_its_id_is_still_known(self) -> None:
        async with self.store() as store:
            events = [Event("shop", "orders", id_, Via.EVENT, T0, b"who it was") for id_ in ("a", "b")]
            await store.append(events, received_at_ms=T0)
            assert await put(store, "event_erase", offset=1) == [(1,)]
            assert await put(store, "event_erase", offset=1) == []
            assert await put(store, "event_erase", offset=3) == []
            logged = await store.events(0, 9)
            assert [(one.event.event_id, one.event.body) for one in logged] == [
                ("a", b""), ("b", b"who it was"),
            ]  # fmt: skip
            assert await store.append(events[:1], received_at_ms=T0 + 1) == [None]

    async def test_a_record_is_replaced_only_as_it_was_looked_at_and_keeps_its_version(self) -> None:
        async with self.store() as store:
            await record(store, "7", 5, tiebreak=1)
            await record(store, "8", 5, tiebreak=1)
            await record(store, "7", 5, tiebreak=1, system="erp")
            await record(store, "7", 5, tiebreak=1, kind="customer")
            new = {**AT, "version": 5, "tiebreak": 1, "hash": "n", "body": '"new"'}
            for wrong in ({"version": 4}, {"version": 6}, {"tiebreak": 0}, {"tiebreak": 2}, {"key": "9"}):
                assert await put(store, "record_erase", **{**new, **wrong}) == []
            assert await put(store, "record_erase", **new) == [("7",)]
            for system, kind, key, told in (
                ("shop", "order", "7", ("n", '"new"')), ("shop", "order", "8", ("h5", '"b5"')),
                ("erp", "order", "7", ("h5", '"b5"')), ("shop", "customer", "7", ("h5", '"b5"')),
            ):  # fmt: skip
                rows = await store.read("records_get", system=system, kind=kind, keys=[key])
                assert [row[1:5] for row in rows] == [(5, 1, *told)]

    async def test_a_fingerprint_is_replaced_only_if_it_is_the_one_that_was_seen(self) -> None:
        async with self.store() as store:
            await bind(store)
            await bind(store, key="8")
            await bind(store, system="erp")
            await bind(store, kind="customer")
            assert await put(store, "binding_erase", **AT, was="other", hash="new") == []
            assert await put(store, "binding_erase", **AT, was="sent", hash="new") == [("7",)]
            assert await bound(store) == ("9", 5, "new")
            assert await bound(store, key="8") == ("9", 5, "sent")
            assert await bound(store, system="erp") == ("9", 5, "sent")
            assert await bound(store, kind="customer") == ("9", 5, "sent")

    async def test_of_calls_only_those_that_ended_are_emptied(self) -> None:
        async with self.store() as store:
            row = {"system": "erp", "operation": "put_order", "items": "{1}", "now_ms": T0}
            for id_ in ("1", "2", "3"):
                await put(store, "intent_put", id=id_, **row)
            for id_ in ("1", "3"):
                await put(store, "intent_finish", id=id_, result="done", now_ms=T0 + 1)
            assert await put(store, "intent_erase", id="1", items="{}") == [("1",)]
            assert await put(store, "intent_erase", id="2", items="{}") == []
            told = [(await store.read("intent_get", id=id_))[0][3:] for id_ in ("1", "2", "3")]
            assert told == [
                ("{}", T0, T0 + 1, "done"), ("{1}", T0, None, ""), ("{1}", T0, T0 + 1, "done"),
            ]  # fmt: skip

    async def test_an_answer_and_a_reason_are_replaced_where_they_are_named(self) -> None:
        async with self.store() as store:
            at = {
                "system": "erp",
                "operation": "put_order",
                "generation": 1,
                "result": "done",
                "message": "m",
            }
            for intent, key in (("1", "7"), ("1", "8"), ("2", "7")):
                items = {"system": "erp", "operation": "put_order", "items": "{}"}
                await put(store, "intent_put", id=intent, **items, now_ms=T0)
                await put(store, "attempt_put", **at, intent=intent, key=key, now_ms=T0)
            assert await put(store, "attempt_erase", intent="1", key="7", message="") == [("7",)]
            rows = await store.read("attempts_like", **{"from": "7", "to": "9"}, limit=9)
            assert sorted((row[7], row[2], row[5], row[6]) for row in rows) == [
                ("1", "7", "done", ""), ("1", "8", "done", "m"), ("2", "7", "done", "m"),
            ]  # fmt: skip
            fact = {"route": "r", "changed_at_ms": T0, "deliver_by_ms": T0, "not_before_ms": T0, "now_ms": T0}
            end = {"generation": 1, "state": "retryable", "not_before_ms": T0, "uncounted": 0, "now_ms": T0}
            names = [("erp", "put_order", "7"), ("erp", "put_order", "8"), ("erp", "put_payment", "7"), ("wms", "put_order", "7")]  # fmt: skip
            for system, operation, key in names:
                of = {"system": system, "operation": operation, "key": key}
                await put(store, "delivery_fact", **of, **fact)
                await put(store, "delivery_finish", **of, **end, reason="why")
            of = {"system": "erp", "operation": "put_order", "key": "7"}
            assert await put(store, "delivery_erase", **of, reason="") == [("7",)]
            rows = await store.read("deliveries_like", **{"from": "7", "to": "9"}, limit=9)
            assert [(*row[:3], row[4], row[10]) for row in rows] == [
                (*name, "retryable", "" if name == names[0] else "why") for name in names
            ]

    async def test_what_hangs_on_a_record_is_replaced_or_dropped_for_it_alone(self) -> None:
        async with self.store() as store:
            differs = {
                "cause": "c", "subject": "s", "units": 1, "state": "named", "proof": "p", "now_ms": T0,
            }  # fmt: skip
            for route, key, detail in (("r", "7", "d"), ("r", "8", "d"), ("q", "7", "d"), ("r", "9", "")):
                await put(store, "difference_put", route=route, key=key, detail=detail, **differs)
            assert await put(store, "difference_erase", route="r", key="7", detail="x") == [("7",)]
            assert await put(store, "difference_erase", route="r", key="9", detail="x") == []
            told = [
                (row[0], row[1], row[4])
                for route in ("q", "r")
                for row in await store.read("differences_open", route=route, state="", cause="", limit=9)
            ]
            assert told == [("q", "7", "d"), ("r", "7", "x"), ("r", "8", "d"), ("r", "9", "")]
            said = {"said": "decided", "now_ms": T0}
            for channel, order_key, id_, body in (
                ("shop", "7", "a", "to you"), ("shop", "7", "b", "to me"), ("shop", "8", "a", "to you"),
                ("till", "7", "a", "to you"),
            ):  # fmt: skip
                await put(
                    store, "routing_put", channel=channel, order_key=order_key, id=id_, body=body, **said
                )
            to = {"channel": "shop", "order_key": "7", "was": "to you", "body": "away"}
            assert await put(store, "routing_erase", **to) == [("7",)]
            rows = await store.read("routings", channel="shop", orders=["7", "8"])
            assert [(row[0], row[3]) for row in rows] == [("7", "away"), ("7", "to me"), ("8", "to you")]
            assert (await store.read("routings", channel="till", orders=["7"]))[0][3] == "to you"
            held = {"hash": "h", "body": "b", "now_ms": T0}
            at = {"system": "shop", "kind": "customer", "key": "7"}
            for other in ({}, {"system": "erp"}, {"kind": "price"}, {"key": "8"}):
                await put(store, "content_put", **{**at, **other}, **held)
            assert await put(store, "content_drop", **at) == [("7",)]
            assert await put(store, "content_drop", **at) == []
            for system, kind, kept in (("shop", "customer", ["8"]), ("erp", "customer", ["7"]), ("shop", "price", ["7"])):  # fmt: skip
                rows = await store.read("contents_get", system=system, kind=kind, keys=["7", "8"])
                assert [row[0] for row in rows] == kept

    async def test_parked_and_audited_texts_are_replaced_whether_or_not_they_are_over(self) -> None:
        async with self.store() as store:
            at = {"system": "shop", "operation": "apply", "reason": "r", "now_ms": T0}
            for key in ("a", "b", "c"):
                await put(store, "parked_put", **at, key=key, detail=f"d{key}", payload=f"p{key}")
            over = {"system": "shop", "operation": "apply", "key": "b", "resolution": "x", "by": "Ada"}
            await put(store, "parked_resolve", **over, now_ms=T0)
            rows = await store.read("parked_after", after=0, limit=9)
            first, second, third = (row[0] for row in rows)
            assert [row[1:] for row in rows] == [
                ("shop", "apply", key, f"d{key}", f"p{key}") for key in ("a", "b", "c")
            ]
            assert await put(store, "parked_erase", id=second, detail="", payload="gone") == [(second,)]
            assert await put(store, "parked_erase", id=third + 9, detail="", payload="gone") == []
            assert await store.read("parked_after", after=first, limit=1) == [
                (second, "shop", "apply", "b", "", "gone")
            ]
            assert [row[0] for row in await store.read("parked_after", after=second, limit=9)] == [third]
            assert (await store.read("parked_after", after=second, limit=9))[0][4:] == ("dc", "pc")
            entry = {
                "actor": "Ada",
                "action": "edit",
                "subject": "s",
                "before": "b",
                "after": "a",
                "now_ms": T0,
            }
            for chain in ("1", "2"):
                await put(store, "audit_put", **entry, chain=chain)
            (one, two) = (row[0] for row in await store.read("audits", after=0, limit=9))
            assert await put(store, "audit_erase", id=one, before="", after="gone") == [(one,)]
            rows = await store.read("audits", after=0, limit=9)
            assert [(row[0], *row[4:]) for row in rows] == [
                (one, "s", "", "gone", "1"), (two, "s", "b", "a", "2"),
            ]  # fmt: skip

    async def test_wiping_leaves_everything_that_is_there(self) -> None:
        async with self.store() as store:
            await record(store, "7", 5)
            await record(store, "7", 6)
            await store.wipe()
            rows = await store.read("records_get", system="shop", kind="order", keys=["7"])
            assert [row[1:5] for row in rows] == [(6, 0, "h6", '"b6"')]
