"""The part of the Store suite that is about credit: what approvals and orders take of an account, each once."""

from __future__ import annotations

import asyncio
from typing import Any

from syncline.ports import Row, Store, Write
from syncline.testing.store_statements import record
from syncline.testing.store_tools import T0, Opens, put

AT = {"system": "erp", "account": "107"}
TAKE = {
    **AT, "reference": "a", "channel": "shop", "order_key": "", "amount": 40, "currency": "GBP", "made_by": "till",
    "now_ms": T0, "expires_at_ms": T0 + 100, "bounded": 1, "room": 100, "contains_ms": T0, "version": -1,
}  # fmt: skip
ORDER = {
    **AT, "reference": "shop\x1f1", "channel": "shop", "order_key": "1", "amount": 30, "currency": "GBP", "version": 5,
    "now_ms": T0,
}  # fmt: skip
RACERS = 12


async def take(store: Store, reference: str = "a", **changes: Any) -> bool:
    """Whether an amount of 40 was taken, by figures that leave 100."""
    return bool(await put(store, "credit_take", **{**TAKE, "reference": reference, **changes}))


async def figures(store: Store, version: int = 7, **changes: Any) -> None:
    """The figures of the account."""
    await record(store, "107", version, **{"system": "erp", "kind": "credit", "body": '"figures"', **changes})


async def settle(store: Store, **row: Any) -> list[Row]:
    """Settle what is judged of every account; those of which any is are known before."""
    expected = await store.read("credit_settling", **row, limit=9)
    told = [
        one
        for account in ("107", "108", "109")
        for one in await put(store, "credit_settle", **row, account=account)
    ]
    assert expected == sorted(set(told))
    return told


async def ordered(store: Store, key: str = "1", **changes: Any) -> list[Row]:
    """The claim of an order."""
    row = {**ORDER, "reference": f"shop\x1f{key}", "order_key": key, **changes}
    return await put(store, "credit_ordered", **row)


async def bind(store: Store, key: str = "shop-1", version: int = 5, **changes: Any) -> None:
    """The source holds an order at a version."""
    row = {
        "system": "erp",
        "kind": "order",
        "key": key,
        "external_id": "9",
        "version": version,
        "hash": "h",
        "now_ms": T0,
    }
    await put(store, "binding_put", **{**row, **changes})


async def accept(store: Store, key: str = "1", **changes: Any) -> list[Row]:
    """The source tells whether it counts an order, and for which account."""
    row = {
        "reference": f"shop\x1f{key}",
        "binding": f"shop-{key}",
        "account": "",
        "accepted": 1,
        "now_ms": T0 + 5,
    }
    return await put(store, "credit_accept", **{**row, **changes})


async def claims(store: Store, account: str = "107") -> list[Row]:
    """What counts: (reference, state, amount, currency, expires_at_ms, our_stamp_ms)."""
    return [row[1:] for row in await store.read("credit_claims", system="erp", accounts=[account])]


async def state(store: Store, reference: str) -> str:
    """The state of one claim; "" if there is none."""
    rows = await store.read("credit_claim", reference=reference)
    return str(rows[0][6]) if rows else ""


class CreditConformance(Opens):
    """Approvals and orders: taken, confirmed, released, replaced, contained and forgotten, each once."""

    async def test_credit_is_taken_while_there_is_room_and_whole(self) -> None:
        async with self.store() as store:
            assert await take(store, "a")
            assert await take(store, "b", amount=60)
            assert not await take(store, "c", amount=1)
            assert await take(store, "d", account="108", amount=100)
            assert await take(store, "e", system="other", amount=100)
            assert await take(store, "f", bounded=0, room=0, amount=1)
            assert await claims(store) == [
                ("a", "open", 40, "GBP", T0 + 100, 0), ("b", "open", 60, "GBP", T0 + 100, 0),
                ("f", "open", 1, "GBP", T0 + 100, 0),
            ]  # fmt: skip
            assert await store.read("credit_claim", reference="a") == [
                ("erp", "107", "shop", "", 40, "GBP", "open", "till", T0, T0 + 100)
            ]
            assert await store.read("credit_claim", reference="z") == []

    async def test_credit_is_taken_by_the_figures_that_were_judged_and_no_others(self) -> None:
        async with self.store() as store:
            assert not await take(store, version=7)
            await figures(store)
            await record(store, "108", 8, system="erp", kind="credit")
            await record(store, "107", 9, system="other", kind="credit")
            await record(store, "107", 6, system="erp", kind="price")
            assert not any([await take(store, version=version) for version in (6, 8, 9)])
            assert await take(store, version=7)
            await put(store, "record_vanish", system="erp", kind="credit", key="107", began_ms=T0)
            await put(store, "record_gone", system="erp", kind="credit", key="107")
            assert not await take(store, "b", version=7)

    async def test_a_reference_takes_once_and_anew_when_it_has_expired(self) -> None:
        async with self.store() as store:
            assert await take(store)
            assert not await take(store, amount=10)
            assert await put(store, "credit_lapse", **AT, now_ms=T0 + 99) == []
            assert await put(store, "credit_lapse", **{**AT, "account": "108"}, now_ms=T0 + 100) == []
            assert await put(store, "credit_lapse", **{**AT, "system": "wms"}, now_ms=T0 + 100) == []
            await ordered(store, account="107", amount=1)
            assert await put(store, "credit_lapse", **AT, now_ms=T0 + 100) == [("a",)]
            assert [row[0] for row in await claims(store)] == ["shop\x1f1"]
            again: dict[str, Any] = {
                "system": "wms", "account": "9", "channel": "outlet", "order_key": "7", "amount": 7, "currency": "EUR",
                "made_by": "b", "now_ms": T0 + 200, "expires_at_ms": T0 + 300,
            }  # fmt: skip
            assert await take(store, **again)
            assert await store.read("credit_claim", reference="a") == [
                ("wms", "9", "outlet", "7", 7, "EUR", "open", "b", T0 + 200, T0 + 300)
            ]
            assert await put(store, "credit_lapse", system="wms", account="9", now_ms=T0 + 300) == [("a",)]
            assert await put(store, "credit_lapse", system="wms", account="9", now_ms=T0 + 300) == []

    async def test_orders_count_until_the_figures_contain_them(self) -> None:
        async with self.store() as store:
            await ordered(store, amount=70)
            assert not await take(store)
            await bind(store)
            assert await accept(store) == [("107",)]
            assert not await take(store, contains_ms=T0 + 4)
            assert await take(store, contains_ms=T0 + 5)

    async def test_several_at_once_cannot_use_the_last_of_a_credit(self) -> None:
        async with self.store() as store:

            async def race(number: int) -> bool:
                row = {**TAKE, "reference": f"r{number}", "amount": 30}
                results = await store.write(
                    Write("credit_lock", [AT], told=False),
                    Write("credit_lapse", [{**AT, "now_ms": T0}], told=False),
                    Write("credit_take", [row]),
                )
                return bool(results[2])

            won = await asyncio.gather(*(race(number) for number in range(RACERS)))
            assert sum(won) == 3
            assert sum(row[2] for row in await claims(store)) == 90

    async def test_an_accounts_row_is_there_to_be_locked(self) -> None:
        async with self.store() as store:
            assert await put(store, "credit_lock", **AT) == [("107",)]
            assert await put(store, "credit_lock", **AT) == [("107",)]
            assert await put(store, "credit_lock", **{**AT, "account": "108"}) == [("108",)]

    async def test_an_account_is_read_whole(self) -> None:
        async with self.store() as store:
            asked = {"system": "erp", "account": "107", "judged": "full read", "limit": 9}
            nothing = (None,) * 12
            assert await store.read("credit_account", **asked) == [nothing]
            await figures(store, observed_at_ms=T0 + 3)
            await record(store, "107", 9, system="erp", kind="price")
            cursor = {"system": "syncline", "stream": "full read", "position": str(T0), "covers_ms": 0}
            await put(store, "cursor_put", **cursor)
            await put(store, "cursor_put", **{**cursor, "system": "erp", "position": "1"})
            whole = ('"figures"', 7, 0, T0 + 3)
            assert await store.read("credit_account", **asked) == [(*whole, *nothing[:7], str(T0))]
            await put(store, "record_seen", system="erp", kind="credit", key="107", seen_ms=T0 + 9)
            whole = ('"figures"', 7, 0, T0 + 9)
            await take(store, "b")
            await take(store, "a", amount=1, currency="EUR")
            await take(store, "c", amount=1, account="108")
            await take(store, "d", amount=1, system="wms")
            await ordered(store, amount=5)
            await take(store, "e", amount=1)
            await put(store, "credit_release", reference="e")
            found = [
                ("a", "open", 1, "EUR", T0 + 100, 0), ("b", "open", 40, "GBP", T0 + 100, 0),
                ("shop\x1f1", "ordered", 5, "GBP", 0, 0),
            ]  # fmt: skip
            assert await store.read("credit_account", **asked) == [
                (*whole, *one, name, str(T0)) for one, name in zip(found, ("", "", "1"), strict=True)
            ]
            assert len(await store.read("credit_account", **{**asked, "limit": 2})) == 2
            assert await claims(store) == found
            rows = await store.read("credit_claims", system="erp", accounts=["108", "107"])
            assert [row[0] for row in rows] == ["107", "107", "107", "108"]

    async def test_an_approval_is_confirmed_in_time_and_for_one_order(self) -> None:
        async with self.store() as store:
            await take(store)
            await take(store, "b")
            row = {"reference": "a", "order_key": "", "now_ms": T0 + 99, "expires_at_ms": T0 + 900}
            assert await put(store, "credit_confirm", **{**row, "now_ms": T0 + 100}) == []
            assert await put(store, "credit_confirm", **row) == [("a",)]
            assert not await take(store, "c", amount=21)
            assert await put(store, "credit_confirm", **{**row, "order_key": "1"}) == [("a",)]
            later = {"now_ms": T0 + 5_000, "expires_at_ms": T0 + 9_000}
            assert await put(store, "credit_confirm", **{**row, **later, "order_key": "1"}) == [("a",)]
            assert await put(store, "credit_confirm", **{**row, **later}) == [("a",)]
            assert await put(store, "credit_confirm", **{**row, "order_key": "2"}) == []
            assert (await store.read("credit_claim", reference="a"))[0][3:] == (
                "1", 40, "GBP", "confirmed", "till", T0, T0 + 900,
            )  # fmt: skip
            assert await state(store, "b") == "open"
            assert sorted(await put(store, "credit_lapse", **AT, now_ms=T0 + 900)) == [("a",), ("b",)]
            assert await put(store, "credit_confirm", **row) == []

    async def test_an_approval_is_given_back_once(self) -> None:
        async with self.store() as store:
            await take(store)
            await take(store, "b")
            await put(store, "credit_confirm", reference="b", order_key="", now_ms=T0, expires_at_ms=T0 + 100)
            for reference in ("a", "b"):
                assert await put(store, "credit_release", reference=reference) == [(reference,)]
                assert await put(store, "credit_release", reference=reference) == []
            assert await claims(store) == []
            assert await take(store, "c", amount=100)
            await ordered(store)
            assert await put(store, "credit_release", reference="shop\x1f1") == []

    async def test_an_order_takes_what_is_owed_for_it_now(self) -> None:
        async with self.store() as store:
            assert await ordered(store) == [("107",)]
            assert await store.read("credit_claim", reference="shop\x1f1") == [
                ("erp", "107", "shop", "1", 30, "GBP", "ordered", "", T0, 0)
            ]
            await bind(store)
            await accept(store)
            await ordered(store, amount=20, currency="EUR", version=6, account="108")  # the source has it
            assert await claims(store) == [("shop\x1f1", "ordered", 20, "EUR", 0, T0 + 5)]
            await ordered(store, amount=20, version=7)
            assert await claims(store) == [("shop\x1f1", "ordered", 20, "GBP", 0, T0 + 5)]
            await ordered(store, amount=21, version=8)
            assert await claims(store) == [("shop\x1f1", "ordered", 21, "GBP", 0, 0)]
            assert await accept(store) == []  # the source has the version of before
            await bind(store, version=8)
            assert await accept(store, now_ms=T0 + 9) == [("107",)]
            assert await claims(store) == [("shop\x1f1", "ordered", 21, "GBP", 0, T0 + 9)]
            await ordered(store, "2")
            await ordered(store, "2", account="108")
            assert await claims(store, "108") == [("shop\x1f2", "ordered", 30, "GBP", 0, 0)]

    async def test_an_order_takes_the_place_of_its_approvals(self) -> None:
        async with self.store() as store:
            for reference, order in (("a", "1"), ("b", "#1"), ("c", ""), ("d", "2"), ("e", "1")):
                await take(store, reference, order_key=order, amount=1)
            await take(store, "f", order_key="1", amount=1, channel="outlet")
            await take(store, "h", order_key="1", amount=1)
            await put(store, "credit_release", reference="e")
            await take(store, "g", order_key="1", amount=1, expires_at_ms=T0)
            await put(store, "credit_lapse", **AT, now_ms=T0)
            await put(store, "credit_confirm", reference="b", order_key="", now_ms=T0, expires_at_ms=T0 + 100)
            row = {"channel": "shop", "order_key": "1", "number": "#1", "reference": "h"}
            replaced = await put(store, "credit_replace", **row)
            assert sorted(replaced) == [("a",), ("b",), ("g",)]
            assert await state(store, "h") == "open"
            assert await put(store, "credit_replace", **row) == []
            assert await put(store, "credit_replace", **{**row, "order_key": "", "number": ""}) == []
            states = {reference: await state(store, reference) for reference in "abcdefg"}
            assert states == {
                "a": "replaced", "b": "replaced", "c": "open", "d": "open", "e": "released", "f": "open",
                "g": "replaced",
            }  # fmt: skip
            assert (await store.read("credit_claim", reference="b"))[0][3] == "1"

    async def test_whose_credit_an_order_takes_is_known_by_its_approval_or_itself(self) -> None:
        async with self.store() as store:
            await take(store, "a", order_key="#1", amount=1)
            await take(store, "b", order_key="2", amount=1, account="108")
            await take(store, "c", order_key="3", amount=1, channel="outlet")
            await take(store, "d", order_key="3", amount=1, system="wms")
            await take(store, "e", order_key="3", amount=1)
            await put(store, "credit_release", reference="e")
            await take(store, "f", amount=1)
            await take(store, "g", order_key="#1", amount=1, account="108", now_ms=T0 - 1)
            await ordered(store, "2", account="109")
            asked = {"system": "erp", "channel": "shop", "orders": ["2", "#1", "3", ""]}
            assert await store.read("credit_of_orders", **asked) == [
                ("#1", "108", "g", "open"),
                ("#1", "107", "a", "open"),
                ("2", "108", "b", "open"),
                ("2", "109", "shop\x1f2", "ordered"),
            ]

    async def test_approvals_meet_orders_that_came_before_their_names(self) -> None:
        async with self.store() as store:
            for key in ("1", "2"):
                await record(store, key, 5)
            await record(store, "3", 5, kind="item")
            await record(store, "4", 5, system="outlet")
            for reference, order in (("b", "1"), ("a", "2"), ("c", "3"), ("d", "4"), ("e", ""), ("f", "1")):
                await take(store, reference, order_key=order, amount=1)
            await put(store, "credit_release", reference="f")
            await ordered(store, "2", amount=1)
            await take(store, "g", order_key="1", amount=1, system="wms")
            await put(store, "credit_confirm", reference="b", order_key="", now_ms=T0, expires_at_ms=T0 + 9)
            met = [("a", "shop", "2", '"b5"'), ("b", "shop", "1", '"b5"')]
            assert await store.read("credit_met", system="erp", limit=9) == met
            assert await store.read("credit_met", system="erp", limit=1) == met[:1]

    async def test_the_source_holds_an_order_once_it_tells_so_of_its_newest_version(self) -> None:
        async with self.store() as store:
            await ordered(store)
            await ordered(store, "2")
            assert await accept(store) == []
            await bind(store, version=4)
            await bind(store, "shop-2", version=9)
            await bind(store, kind="item")
            await bind(store, system="wms")
            assert await accept(store) == []
            await bind(store)
            assert await accept(store) == [("107",)]
            assert await accept(store, now_ms=T0 + 8) == [("107",)]
            assert [row[5] for row in await claims(store)] == [T0 + 5, 0]
            assert await accept(store, accepted=0) == [("107",)]
            assert [row[5] for row in await claims(store)] == [0, 0]
            await take(store)
            assert await accept(store, reference="a") == []

    async def test_an_approved_order_counts_until_the_source_has_it_for_the_account(self) -> None:
        async with self.store() as store:
            for reference, more in {
                "a": {"order_key": "1"},
                "b": {"order_key": "2", "channel": "outlet"},
                "c": {"order_key": "2", "account": "108"},
                "d": {"order_key": "3"},
                "e": {"order_key": "2"},
            }.items():
                await take(store, reference, amount=1, **more)
            await put(store, "credit_release", reference="e")
            for channel, key in (("shop", "1"), ("outlet", "2"), ("shop", "2"), ("shop", "3")):
                row = {"channel": channel, "order_key": key, "number": "", "reference": ""}
                await put(store, "credit_replace", **row)
            for key in ("1", "2"):
                await ordered(store, key)
                await bind(store, f"shop-{key}")
            assert await accept(store, "1", account="108") == []
            assert await accept(store, "1", account="107") == [("107",)]
            assert await accept(store, "1", account="108", accepted=0) == []
            assert await accept(store, "1") == [("107",)]
            # Nobody approved this one on the credit of this account, so it is whose the source says.
            assert await accept(store, "2", account="108") == [("107",)]
            assert [row[5] for row in await claims(store)] == [T0 + 5, T0 + 5]

    async def test_orders_in_judged_figures_are_settled_until_they_are_not(self) -> None:
        async with self.store() as store:
            for number, (key, account) in enumerate(
                (("1", "107"), ("2", "108"), ("3", "107"), ("4", "107"), ("5", "109"), ("6", "107"))
            ):
                await ordered(store, key, account=account, amount=0 if key == "4" else number + 1)
                await bind(store, f"shop-{key}")
            for key, at_ms in (("1", T0 + 5), ("2", T0 + 5), ("3", T0 + 6), ("5", T0 + 5)):
                await accept(store, key, now_ms=at_ms)
            await figures(store, observed_at_ms=T0 + 9)
            await record(store, "108", 7, system="erp", kind="credit", observed_at_ms=T0 + 8)
            await record(store, "109", 7, system="erp", kind="price", observed_at_ms=T0 + 9)
            await record(store, "109", 7, system="wms", kind="credit", observed_at_ms=T0 + 9)
            await take(store, amount=1)
            row = {"system": "erp", "contains_ms": T0 + 5, "judged_ms": T0 + 9}
            assert await settle(store, **{**row, "system": "wms"}) == []
            assert await store.read("credit_settling", **row, limit=0) == []
            assert await settle(store, **row) == [("107",), ("107",)]
            states = [await state(store, f"shop\x1f{n}") for n in range(1, 7)]
            assert states == ["contained", "ordered", "ordered", "contained", "ordered", "ordered"]
            assert await state(store, "a") == "open"
            await put(store, "record_seen", system="erp", kind="credit", key="108", seen_ms=T0 + 9)
            assert await settle(store, **row) == [("108",)]
            await accept(store, "1", accepted=0)
            assert await state(store, "shop\x1f1") == "ordered"
            await ordered(store, "2", amount=1, account="108")
            assert await state(store, "shop\x1f2") == "contained"
            await ordered(store, "2", amount=9, version=6, account="108")
            assert await state(store, "shop\x1f2") == "ordered"
            await put(store, "record_vanish", system="erp", kind="credit", key="107", began_ms=T0 + 20)
            await put(store, "record_gone", system="erp", kind="credit", key="107")
            await accept(store, "1")
            assert await settle(store, **row) == []

    async def test_accounts_with_anything_to_settle_are_told_and_settled_one_by_one(self) -> None:
        async with self.store() as store:
            for key, account in (("1", "108"), ("2", "107"), ("3", "108")):
                await ordered(store, key, account=account, amount=0)
            await take(store, account="109", amount=0)  # approved, and no order yet
            for account in ("107", "108", "109"):
                await record(store, account, 7, system="erp", kind="credit", observed_at_ms=T0 + 9)
            row: dict[str, Any] = {"system": "erp", "contains_ms": T0 + 5, "judged_ms": T0 + 9}
            assert await store.read("credit_settling", **row, limit=9) == [("107",), ("108",)]
            assert await store.read("credit_settling", **row, limit=1) == [("107",)]
            assert await put(store, "credit_settle", **row, account="108") == [("108",), ("108",)]
            assert await state(store, "shop\x1f2") == "ordered"
            assert await store.read("credit_settling", **row, limit=9) == [("107",)]

    async def test_claims_that_are_over_are_forgotten_after_a_while(self) -> None:
        async with self.store() as store:
            for number, reference in enumerate(("a", "b", "c", "d")):
                await take(store, reference, amount=1, now_ms=T0 + number)
            await ordered(store)
            for reference in ("a", "b", "d"):
                await put(store, "credit_release", reference=reference)
            assert await put(store, "forget_claims", before=T0 + 3, limit=1) == [("a",)]
            assert await put(store, "forget_claims", before=T0 + 3, limit=9) == [("b",)]
            assert await put(store, "forget_claims", before=T0 + 9, limit=9) == [("d",)]
            assert [row[0] for row in await claims(store)] == ["c", "shop\x1f1"]
