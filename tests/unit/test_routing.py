"""Accepted orders are sent from where it was decided: their demand follows, edits keep it, refusals change it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.unit.checkout import PLACES, World
from tests.unit.support import START_MS, line, order, play

from syncline.engine.delivery.build import Builder, Due, Refuse, Send, Skip, Wait
from syncline.engine.delivery.discarded import discard
from syncline.engine.holds import Line
from syncline.engine.modes import Modes
from syncline.engine.rewind import Rewind
from syncline.engine.routes import SEP, Route, Routes, reference_of, stock_key
from syncline.engine.routing import Asked, CannotRoute, Router, routing_row
from syncline.model.change import Flow, Kind
from syncline.model.copying import replace
from syncline.model.errors import Misconfigured
from syncline.model.payloads import MoveOrder
from syncline.model.records import Address, Allocation, Refund, RefundLine, Shipment, ShipmentLine
from syncline.ports import Write
from syncline.routing.decision import Refusal, expected_elsewhere, placed, shares
from syncline.routing.places import Places, Point, place_key
from syncline.routing.plan import Sent
from syncline.routing.policy import Destination, Policy, Rule, Site

POLICY = Policy(
    sites={"1": Site(Point(10, 0)), "2": Site(Point(50, 0))},
    otherwise=Site(cost_per_km=Decimal("0.01")),
    places=Places({place_key("", "NORTH"): Point(51, 0)}),
    channels=frozenset({"shop"}),
)
NORTH = Address(postcode="NORTH", country="GB")


def placed_line(number: str, sku: str, quantity: int, *at: tuple[str, int]):
    """A line of which nothing has been sent yet."""
    found = line(number, sku, quantity, "10.00", taken=Decimal(0))
    allocations = tuple(Allocation(place, Decimal(n), remaining=Decimal(n)) for place, n in at)
    return replace(found, allocations=allocations)


class Stage(World):
    """A shop whose orders are routed to the ERP's locations 1 (far from the buyer) and 2 (near)."""

    def __init__(self, policy: Policy = POLICY, **more) -> None:
        super().__init__(**more)
        site = {"cost_per_km": Decimal("0.01")}
        shop = self.systems["shop"]
        can = replace(shop.capabilities, moves_orders=True)
        self.systems["shop"] = replace(shop, capabilities=can)
        policy = replace(policy, sites={at: replace(one, **site) for at, one in policy.sites.items()})
        self.router = Router(
            self.store, self.clock, self.catalog, self.routes, self.systems, self.deriver, policy
        )
        self.applier._routed = policy.channels
        self.route = self.routes.of(Flow.ORDERS)[0]
        rewind = Rewind(self.store, self.clock, self.routes)
        self.builder = Builder(
            self.store, self.catalog, self.routes, self.deriver, "erp", rewind, router=self.router
        )
        self.shop = Builder(
            self.store, self.catalog, self.routes, self.deriver, "shop", rewind, router=self.router, ships_where_allocated=True
        )  # fmt: skip

    async def placed(self, *lines, key: str = "7", **more):
        """An order to the north, read whole."""
        told = order(*lines, key=key, **{"shipping_to": NORTH, **more})
        await self.tell("shop", Kind.ORDER, key, told)
        return told

    async def build(self, key: str = "7"):
        """The ERP's order as it would be written now."""
        self.clock.at_ms += 1
        built = await self.builder.build(
            "put_order", {f"{key}{SEP}1": Due(self.route, START_MS)}, self.clock.at_ms
        )
        return built[f"{key}{SEP}1"]

    async def write(self, key: str = "7"):
        """Build it, and let what it decides last; returns its items as (SKU, location, units)."""
        built = await self.build(key)
        assert isinstance(built, Send), built
        await self.store.write(*built.writes)
        return [(item.sku, item.location, item.quantity) for item in built.payload.items]

    async def bound(self, key: str = "7") -> None:
        """The ERP has taken what is built now."""
        built = await self.build(key)
        row = {
            "system": "erp",
            "kind": "order",
            "key": reference_of("shop", key),
            "external_id": "77",
            "version": 1,
        }
        await self.store.write(
            Write("binding_put", [{**row, "hash": built.note, "now_ms": self.clock.at_ms}])
        )

    async def refuse(self, location: str, key: str = "7", **more) -> None:
        self.clock.at_ms += 1
        now_ms = self.clock.at_ms
        row = routing_row("shop", key, f"{now_ms}-{location}", "refused", Refusal(location, **more), now_ms)
        await self.store.write(Write("routing_put", [row]))

    async def demand(self, key: str = "7"):
        """Units wanted by location, where any are."""
        rows = await self.store.read("demand_of_orders", channel="shop", orders=[key])
        found: dict[str, int] = {}
        for row in rows:
            found[row[3]] = found.get(row[3], 0) + row[5]
        return {at: units for at, units in found.items() if units}

    async def reasons(self, key: str = "7"):
        return (await self.router.past("shop", key)).decision.reasons


def on_stage(story, **more):
    """Play a story with ten units of A and B at both locations."""

    async def played(_clock):
        stage = Stage(**more)
        for sku in ("A", "B"):
            for at in PLACES:
                await stage.figure(sku, at, 10)
        return await story(stage)

    return play(played)


# --- decided --------------------------------------------------------------------------------------------------


def test_an_order_goes_from_the_near_location_wherever_its_channel_expects_it():
    async def story(stage):
        await stage.placed(placed_line("a", "A", 2, ("L1", 2)))
        assert await stage.demand() == {"1": 2}
        assert await stage.write() == [("A", "2", 2)]
        assert await stage.demand() == {"2": 2}
        decision = (await stage.router.past("shop", "7")).decision
        assert (decision.cause, decision.locations, decision.exact) == ("accepted", ("2",), True)
        assert decision.reasons[1].startswith("From 2: it has all 1 line; 111 km away")

    on_stage(story)


def test_the_same_state_gives_the_same_decision_and_it_stays_when_the_stock_moves():
    async def story(stage):
        await stage.placed(placed_line("a", "A", 2, ("L1", 2)))
        one, other = await stage.build(), await stage.build()
        assert one.payload == other.payload
        await stage.store.write(*one.writes)
        await stage.figure("A", "2", 0)
        again = await stage.build()
        assert [item.location for item in again.payload.items] == ["2"]
        assert [write.statement for write in again.writes] == [
            "delivery_touch"
        ]  # the shop has not followed yet
        assert again.note == one.note

    on_stage(story)


def test_the_numbers_follow_the_demand():
    async def story(stage):
        await stage.derive()
        await stage.placed(placed_line("a", "A", 4, ("L1", 4)))
        await stage.derive()
        (route,) = stage.routes.of(Flow.INVENTORY, sink="outlet")

        async def numbers():
            return {t.location: t.quantity for t in (await stage.deriver.compute(route, ["A"])).targets}

        assert await numbers() == {"L1": 6, "L2": 10}
        await stage.write()
        assert await stage.store.read("dirty_of", skus=["A", "B"]) == [("A",)]
        assert await numbers() == {"L1": 10, "L2": 6}
        await stage.books("shop", "7", "A", 4, "2")
        await stage.figure("A", "2", 6)
        assert await numbers() == {"L1": 10, "L2": 6}

    on_stage(story)


def test_what_is_promised_to_others_is_not_sent():
    async def story(stage):
        await stage.placed(placed_line("x", "A", 4, ("L2", 4)), key="6")
        await stage.holds.reserve("cart", "outlet", [Line("A", 3, "L2")])
        await stage.placed(placed_line("a", "A", 4, ("L1", 4)))
        assert await stage.write() == [("A", "1", 4)]  # 10 - 4 - 3 are left at location 2

    on_stage(story)


def test_what_a_channel_took_stays_where_it_took_it():
    async def story(stage):
        taken = replace(placed_line("a", "A", 2, ("L1", 2)), taken=Decimal(2))
        await stage.placed(taken)
        await stage.write()
        rows = await stage.store.read("demand_of_orders", channel="shop", orders=["7"])
        assert [row[3:7] for row in rows] == [("1", "A", 0, 2), ("2", "A", 2, 0)]

    on_stage(story)


def test_an_order_that_changed_meanwhile_is_not_moved():
    async def story(stage):
        await stage.placed(placed_line("a", "A", 2, ("L1", 2)))
        built = await stage.build()
        await stage.placed(placed_line("a", "A", 5, ("L1", 5)))
        await stage.store.write(*built.writes)
        assert await stage.demand() == {"1": 5}
        assert await stage.write() == [("A", "2", 5)]
        assert await stage.demand() == {"2": 5}

    on_stage(story)


def test_what_nobody_has_stays_where_the_channel_expects_it():
    async def story(stage):
        await stage.placed(placed_line("a", "A", 25, ("L1", 25)))
        assert sorted(await stage.write()) == [("A", "1", 15), ("A", "2", 10)]
        assert "5 of A stay at 1, where shop expects them." in await stage.reasons()
        await stage.placed(placed_line("b", "C", 2, ("L1", 2)), key="8")
        assert await stage.write("8") == [("C", "1", 2)]
        assert (await stage.router.past("shop", "8")).decision is None

    on_stage(story)


@pytest.mark.parametrize("sent_already", [0, 1])
def test_what_the_channel_sent_itself_is_left_alone(sent_already):
    async def story(stage):
        its = placed_line("a", "A", 2, ("L1", 2))
        left = Allocation("L1", Decimal(2), remaining=Decimal(2 - sent_already))
        await stage.placed(replace(its, allocations=(left,)))
        assert await stage.write() == [("A", "1" if sent_already else "2", 2)]

    on_stage(story)


def test_a_line_without_a_place_is_left_alone():
    async def story(stage):
        await stage.placed(placed_line("a", "A", 2), placed_line("b", "B", 1, ("L1", 1)))
        assert sorted(await stage.write()) == [("A", "", 2), ("B", "2", 1)]

    on_stage(story)


def test_what_a_buyer_fetches_stays_where_it_is_fetched():
    async def story(stage):
        fetched = placed_line("a", "A", 2, ("L1", 2))
        (at,) = fetched.allocations
        await stage.placed(
            replace(fetched, allocations=(replace(at, fixed=True),)), placed_line("b", "B", 1, ("L1", 1))
        )
        assert await stage.write() == [("A", "1", 2), ("B", "2", 1)]
        assert await stage.demand() == {"1": 2, "2": 1}
        await stage.bound()
        assert (await moved(stage)).payload.lines == (("b", "L2", 1),)

    on_stage(story)


def test_that_the_shop_follows_is_no_revision_for_the_erp_and_that_it_moves_what_was_not_decided_is():
    async def story(stage):
        fetched = placed_line("a", "A", 2, ("L1", 2))
        (at,) = fetched.allocations
        fetched = replace(fetched, allocations=(replace(at, fixed=True),))
        told = await stage.placed(fetched, placed_line("b", "B", 1, ("L1", 1)))
        first = await stage.build()
        await stage.store.write(*first.writes)
        await stage.bound()
        lines = (fetched, placed_line("b", "B", 1, ("L2", 1)))
        await stage.tell("shop", Kind.ORDER, "7", replace(told, lines=lines, updated_at_ms=START_MS + 9))
        assert isinstance(await stage.build(), Skip)
        elsewhere = replace(fetched, allocations=(replace(at, location="L2", fixed=True),))
        await stage.tell("shop", Kind.ORDER, "7", replace(told, lines=(elsewhere, lines[1])))
        again = await stage.build()
        assert [(item.sku, item.location) for item in again.payload.items] == [("A", "2"), ("B", "2")]

    on_stage(story)


def test_an_order_from_before_routing_stays_as_it_is():
    async def story(stage):
        await stage.placed(placed_line("a", "A", 2, ("L1", 2)))
        row = {
            "system": "erp",
            "kind": "order",
            "key": "shop-7",
            "external_id": "77",
            "version": 0,
            "hash": "old",
        }
        await stage.store.write(Write("binding_put", [{**row, "now_ms": START_MS}]))
        assert await stage.write() == [("A", "1", 2)]
        assert await stage.demand() == {"1": 2}

    on_stage(story)


@pytest.mark.parametrize("channels", [frozenset(), frozenset({"shop"})])
def test_only_the_named_channels_are_routed(channels):
    async def story(stage):
        await stage.placed(placed_line("a", "A", 2, ("L1", 2)))
        assert await stage.write() == [("A", "2" if channels else "1", 2)]

    on_stage(story, policy=replace(POLICY, channels=channels))


def test_full_locations_are_counted_by_what_was_decided():
    async def story(stage):
        for number in range(3):
            await stage.placed(placed_line("a", "A", 1, ("L1", 1)), key=str(number))
        assert [(await stage.write(str(n)))[0][1] for n in range(3)] == ["2", "2", "1"]
        assert any("full: 2 of 2 orders" in reason for reason in await stage.reasons("2"))
        stage.clock.at_ms += 86_400_000
        await stage.placed(placed_line("a", "A", 1, ("L1", 1)), key="9")
        assert (await stage.write("9"))[0][1] == "2"

    sites = {**POLICY.sites, "2": Site(Point(50, 0), orders_per_day=2)}
    on_stage(story, policy=replace(POLICY, sites=sites))


# --- edited ---------------------------------------------------------------------------------------------------


def test_an_edit_keeps_what_was_decided_and_decides_only_what_is_new():
    async def story(stage):
        await stage.placed(placed_line("a", "A", 4, ("L1", 4)))
        await stage.write()
        await stage.figure("A", "2", 0)
        await stage.placed(placed_line("a", "A", 6, ("L1", 6)), placed_line("b", "B", 1, ("L1", 1)))
        # What is not decided yet is where the channel expects it.
        assert await stage.demand() == {"2": 4, "1": 3}
        assert sorted(await stage.write()) == [("A", "1", 2), ("A", "2", 4), ("B", "1", 1)]
        assert await stage.demand() == {"1": 3, "2": 4}
        assert (await stage.router.past("shop", "7")).decision.cause == "edited"
        await stage.placed(placed_line("a", "A", 3, ("L1", 3)))
        assert await stage.demand() == {"2": 3}
        assert await stage.write() == [("A", "2", 3)]

    on_stage(story)


def test_a_cancelled_order_wants_nothing_and_is_not_decided():
    async def story(stage):
        await stage.placed(placed_line("a", "A", 4, ("L1", 4)))
        await stage.write()
        await stage.bound()
        await stage.placed(placed_line("a", "A", 4, ("L1", 4)), cancelled_at_ms=START_MS)
        assert await stage.demand() == {}
        assert isinstance(await stage.build(), Send)
        await stage.placed(placed_line("a", "A", 4, ("L1", 4)), key="8", cancelled_at_ms=START_MS)
        assert isinstance(await stage.build("8"), Skip)

    on_stage(story)


def test_a_growing_line_is_not_promised_its_own_units_twice():
    async def story(stage):
        await stage.placed(placed_line("a", "A", 8, ("L1", 8)))
        await stage.write()
        await stage.placed(placed_line("a", "A", 10, ("L1", 10)))
        assert await stage.write() == [("A", "2", 10)]  # two more of the ten that lie there
        await stage.placed(placed_line("a", "A", 11, ("L1", 11)))
        assert sorted(await stage.write()) == [("A", "1", 1), ("A", "2", 10)]

    on_stage(story)


# --- refused --------------------------------------------------------------------------------------------------


def test_a_refused_location_is_left_out_and_the_rest_stays():
    async def story(stage):
        await stage.placed(placed_line("a", "A", 2, ("L1", 2)), placed_line("b", "B", 1, ("L1", 1)))
        assert sorted(await stage.write()) == [("A", "2", 2), ("B", "2", 1)]
        await stage.bound()
        assert isinstance(await stage.build(), Skip)
        await stage.refuse("2", sku="A", why="none on the shelf", by="Ada")
        assert sorted(await stage.write()) == [("A", "1", 2), ("B", "2", 1)]
        assert await stage.demand() == {"1": 2, "2": 1}
        decision = (await stage.router.past("shop", "7")).decision
        assert decision.cause == "refused"
        assert "Left out: 2: refused A by Ada (none on the shelf)." in decision.reasons
        await stage.bound()
        assert isinstance(await stage.build(), Skip)

    on_stage(story)


def test_where_nobody_else_has_it_or_after_too_many_refusals_a_person_decides():
    async def story(stage):
        await stage.placed(placed_line("a", "A", 2, ("L1", 2)))
        await stage.write()
        await stage.refuse("2", why="shut")
        assert await stage.write() == [("A", "1", 2)]
        await stage.refuse("1")
        stuck = await stage.build()
        assert isinstance(stuck, Refuse)
        assert stuck.reason == "no_location"
        assert "nobody else has 2 of A; 2: refused (shut); 1: refused" in stuck.detail
        allowed = routing_row("shop", "7", "z", "allowed", None, stage.clock.at_ms + 1)
        await stage.store.write(Write("routing_put", [allowed]))
        stage.clock.at_ms += 1
        assert await stage.write() == [("A", "1", 2)]  # as it was decided last

    on_stage(story)
    on_stage(story, policy=replace(POLICY, refusals_max=9))


def test_more_refusals_than_allowed_park_it_although_somebody_has_it():
    async def story(stage):
        await stage.placed(placed_line("a", "A", 2, ("L1", 2)))
        await stage.write()
        await stage.refuse("2")
        stuck = await stage.build()
        assert isinstance(stuck, Refuse)
        assert "more than 0 refusals" in stuck.detail

    on_stage(story, policy=replace(POLICY, refusals_max=0))


# --- what follows an order ------------------------------------------------------------------------------------


def test_a_refund_comes_back_to_where_it_was_sent_from_unless_the_shop_says_otherwise():
    async def story(stage):
        back = (RefundLine("a", Decimal(1), True), RefundLine("b", Decimal(1), True, location="L1"))
        refund = Refund("r1", Decimal(20), START_MS, back)
        lines = placed_line("a", "A", 2, ("L1", 2)), placed_line("b", "B", 1, ("L1", 1))
        await stage.placed(*lines, refunds=(refund,))
        await stage.write()
        await stage.bound()
        built = await stage.builder.build("put_refund", {f"7{SEP}r1": Due(stage.route, START_MS)}, START_MS)
        (send,) = built.values()
        assert [(item.sku, item.location) for item in send.payload.items] == [("A", "2"), ("B", "1")]

    on_stage(story)


@pytest.mark.parametrize("routed", [True, False])
def test_a_shop_that_insists_is_told_of_shipments_wherever_it_expects_them(routed):
    async def story(stage):
        await stage.placed(placed_line("a", "A", 3, ("L1", 2)), placed_line("b", "A", 1, ("L1", 1)))
        if routed:
            await stage.write()
        parcel = Shipment("s1", "shop-7", START_MS, (ShipmentLine("A", "2", Decimal(4)),))
        await stage.tell("erp", Kind.SHIPMENT, "s1", parcel)
        route = Route(Flow.ORDER_STATUS, "erp", "shop", 1_000)
        built = await stage.shop.build("create_shipment", {f"7{SEP}s1": Due(route, START_MS)}, START_MS)
        (send,) = built.values()
        assert (send.payload.lines, send.payload.anywhere) == ((("A", "L2", 4),), routed)

    on_stage(story, policy=replace(POLICY, moves="off"))


# --- told to the channel ----------------------------------------------------------------------------------------


async def moves(stage):
    """The deliveries that have the shop follow: by order, the route that they belong to."""
    rows = await stage.store.read("deliveries_pending", system="shop")
    keys = [key for _, operation, key, *_ in rows if operation == "move_order"]
    got = await stage.store.read("deliveries_get", system="shop", operation="move_order", keys=keys)
    return {row[0]: row[1] for row in got}


async def moved(stage, key="7"):
    """What the shop would be sent now."""
    (route,) = stage.routes.of(Flow.INVENTORY, sink="shop")
    built = await stage.shop.build("move_order", {key: Due(route, START_MS)}, stage.clock.at_ms)
    return built[key]


@pytest.mark.parametrize(
    ("at", "moving", "told"),
    [("L1", "park", True), ("L1", "tolerate", True), ("L1", "off", False), ("L2", "park", False)],
)
def test_a_shop_that_expects_an_order_from_elsewhere_is_told_in_the_decisions_transaction(at, moving, told):
    async def story(stage):
        await stage.placed(placed_line("a", "A", 2, (at, 2)))
        assert await stage.write() == [("A", "2", 2)]
        assert list(await moves(stage)) == (["7"] if told else [])
        await stage.bound()
        built = await moved(stage)
        if told:
            assert isinstance(built, Send)
            assert built.payload == MoveOrder("7", (("a", "L2", 2),), tolerated=moving == "tolerate")
        else:
            assert isinstance(built, Skip)

    on_stage(story, policy=replace(POLICY, moves=moving))


def test_a_parcel_waits_for_the_move_of_its_order_unless_that_stands_still():
    async def story(stage):
        await stage.placed(placed_line("a", "A", 2, ("L1", 2)))
        await stage.write()
        parcel = Shipment("s1", "shop-7", START_MS, (ShipmentLine("A", "2", Decimal(2)),))
        await stage.tell("erp", Kind.SHIPMENT, "s1", parcel)
        route = Route(Flow.ORDER_STATUS, "erp", "shop", 1_000)

        async def built():
            found = await stage.shop.build(
                "create_shipment", {f"7{SEP}s1": Due(route, START_MS)}, stage.clock.at_ms
            )
            return found[f"7{SEP}s1"]

        assert isinstance(await built(), Wait)
        ended = {
            "system": "shop",
            "operation": "move_order",
            "key": "7",
            "generation": 1,
            "reason": "",
            "uncounted": 0,
        }
        for state, later_ms in (("retryable", 3_600_000), ("parked", 0), ("completed", 0)):
            at_ms = stage.clock.at_ms
            row = {**ended, "state": state, "not_before_ms": at_ms + later_ms, "now_ms": at_ms}
            await stage.store.write(Write("delivery_finish", [row]))
            assert isinstance(await built(), Send), state

    on_stage(story)


def test_a_channel_that_cannot_be_told_is_not():
    async def story(stage):
        shop = stage.systems["shop"]
        stage.systems["shop"] = replace(shop, capabilities=replace(shop.capabilities, moves_orders=False))
        await stage.placed(placed_line("a", "A", 2, ("L1", 2)))
        await stage.write()
        assert await moves(stage) == {}

    on_stage(story)


def test_the_shop_is_told_once_the_erp_has_the_order_and_not_again_when_it_follows():
    async def story(stage):
        told = await stage.placed(placed_line("a", "A", 2, ("L1", 2)))
        await stage.write()
        assert isinstance(await moved(stage), Wait)
        await stage.bound()
        assert isinstance(await moved(stage), Send)
        followed = replace(told, lines=(placed_line("a", "A", 2, ("L2", 2)),))
        await stage.tell("shop", Kind.ORDER, "7", followed)
        assert isinstance(await moved(stage), Skip)

    on_stage(story)


def test_nothing_moves_while_the_numbers_are_not_ours_or_not_known():
    async def story(stage):
        async def read(now_ms):
            for place in PLACES.values():
                row = {
                    "system": "shop",
                    "key": stock_key("A", place),
                    "held": 8,
                    "rev": None,
                    "exact": True,
                    "now_ms": now_ms,
                }
                await stage.store.write(Write("held_seen", [row]))

        await stage.placed(placed_line("a", "A", 2, ("L1", 2)))
        await stage.write()
        await stage.bound()
        (route,) = stage.routes.of(Flow.INVENTORY, sink="shop")
        await read(START_MS)
        for mode in ("shadow", "paused"):
            stage.shop._modes = Modes({}, [(route.name, mode, START_MS, None, "ops", "")])
            stopped = await moved(stage)
            assert isinstance(stopped, Wait) and stopped.seconds > 60 and not stopped.stock
        live = (route.name, "shadow", START_MS, START_MS + 5, "ops", "")
        stage.shop._modes = Modes({}, [live])
        both = tuple(stock_key("A", place) for place in PLACES.values())
        assert (await moved(stage)).stock == both  # read before it went live
        await read(START_MS + 6)
        assert isinstance(await moved(stage), Send)
        await stage.store.write(Write("held_refuted", [{"system": "shop", "key": both[1]}]))
        assert (await moved(stage)).stock == both[1:]
        stage.clock.at_ms = START_MS + 3_600_001  # it cannot be read, it seems
        assert isinstance(await moved(stage), Send)

    on_stage(story)


def test_an_order_that_was_cancelled_or_given_up_moves_nowhere():
    async def story(stage):
        told = await stage.placed(placed_line("a", "A", 2, ("L1", 2)))
        await stage.write()
        await stage.store.write(discard("erp", reference_of("shop", "7"), START_MS))
        assert isinstance(await moved(stage), Skip)
        await stage.store.write(discard("erp", reference_of("shop", "7"), START_MS, stands=False))
        assert isinstance(await moved(stage), Wait)
        await stage.tell("shop", Kind.ORDER, "7", replace(told, cancelled_at_ms=START_MS + 5))
        assert isinstance(await moved(stage), Skip)

    on_stage(story)


def test_what_has_left_is_not_expected_from_elsewhere():
    def seen(*at):
        allocations = tuple(Allocation(place, Decimal(n), remaining=Decimal(left)) for place, n, left in at)
        return order(replace(line("a", "A", 3, "10.00"), allocations=allocations))

    wanted = (("a", "L2", 2), ("a", "L1", 1))
    assert expected_elsewhere(seen(("L1", 3, 3)), wanted)
    assert expected_elsewhere(seen(("L1", 2, 2), ("L2", 1, 1)), wanted)
    assert not expected_elsewhere(seen(("L1", 1, 1), ("L2", 2, 2)), wanted)
    assert not expected_elsewhere(seen(("L1", 3, 0)), wanted)
    assert not expected_elsewhere(seen(("L1", 3, 3)), ())


def test_a_stock_that_moves_at_the_shop_is_taken_where_it_moved_to_and_nowhere_else():
    """The shop puts two units back at one location and takes them at the other; the numbers end where they were."""

    async def story(stage):
        taken = replace(placed_line("a", "A", 2, ("L1", 2)), taken=Decimal(2))
        told = await stage.placed(taken)
        await stage.write()
        for place in ("L2", "L1", "L2"):
            at = (Allocation(place, Decimal(2), remaining=Decimal(2)),)
            there = replace(told, lines=(replace(taken, allocations=at),))
            await stage.tell("shop", Kind.ORDER, "7", there)
            rows = await stage.store.read("demand_of_orders", channel="shop", orders=["7"])
            mapped = {"L1": "1", "L2": "2"}[place]
            assert {row[3]: row[6] for row in rows if row[6]} == {mapped: 2}
            assert {row[3]: row[5] for row in rows if row[5]} == {"2": 2}

    on_stage(story)


# --- asked before ---------------------------------------------------------------------------------------------


def test_a_quote_counts_the_hold_it_comes_from_and_nobody_elses():
    async def story(stage):
        await stage.holds.reserve("mine", "shop", [Line("A", 10, "L2")])
        ask = ("shop", [Asked("A", 8)], Destination("GB", "", "NORTH", Point(51, 0)))
        other = await stage.router.quote(*ask)
        mine = await stage.router.quote(*ask, hold="mine")
        assert [p.location for p in other.parcels] == ["1"]
        assert [p.location for p in mine.parcels] == ["2"]

    on_stage(story)


@pytest.mark.parametrize(
    ("channel", "lines", "code"),
    [
        ("erp", [Asked("A", 1)], "unknown_channel"),
        ("shop", [Asked("NONE", 1)], "unknown_sku"),
        ("shop", [], "bad_lines"),
        ("shop", [Asked("A", 1)] * 101, "bad_lines"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_code(channel, lines, code):
    async def story(stage):
        with pytest.raises(CannotRoute) as error:
            await stage.router.quote(channel, lines, Destination())
        assert error.value.code == code
        assert error.value.mend

    on_stage(story)


@pytest.mark.parametrize(
    "policy",
    [
        Policy(sites={"9": Site()}),
        Policy(rules=(Rule("r", exclude=("9",)),)),
        Policy(rules=(Rule("r", prefer=("9",)),)),
        Policy(channels=frozenset({"outlet"})),
    ],
)
def test_what_is_named_has_to_be_mapped(policy):
    with pytest.raises(Misconfigured, match=r"routing\."):
        Stage(policy)


def test_a_channel_without_stock_from_its_erp_cannot_be_routed():
    routes = Routes([Route(Flow.ORDERS, "shop", "erp", 1_000)])
    with pytest.raises(Misconfigured, match="inventory route"):
        Router(None, None, None, routes, {}, None, Policy(channels=frozenset({"shop"})))


# --- the pure parts -------------------------------------------------------------------------------------------


def test_shares_cut_what_was_decided_to_what_is_wanted():
    sent = (Sent("a", "A", "1", 3), Sent("b", "B", "1", 9), Sent("a", "A", "2", 2))
    assert shares(sent, "a", 5) == [("1", 3), ("2", 2)]
    assert shares(sent, "a", 4) == [("1", 3), ("2", 1)]
    assert shares(sent, "a", 0) == []
    assert shares(sent, "a", 9) == [("1", 3), ("2", 2)]


def test_demand_moves_and_what_was_taken_does_not():
    wanted = {("a", "1"): ("A", 5, 4, "L1"), ("a", "3"): ("A", 1, 0, "L3"), ("b", "1"): ("B", 1, 1, "L1")}
    sent = (Sent("a", "A", "2", 3), Sent("a", "A", "1", 2), Sent("gone", "X", "1", 4))
    moved = placed(wanted, sent)
    assert moved == {
        ("a", "1"): ("A", 3, 4, "L1"),  # two that were decided, and one that nobody has decided about
        ("a", "3"): ("A", 0, 0, "L3"),
        ("a", "2"): ("A", 3, 0, ""),
        ("b", "1"): ("B", 1, 1, "L1"),
    }
