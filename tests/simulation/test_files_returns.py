"""Goods come back to a partner who exchanges files, and their buyers get their money at the shop, each return once.

The warehouse receives what buyers send back without a word, puts it on the shelf or not, and tells of it in files, of some more
than once. The shop's people give back money for goods too: the warehouse receives these and names the refund. Answers are lost
and Syncline is killed meanwhile. What is checked is what both sides hold.
"""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace
from tests.simulation import files_play
from tests.simulation.files_play import START_MS, Play, routes_of

from syncline.connectors.files import returned
from syncline.connectors.files.declared import Read, Write
from syncline.connectors.files.simulator.partner import REFUND_COLUMNS, Order
from syncline.connectors.files.spool import Spool
from syncline.engine.routes import Route, Routes
from syncline.model.change import Flow
from syncline.simulate.sides.exchange import DIALECT, STAMPED, columns
from syncline.stores.sqlite import SqliteStore

pytestmark = pytest.mark.simulation

RETURNS = Read(
    kind="returns",
    path="returns",
    pattern="RETURNS_*.csv",
    columns=columns(
        ("return", "reference", "sku", "location", "quantity", "returned_at", "restocked", "money", "refund"),
        ("RETURN", "REF", "ITEM", "WAREHOUSE", "QTY", "BACK", "SHELF", "MONEY", "REFUND_REF"),
    ),
    **STAMPED,
)
REFUNDS = Write(
    kind="refunds",
    path="refunds",
    archive="refunds-done",
    columns=columns(
        ("reference", "order", "amount", "sku", "location", "quantity", "restocked"), REFUND_COLUMNS
    ),
    **DIALECT,
)


class Returns(Play):
    """One seed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refunded: set[int] = set()
        self.settings = replace(
            self.settings,
            reads=(*self.settings.reads, RETURNS),
            writes=(*self.settings.writes, REFUNDS),
            untold=("payments",),
        )

    def routes(self) -> Routes:
        at = {code: str(location) for code, location in self.places}
        back = Route(Flow.RETURNS, "erp", "shop", 60_000, poll_interval_ms=60_000, restock=True)
        return Routes([*routes_of("shop", at, 120_000).all, back])

    def staff(self) -> None:
        draw = self.rng.random()
        if draw < 0.25 and self.comes_back():
            return
        if draw < 0.4 and self.gives_back():
            return
        super().staff()

    def comes_back(self) -> bool:
        """A unit of a parcel comes back without a word."""
        for key, order in sorted(self.booked().items()):
            there = self.shop.orders[key]
            at = next(
                iter(sorted(order.shipped - order.back)), None
            )  # whether the shop knows the parcel or not
            if at is None or order.back or key in self.refunded or there.cancelled:
                continue
            shelf, money = self.rng.random() < 0.6, self.rng.random() < 0.7
            self.partner.take_back(order.reference, Counter({at: 1}), shelf=shelf, money=money)
            return True
        return False

    def gives_back(self) -> bool:
        """The shop's people give back the money for a unit that was sent; its buyer sends it to the warehouse."""
        for key, order in sorted(self.booked().items()):
            there = self.shop.orders[key]
            line = next((x for x in there.lines if x.current_quantity and x.fulfilled_quantity), None)
            whole = line is not None and line.fulfilled_quantity == line.current_quantity
            if not whole or order.back or key in self.refunded or there.cancelled:
                continue
            self.shop.refund(key, {line.id: 1}, restock=True)
            self.refunded.add(key)
            return True
        return False

    async def nights(self) -> None:
        """What else the warehouse does with its files."""
        rounds = self.loop.create_task(super().nights())
        try:
            while True:
                await self.clock.sleep(self.rng.uniform(60, 240))
                self.partner.receive_refunds()
                self.partner.leave_returns(every=self.rng.random() < 0.3)
        finally:
            rounds.cancel()

    def wanted_of(self, key: int) -> Counter[str]:
        """What a buyer has given back was sent all the same."""
        wanted = super().wanted_of(key)
        for refund in self.shop.orders[key].refunds:
            for line in refund.lines:
                if line.line.fulfilled_quantity:
                    wanted[line.line.sku] += line.quantity
        return wanted

    def differences(self) -> list[str]:
        found = super().differences()
        told: Counter[str] = Counter()
        for key, order in self.booked().items():
            for refund in self.shop.orders[key].refunds:
                note = refund.note or ""
                if "erp return" not in note:
                    continue
                number = note.rpartition(" ")[2]
                back = self.partner.returns.get(number)
                told[number] += 1
                units = sum(line.quantity for line in refund.lines)
                money = sum((one.amount for one in refund.transactions), start=0)
                if back is None or back.order != order.reference or back.units.total() != units:
                    found.append(f"{number}: {back}, and the shop took back {units} units of {key}")
                elif {line.restock_type == "RETURN" for line in refund.lines} != {back.shelf}:
                    found.append(f"{number}: on the shelf {back.shelf}, and the shop has {refund.lines}")
                elif money and not back.money:
                    found.append(f"{number}: {money} went back to the buyer, who was to have nothing")
                elif back.money and not money and self.shop.orders[key].transactions:
                    found.append(f"{number}: nothing went back to the buyer")
        for number, back in self.partner.returns.items():
            if told[number] != (not back.refund):
                found.append(f"{number}: {told[number]} refunds at the shop")
        named = {back.refund for back in self.partner.returns.values() if back.refund}
        found += [
            f"{key}: the warehouse received no refund of it"
            for key in self.refunded
            if not any(f"-{key}-ref-" in name for name in named)
        ]
        return found


@pytest.mark.parametrize(
    ("number", "more"),
    [(1, {}), (2, {"local": True}), (4, {"restored": True})],
    ids=["", "local", "restored"],
)
def test_every_return_is_at_the_shop_once(number, more):
    play = Returns(number, **more)
    assert play.play() == []
    ends = {(back.shelf, back.money) for back in play.partner.returns.values() if not back.refund}
    assert len(play.partner.returns) > 4 and len(ends) > 1 and play.refunded, "nothing to check"


def test_a_return_of_an_order_that_the_shop_does_not_know_waits_for_a_person():
    play = Returns(1)
    parked: list[object] = []

    async def story() -> None:
        play.store = SqliteStore.open(":memory:", now_ms=START_MS)
        play.partner.leave_items()
        play.partner.leave_stock()
        play.open()
        play.loop.create_task(play.shop.run())
        await play.clock.sleep(300.0)
        units = Counter({(play.skus[0], "MAIN"): 1})
        for reference in ("shop-424242", "somebody-elses-7"):
            play.partner.orders[reference] = Order(reference, 1, Counter(units), Counter(units))
            play.partner.take_back(reference, units)
        play.partner.leave_returns()
        await play.clock.sleep(3_600.0)
        parked.extend(await play.store.read("parked_open", after=0, limit=20))

    play.tell(story())
    assert [row[1:4] for row in parked] == [("shop", "create_refund", "424242\x1fR00001")]


# --- connectors with one mistake each -----------------------------------------------------------------


def tells_what_the_channel_gave_back(patch):
    patch.setattr(returned.ReturnMaker, "ours", lambda self, group: False)


def takes_every_telling_for_another_return(patch):
    row = returned.ReturnMaker.row

    def anew(self, group, entry):
        found = row(self, group, entry)
        return replace(found, key=f"{found.key}-{entry.seq}")

    patch.setattr(returned.ReturnMaker, "row", anew)
    patch.setattr(Spool, "returned", lambda self, keys: {})
    patch.setattr(Spool, "note_returns", lambda self, returns: None)


def pays_whatever_came_back(patch):
    row = returned.ReturnMaker.row
    patch.setattr(
        returned.ReturnMaker,
        "row",
        lambda self, group, entry: replace(row(self, group, entry), credited=True),
    )


@pytest.mark.parametrize(
    "mutant",
    [tells_what_the_channel_gave_back, takes_every_telling_for_another_return, pays_whatever_came_back],
    ids=lambda one: one.__name__,
)
def test_the_books_catch(mutant, monkeypatch):
    mutant(monkeypatch)
    monkeypatch.setattr(files_play, "AGREE_S_MAX", 1_200.0)  # a mutant never agrees; no need to wait
    assert any(Returns(number, kills=0).play() for number in (1, 2, 3))
