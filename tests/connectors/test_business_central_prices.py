"""What item cards and price list lines of Business Central become."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.connectors.business_central_opened import World, run

from syncline.connectors.business_central import client
from syncline.model.change import Kind, LoggedEvent
from syncline.model.errors import Misconfigured, Rejected
from syncline.model.pricing import PriceKind

CUSTOMER = {"sourceType": "Customer", "sourceNumber": "10000"}
GROUP = {"sourceType": "Customer_x0020_Price_x0020_Group", "sourceNumber": "TRADE"}


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


async def prices(world: World, cursor=None):
    """Entries by SKU and list, and the cursor after."""
    events, cursor = await world.pull("prices", cursor)
    found = {}
    for event in events:
        for change in world.system.source.decode(LoggedEvent(1, 1, event)):
            assert change.kind is Kind.PRICE
            found[change.key.replace("\x1f", " in ")] = change.value
    return found, cursor


def shown(price) -> list[tuple[str, int, str, str]]:
    return sorted((str(e.amount.normalize() + 0), int(e.minimum), e.currency, e.unit) for e in price.entries)


def test_cards_and_lines_are_lists_by_whom_they_are_for():
    async def story(world: World) -> None:
        sim = world.sim
        sim.add_price("S1", "A", "9.123456")
        sim.add_price("S1", "A", "8", minimumQuantity=10)
        sim.add_price("S2", "A", "11", currencyCode="EUR")
        sim.add_price("S2", "A", "80", unitOfMeasureCode="BOX")
        sim.add_price("S2", "A", "8.5", unitOfMeasureCode="PCS", **GROUP)
        sim.add_price("C1", "B", "2", **CUSTOMER)
        sim.add_price("C1", "B", "1", status="Draft", **CUSTOMER)
        sim.add_price("C1", "B", "0", **CUSTOMER)  # only a discount
        found, _ = await prices(world)
        assert {key: shown(one) for key, one in found.items()} == {
            "A in item": [("10", 1, "GBP", "")],
            "B in item": [("2.5", 1, "GBP", "")],
            "A in all": [
                ("11", 1, "EUR", ""),
                ("8", 10, "GBP", ""),
                ("80", 1, "GBP", "BOX"),
                ("9.123456", 1, "GBP", ""),
            ],
            "A in group:TRADE": [("8.5", 1, "GBP", "")],
            "B in customer:10000": [("2", 1, "GBP", "")],
        }
        kinds = {key.rpartition(" ")[2].partition(":")[0]: one.kind for key, one in found.items()}
        assert kinds == {
            "item": PriceKind.LIST, "all": PriceKind.LIST, "group": PriceKind.GROUP, "customer": PriceKind.CONTRACT,
        }  # fmt: skip

    run(story)


def test_a_customers_list_has_the_number_that_the_customers_record_has():
    async def story(world: World) -> None:
        account = world.sim.add_customer("10000", "One")
        world.sim.add_price("C1", "B", "2", **CUSTOMER)
        events, _ = await world.pull("customers")
        known = [
            change.value
            for event in events
            for change in world.system.source.decode(LoggedEvent(1, 1, event))
            if change.key == account
        ]
        assert [f"B in customer:{one.number}" for one in known] == [
            key for key in (await prices(world))[0] if "customer" in key
        ]
        assert world.system.capabilities.lists_by_number

    run(story)


def test_days_begin_in_the_companys_zone_and_the_last_one_counts():
    async def story(world: World) -> None:
        world.sim.add_price("S1", "A", "9", startingDate="2026-07-01", endingDate="2026-07-31")
        found, _ = await prices(world)
        (entry,) = found["A in all"].entries
        summer = ms("2026-06-30T22:00:00") if world.settings.timezone != "UTC" else ms("2026-07-01T00:00:00")
        assert (entry.starts_ms, entry.ends_ms) == (summer, summer + 31 * 86_400_000)

    run(story)
    run(story, timezone="Europe/Copenhagen")
    with pytest.raises(Misconfigured, match="timezone"):
        run(story, timezone="Europe/Kopenhagen")


def test_what_changed_is_told_and_what_is_as_it_was_is_only_named():
    async def story(world: World) -> None:
        line = world.sim.add_price("S1", "A", "9")
        world.sim.add_price("S1", "B", "2")
        found, cursor = await prices(world)
        assert len(found) == 4
        read = [page async for page in world.system.source.poll("prices", cursor)]
        assert [page.events for page in read] == [()] * len(read)
        assert sum(len(page.present) for page in read) == 4
        began_ms = world.clock.now_ms()
        await world.clock.sleep(5)
        world.sim.edit_price(line, unitPrice=8)
        world.sim.edit_item("B", unitPrice=3)
        found, cursor = await prices(world, read[-1].cursor)
        assert {key: shown(one)[0][0] for key, one in found.items()} == {"A in all": "8", "B in item": "3"}
        world.sim.delete_price(line)
        read = [page async for page in world.system.source.poll("prices", cursor)]
        assert [key for page in read for _, key in page.present] == ["A\x1fitem", "B\x1fitem", "B\x1fall"]
        world.sim.add_price("S1", "A", "8")
        found, _ = await prices(world, read[-1].cursor)
        assert list(found) == ["A in all"]
        assert began_ms < world.clock.now_ms()

    run(story)


def test_a_line_without_a_variant_is_for_all_of_them():
    async def story(world: World) -> None:
        for code in ("RED", "BLUE"):
            world.sim.add_variant("A", code)
        world.sim.add_price("S1", "A", "9")
        world.sim.add_price("S1", "A", "8", variantCode="RED")
        found, _ = await prices(world)
        assert [amount for amount, *_ in shown(found["A/RED in all"])] == ["8", "9"]
        assert [amount for amount, *_ in shown(found["A/BLUE in all"])] == ["9"]
        assert "A in all" not in found

    run(story)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_lines_of_one_item_are_one_record_wherever_the_server_cuts(monkeypatch, size):
    monkeypatch.setattr(client, "PAGE", size)

    async def story(world: World) -> None:
        for number in ("A", "B"):
            for n, amount in enumerate(("9", "8", "7", "6")):
                world.sim.add_price("S1", number, amount, minimumQuantity=10 * n)
        found, _ = await prices(world)
        assert [len(found[key].entries) for key in ("A in all", "B in all")] == [4, 4]

    run(story)


def test_an_item_that_is_not_sold_has_no_prices():
    async def story(world: World) -> None:
        world.sim.add_price("S1", "A", "9")
        world.sim.edit_item("A", blocked=True)
        found, _ = await prices(world)
        assert list(found) == ["B in item"]

    run(story)


@pytest.mark.parametrize("text", ["abc", "NaN", "1e99"])
def test_an_amount_that_is_none_is_refused(text):
    async def story(world: World) -> None:
        events, _ = await world.pull("prices")
        body = events[0].body.replace(b'"price":"2.5', b'"price":"%b' % text.encode())
        assert body != events[0].body
        with pytest.raises(Rejected, match="price"):
            world.system.source.decode(
                LoggedEvent(1, 1, type(events[0])("erp", events[0].topic, "x", events[0].via, 1, body))
            )

    run(story)
