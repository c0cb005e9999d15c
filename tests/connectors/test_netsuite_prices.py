"""What NetSuite's price levels and customers' own prices become."""

from __future__ import annotations

import pytest
from tests.connectors.netsuite_world import World, run

from syncline.connectors.netsuite import client, prices
from syncline.model.change import Kind, LoggedEvent, Via
from syncline.model.errors import Rejected, Retryable
from syncline.model.pricing import PriceKind
from syncline.model.records import Item


def told(w: World, events) -> dict[str, list[tuple[str, str, int]]]:
    """Amount, currency and minimum of each entry, by list and SKU."""
    return {
        change.key.replace("\x1f", " in "): [
            (str(e.amount.normalize() + 0), e.currency, int(e.minimum)) for e in change.value.entries
        ]
        for change in w.changes(events)
        if change.kind is Kind.PRICE
    }


async def pages(w: World, cursor=None):
    return [page async for page in w.system.source.poll("prices", cursor)]


def test_levels_breaks_currencies_and_customers_are_records_of_their_own():
    async def story(w: World) -> None:
        trade = w.sim.add_price_level("Trade")
        w.sim.set_price("21730", "9.123456", level=trade)
        w.sim.set_price("21730", "8", level=trade, quantity=10)
        w.sim.set_price("21730", "11", level=trade, currency=2)
        w.sim.set_customer_price(w.web, "21730", "7.5")
        w.sim.set_customer_price(w.web, "84406B", level=1)
        events, cursor = await w.pull("prices")
        assert told(w, events) == {
            "21730 in level:1": [("10", "GBP", 1)],
            "84406B in level:1": [("2.5", "GBP", 1)],
            f"21730 in level:{trade}": [("9.123456", "GBP", 1), ("8", "GBP", 10), ("11", "USD", 1)],
            f"21730 in customer:{w.web}": [("7.5", "GBP", 1)],
            f"84406B in customer:{w.web}": [("2.5", "GBP", 1)],
        }
        kinds = {c.value.price_list.split(":")[0]: c.value.kind for c in w.changes(events)}
        assert kinds == {"level": PriceKind.LIST, "customer": PriceKind.CONTRACT}
        assert all(e.via is Via.SNAPSHOT for e in events)

        # Nothing is told twice, and all of it is named as being there.
        (first, second) = await pages(w, cursor)
        assert first.events == second.events == ()
        assert len(first.present) + len(second.present) == 5

        began_ms = w.clock.now_ms()
        await w.clock.sleep(60)
        w.sim.set_price("21730", "8.5", level=trade, quantity=10)
        w.sim.set_customer_price(w.web, "21730")
        events, cursor = await w.pull("prices", cursor)
        assert told(w, events) == {
            f"21730 in level:{trade}": [("9.123456", "GBP", 1), ("8.5", "GBP", 10), ("11", "USD", 1)]
        }
        (change,) = w.changes(events)
        assert (
            change.changed_at_ms <= began_ms < change.version
        )  # since the read before began, by its own stamp

        # A price that was gone is told again although it is as it was.
        w.sim.set_customer_price(w.web, "21730", "7.5")
        events, _ = await w.pull("prices", cursor)
        assert list(told(w, events)) == [f"21730 in customer:{w.web}"]

    run(story, currencies={"GBP": "1", "USD": "2"})


def test_a_price_that_goes_back_is_no_duplicate():
    async def story(w: World) -> None:
        ids = set()
        cursor = None
        for amount in ("10", "12", "10"):
            w.sim.set_base_price("21730", amount)
            await w.clock.sleep(5)
            events, cursor = await w.pull("prices", cursor)
            ids |= {event.event_id for event in events}
        assert len(ids) == 3

    run(story)


def test_an_account_with_one_currency_names_none_and_one_that_is_not_configured_is_no_other():
    async def story(w: World) -> None:
        w.sim.set_price("21730", "3", currency=9)
        events, _ = await w.pull("prices")
        names = {entry[1] for entries in told(w, events).values() for entry in entries}
        assert names == ({"GBP", "#9"} if w.settings.currencies else {""})

    run(story)
    run(story, currencies={"GBP": "1"})


@pytest.mark.parametrize("size", [2, 3, 4, 7])
def test_no_record_is_cut_at_the_edge_of_a_page_and_a_read_goes_on_where_it_was(monkeypatch, size):
    monkeypatch.setattr(client, "PAGE_MAX", size)
    monkeypatch.setattr(prices, "PAGE_MAX", size)

    async def story(w: World) -> None:
        for n in range(5):
            w.sim.add_item(f"S{n}", f"S{n}", "5")
            if size > 2 and n % 2:
                w.sim.set_price(f"S{n}", "4", quantity=10)
            w.sim.set_customer_price(w.web, f"S{n}", "3")
        whole = told(w, (await w.pull("prices"))[0])
        assert len(whole) == 12
        for stop in range(1, len(await pages(w))):
            w.system = w.open()
            kept = (await pages(w))[:stop]
            w.system = w.open()
            events, cursor = await w.pull("prices", kept[-1].cursor)
            seen = told(w, [e for page in kept for e in page.events])
            assert {**seen, **told(w, events)} == whole
            assert not cursor.position.startswith('{"began":1')

    run(story)


def test_inactive_items_are_left_out_and_a_name_that_cannot_be_used_is_parked_alone():
    async def story(w: World) -> None:
        w.sim.edit_item("84406B", isInactive=True)
        w.sim.add_item("odd\nname", "Odd", "5")
        events, _ = await w.pull("prices")
        odd = [e for e in events if b"odd" in e.body]
        assert list(told(w, [e for e in events if e not in odd])) == ["21730 in level:1"]
        with pytest.raises(Rejected, match="usable name"):
            w.changes(odd)

    run(story)


@pytest.mark.parametrize("text", ["abc", "NaN", "1e99"])
def test_an_amount_that_is_none_is_refused(text):
    async def story(w: World) -> None:
        events, _ = await w.pull("prices")
        body = events[0].body.replace(b'"price":"10"', b'"price":"%b"' % text.encode())
        assert body != events[0].body, events[0].body
        event = type(events[0])("erp", prices.TOPIC, "x", Via.SNAPSHOT, 1, body)
        with pytest.raises(Rejected, match="price"):
            w.system.source.decode(LoggedEvent(1, 1, event))

    run(story)


def test_lists_may_be_asked_for_at_this_moment():
    async def story(w: World) -> None:
        trade = w.sim.add_price_level("Trade")
        w.sim.set_price("21730", "9", level=trade)
        w.sim.set_price("21730", "8", level=trade, quantity=10)
        w.sim.set_customer_price(w.web, "84406B", level=1)
        items = [Item("21730", str(w.item)), Item("84406B", str(w.item2)), Item("odd", "no number")]
        assert w.system.live_prices is not None
        names = [f"level:{trade}", f"customer:{w.web}", "customer:none"]
        found = {(one.sku, one.price_list): one for one in await w.system.live_prices(items, names)}
        assert [int(e.amount) for e in found["21730", f"level:{trade}"].entries] == [9, 8]
        assert [str(e.amount) for e in found["84406B", f"customer:{w.web}"].entries] == ["2.5"]
        assert len(found) == 2
        calls = w.wire.count("POST", "suiteql")
        assert await w.system.live_prices(items[2:], names) == []
        assert w.wire.count("POST", "suiteql") <= calls + 1  # its clock only

    run(story)


def test_an_answer_of_more_than_a_page_is_asked_for_in_parts(monkeypatch):
    monkeypatch.setattr(client, "PAGE_MAX", 3)
    monkeypatch.setattr(prices, "PAGE_MAX", 3)

    async def story(w: World) -> None:
        w.sim.set_price("21730", "8", quantity=10)
        w.sim.set_price("84406B", "2", quantity=10)
        items = [Item("21730", str(w.item)), Item("84406B", str(w.item2))]
        found = await w.system.live_prices(items, ["level:1"])
        assert [(one.sku, [str(e.amount) for e in one.entries]) for one in found] == [
            ("21730", ["10", "8"]),
            ("84406B", ["2.5", "2"]),
        ]
        w.sim.set_price("21730", "7", quantity=100)
        with pytest.raises(Retryable, match="3 or more prices"):
            await w.system.live_prices(items, ["level:1"])

    run(story)
