"""One SKU, one order: out of the shop, into the ERP, and the parcel back. On a virtual clock.

Minutes pass in a moment, and every run prints the same text.
"""

from __future__ import annotations

from decimal import Decimal

from stage import Stage

from syncline.engine.inquiry import search
from syncline.simulate.history import HistoryLine, HistoryOrder

SKU = "MUG-BLUE"


async def story(stage: Stage) -> None:
    shop, erp, trade = stage.shop, stage.erp, stage.trade
    engine = await stage.open()
    stage.say(f"the shop shows {shop.available(SKU)} of {SKU}")

    line = HistoryLine(SKU, "Blue mug", 3, Decimal("6.50"))
    order_id = trade.place(HistoryOrder("1", stage.clock.now_ms(), "12345", "United Kingdom", (line,)))
    stage.say("a buyer orders 3; the shop subtracts them itself")

    reference = f"shop-{order_id}"
    await stage.until(lambda: erp.find_order(reference) is not None)
    stage.say(f"the ERP holds {reference}, found by its external id")

    await stage.until(lambda: len(erp.deposits()) == 1)
    stage.say("the payment is in the ERP")
    trade.ship(1)
    stage.say("the warehouse ships")
    await stage.until(lambda: bool(shop.fulfillments))
    stage.say(f"the shop knows the parcel: {shop.fulfillments[0].tracking[0].number}")
    await stage.until(lambda: not trade.mismatches())
    stage.say(f"both sides agree: the shop shows {shop.available(SKU)}")

    print("\nwhat Syncline remembers of the order")
    for moment in (await search(engine, str(order_id)))[0].moments:
        print(f"  {moment.system:4}  {moment.what}{f': {moment.detail}' if moment.detail else ''}")

    print("\nwhat the simulators' own ledgers say")
    truth = trade.truth()
    for name in (
        "orders_placed",
        "orders_in_erp",
        "orders_duplicated",
        "payments_in_erp",
        "fulfilments_at_shop",
    ):
        print(f"  {name:20} {getattr(truth, name)}")
    assert (truth.orders_placed, truth.orders_in_erp, truth.orders_duplicated) == (1, 1, 0)
    assert (truth.payments_in_erp, truth.fulfilments_at_shop, truth.stock_mismatches) == (1, 1, 0)


Stage({SKU: 12}).play(story)
