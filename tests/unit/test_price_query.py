"""What does it cost: which list, how old, and what of lists that only the ERP knows."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from tests.unit.support import START_MS, play

from syncline.engine.catalog import Catalog
from syncline.engine.codec import encode
from syncline.engine.derive.prices import price_key
from syncline.engine.price_query import Asked, PriceQuery, PriceRefused
from syncline.engine.routes import Route, Routes
from syncline.model.capabilities import Capabilities
from syncline.model.change import Flow, Kind
from syncline.model.copying import replace
from syncline.model.customers import Company
from syncline.model.errors import Retryable
from syncline.model.pricing import Price, PriceEntry, PriceKind
from syncline.model.records import Item
from syncline.ports import Write
from syncline.pricing.rules import OWN, ChannelList, PriceRules
from syncline.stores.sqlite import SqliteStore

MINUTE = 60_000
RULES = PriceRules((ChannelList(OWN, ("list",), "GBP"),), decimals=2)
KINDS = {
    "list": PriceKind.LIST,
    "vip": PriceKind.GROUP,
    "customer:7": PriceKind.CONTRACT,
    "spot": PriceKind.PROMOTIONAL,
}


def said(sku: str, name: str, *entries: tuple[str, int] | PriceEntry) -> Price:
    made = [
        e if isinstance(e, PriceEntry) else PriceEntry(Decimal(e[0]), "GBP", Decimal(e[1])) for e in entries
    ]
    return Price(sku, name, KINDS[name], tuple(made))


class Erp:
    """The source, that may be asked for prices of this moment."""

    capabilities = Capabilities()

    def __init__(self) -> None:
        self.says: list[Price] | Exception = []
        self.takes_s = 0.0
        self.asked: list[tuple[list[str], list[str]]] = []
        self.clock = None

    async def live_prices(self, items, lists):
        self.asked.append(([item.sku for item in items], list(lists)))
        await self.clock.sleep(self.takes_s)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


class Stage:
    def __init__(self, clock, rules: PriceRules) -> None:
        self.clock, self.erp = clock, Erp()
        self.erp.clock = clock
        self.store = SqliteStore.open(":memory:", now_ms=START_MS)
        catalog = Catalog(self.store)
        for sku in "AB":
            catalog.put("erp", Item(sku, sku))
        self.covers_ms = START_MS - 20 * MINUTE
        self.query = PriceQuery(
            self.store, clock, catalog, Routes([Route(Flow.PRICES, "erp", "shop", 1, prices=rules)]),
            {"erp": self.erp}, lambda system: self.covers_ms, lambda route: 15 * MINUTE,
        )  # fmt: skip

    async def know(self, *prices: Price, observed_ms: int = START_MS - 30 * MINUTE) -> None:
        await self.keep(Kind.PRICE, {price_key(one.sku, one.price_list): one for one in prices}, observed_ms)

    async def keep(self, kind: Kind, values: dict[str, Any], observed_ms: int) -> None:
        rows = [
            {
                "system": "erp", "kind": kind.value, "key": key, "version": 1, "tiebreak": 0, "changed_at_ms": 0,
                "observed_at_ms": observed_ms, "offset": 1, "hash": "", "body": encode(one),
            }
            for key, one in values.items()
        ]  # fmt: skip
        await self.store.write(Write("record_put", rows))

    async def ask(self, *lines: tuple[str, int], **more):
        return await self.query.ask("shop", [Asked(sku, Decimal(n)) for sku, n in lines], **more)


def staged(story, rules: PriceRules = RULES):
    async def run(clock):
        return await story(Stage(clock, rules))

    return play(run)


def test_the_price_its_list_its_rule_and_its_age_are_told():
    async def story(stage):
        await stage.know(said("A", "list", ("10", 1), ("9", 10)), said("A", "vip", ("8", 1)))
        await stage.know(said("B", "list", ("5", 1)), observed_ms=START_MS - MINUTE)
        plain = await stage.ask(("A", 1), ("A", 10), ("B", 1), ("C", 1))
        vip = await stage.ask(("A", 10), lists=["vip"])
        return plain, vip

    (one, ten, fresh, unknown), (vip,) = staged(story)
    assert (one.price, one.kind, one.price_list, one.rule) == (
        Decimal(10),
        "list",
        "list",
        "list: the only one",
    )
    assert (one.age_ms, one.as_of_ms, one.bound_ms, one.live) == (
        20 * MINUTE,
        START_MS - 20 * MINUTE,
        15 * MINUTE,
        False,
    )
    assert (ten.price, ten.minimum, ten.rule) == (Decimal(9), Decimal(10), "list, from 10 on: the only one")
    assert fresh.age_ms == MINUTE
    assert (unknown.price, unknown.reason) == (None, "unknown_sku")
    assert (vip.price, vip.kind, vip.rule) == (Decimal(8), "group", "vip: group counts first; beside list")


def test_a_customers_own_price_counts_for_that_customer_only():
    async def story(stage):
        await stage.know(
            said("A", "list", ("10", 1)), said("A", "customer:7", ("7", 1)), said("B", "customer:7", ("1", 1))
        )
        return [
            [(one.price, one.reason) for one in await stage.ask(("A", 1), ("B", 1), customer=customer)]
            for customer in ("7", "8", "")
        ]

    mine, others, nobodys = staged(story)
    assert mine == [(Decimal(7), ""), (Decimal(1), "")]
    assert others == nobodys == [(Decimal(10), ""), (None, "no_price")]


@pytest.mark.parametrize(
    ("company", "gone", "name", "mine"),
    [
        (Company("guid", "Seven", "7"), False, "7", 7),
        (Company("guid", "Seven", "7"), True, None, 10),
        (Company("guid", "Seven", "8"), False, "8", 10),
        (Company("guid", "Seven"), False, None, 10),
        (None, False, None, 10),
    ],
)
def test_a_customers_list_may_be_named_by_the_number(company, gone, name, mine):
    async def story(stage):
        stage.erp.capabilities = Capabilities(lists_by_number=True)
        await stage.know(said("A", "list", ("10", 1)), said("A", "customer:7", ("7", 1)))
        if company is not None:
            await stage.keep(Kind.CUSTOMER, {company.key: company}, START_MS)
        if gone:
            at = {"system": "erp", "kind": Kind.CUSTOMER.value, "key": company.key}
            await stage.store.write(Write("record_vanish", [{**at, "began_ms": START_MS + 1}]))
            assert (await stage.store.write(Write("record_gone", [at])))[0]
        (found,) = await stage.ask(("A", 1), customer="guid")
        (by_number,) = await stage.ask(("A", 1), customer="7")
        route = stage.query._routes.all[0]
        return found.price, by_number.price, await stage.query.named(route, "guid")

    assert staged(story) == (Decimal(mine), Decimal(7), name)


def test_a_moment_and_a_currency_may_be_asked_for():
    async def story(stage):
        soon = PriceEntry(Decimal(8), "GBP", starts_ms=START_MS + 5, ends_ms=START_MS + 9)
        await stage.know(said("A", "list", ("10", 1), soon, PriceEntry(Decimal(12), "EUR")))
        now = await stage.ask(("A", 1))
        then = await stage.ask(("A", 1), at_ms=START_MS + 8)
        after = await stage.ask(("A", 1), at_ms=START_MS + 9)
        euro = await stage.ask(("A", 1), currency="EUR")
        none = await stage.ask(("A", 1), currency="USD")
        return [one for (one,) in (now, then, after, euro, none)]

    now, then, after, euro, none = staged(story)
    assert [one.price for one in (now, then, after)] == [Decimal(10), Decimal(8), Decimal(10)]
    assert (then.starts_ms, then.ends_ms) == (START_MS + 5, START_MS + 9)
    assert (euro.price, euro.currency) == (Decimal(12), "EUR")
    assert (none.price, none.currency, none.reason) == (None, "USD", "no_price")


def test_what_is_too_old_is_not_told():
    async def story(stage):
        await stage.know(said("A", "list", ("10", 1)))
        (fresh,) = await stage.ask(("A", 1))
        stage.covers_ms -= 11 * MINUTE
        (old,) = await stage.ask(("A", 1))
        return fresh, old

    fresh, old = staged(story, replace(RULES, max_age_ms=25 * MINUTE))
    assert fresh.price == 10
    assert (old.price, old.reason, old.age_ms) == (None, "old", 30 * MINUTE)


VOLATILE = replace(RULES, volatile=("spot",), live_deadline_ms=800)


@pytest.mark.parametrize(
    ("says", "takes_s", "refuse", "expected"),
    [
        (
            [said("A", "spot", ("3", 1))],
            0.5,
            False,
            [(Decimal(3), "spot", True, ""), (Decimal(5), "list", False, "")],
        ),
        ([], 0.1, False, [(Decimal(10), "list", False, ""), (Decimal(5), "list", False, "")]),
        (
            [said("A", "spot", ("3", 1))],
            0.9,
            False,
            [(Decimal(4), "spot", False, ""), (Decimal(5), "list", False, "")],
        ),
        (Retryable("down"), 0.1, False, [(Decimal(4), "spot", False, ""), (Decimal(5), "list", False, "")]),
        (Retryable("down"), 0.1, True, [(None, "", False, "not_live")] * 2),
    ],
)
def test_a_volatile_list_is_asked_for_and_falls_back_as_configured(says, takes_s, refuse, expected):
    async def story(stage):
        stage.erp.says, stage.erp.takes_s = says, takes_s
        await stage.know(
            said("A", "list", ("10", 1)), said("A", "spot", ("4", 1)), said("B", "list", ("5", 1))
        )
        plain = await stage.ask(("A", 1))
        assert stage.erp.asked == []  # it is no list of this buyer
        began = stage.clock.monotonic()
        found = await stage.ask(("A", 1), ("B", 1), lists=["spot"])
        assert stage.clock.monotonic() - began <= 0.8
        assert stage.erp.asked == [(["A", "B"], ["spot"])]
        await asyncio.gather(
            *(task for task in asyncio.all_tasks() if task is not asyncio.current_task()),
            return_exceptions=True,
        )
        return plain, found

    (plain,), found = staged(story, replace(VOLATILE, refuse_unless_live=refuse))
    assert plain.price == 10
    assert [(one.price, one.price_list, one.live, one.reason) for one in found] == expected
    assert all(one.age_ms <= 800 and one.bound_ms == 0 for one in found if one.live)


@pytest.mark.parametrize(
    ("channel", "lines", "lists", "code"),
    [
        ("till", 1, 0, "unknown_channel"),
        ("shop", 0, 0, "too_many"),
        ("shop", 101, 0, "too_many"),
        ("shop", 1, 21, "too_many"),
    ],
)
def test_what_cannot_be_asked(channel, lines, lists, code):
    async def story(stage):
        with pytest.raises(PriceRefused) as error:
            await stage.query.ask(channel, [Asked("A", Decimal(1))] * lines, lists=["l"] * lists)
        return error.value.code

    assert staged(story) == code
