"""What a named person may do, and what remains of it."""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal

import pytest
from tests.web.support import MINUTE, NOW_MS, StillClock, make_engine, park_message, park_order, record, seed

from syncline.engine.audit import link
from syncline.engine.derive.demand import Sold
from syncline.engine.engine import RECONCILE_INTERVAL_MS
from syncline.engine.inquiry import Step, explain, search
from syncline.engine.operations import NotPossible, Operations
from syncline.engine.routes import stock_key
from syncline.freshness.demand import Sale
from syncline.inventory.recipes import Recipes
from syncline.inventory.rules import AUTO_BUFFER, Layer, Level, Rules, percent
from syncline.model.capabilities import SOURCE_QUANTITY_ADD_BACK_OPEN_LINES
from syncline.model.change import Event, Flow, Kind, Via
from syncline.model.copying import replace
from syncline.model.records import Item, StockLevel
from syncline.ports import Write

GOOD = '{"sku": "MUG-01", "location": "1", "available": "4"}'


@pytest.fixture
async def engine():
    made = await make_engine(StillClock())
    await seed(made)
    return made


@pytest.fixture
def operations(engine):
    return Operations(engine)


async def state_of(engine, system, operation, key):
    rows = await engine.store.read("deliveries_get", system=system, operation=operation, keys=[key])
    return rows[0][2]


async def apply_all(engine):
    await engine.applier._lease.take()
    while await engine.applier.step():
        pass


# --- parked ----------------------------------------------------------------------------------------------


async def test_an_edited_message_is_taken_in_at_its_own_place_in_time(engine, operations):
    number = await park_message(engine)
    await operations.edit(number, GOOD, by="Otto")
    await operations.release(number, by="Otto")
    logged = await engine.store.events(0, 100)
    first, again = logged[0].event, logged[-1].event
    assert (again.topic, again.via, again.occurred_at_ms) == (first.topic, first.via, first.occurred_at_ms)
    assert again.event_id != first.event_id and again.body == GOOD.encode()
    engine.applier._offset = logged[0].offset
    await apply_all(engine)
    rows = await engine.store.read("records_get", system="erp", kind="stock", keys=["MUG-01\x1f1"])
    assert '"available":"4"' in rows[0][4]
    shown = await operations.show(number)
    assert (shown.resolution, shown.resolved_by) == ("released", "Otto")


async def test_the_original_stays_in_the_audit_log(engine, operations):
    number = await park_message(engine)
    await operations.edit(number, GOOD, by="Otto")
    entry = (await operations.audit.newest(limit=1))[0]
    assert (entry.actor, entry.action, entry.after) == ("Otto", "edit", GOOD)
    assert '"four"' in entry.before


async def test_the_original_is_found_among_thousands(engine, operations):
    before = [Event("shop", "stock", f"a{i}", Via.EVENT, NOW_MS, b"{}") for i in range(700)]
    await engine.store.append(before, received_at_ms=NOW_MS - 10 * MINUTE)
    number = await park_message(engine)
    after = [Event("shop", "stock", f"b{i}", Via.EVENT, NOW_MS, b"{}") for i in range(900)]
    await engine.store.append(after, received_at_ms=NOW_MS + MINUTE)
    assert (await operations.release(number, by="Otto")).count == 1


async def test_a_message_that_left_the_log_is_not_made_up(engine, operations):
    at = {
        "system": "erp",
        "operation": "apply",
        "key": "stock\x1fgone",
        "reason": "not_understood",
        "detail": "",
        "payload": GOOD,
        "now_ms": NOW_MS,
    }
    number = (await engine.store.write(Write("parked_put", [at])))[0][0][0]
    with pytest.raises(NotPossible, match="not in the log"):
        await operations.release(number, by="Otto")
    assert (await operations.show(number)).resolved_at_ms is None


@pytest.mark.parametrize("text", ["", "{", '{"a": 1, "a": 2}', "[" * 100_000, "nul"])
async def test_what_is_not_json_is_not_saved(engine, operations, text):
    number = await park_message(engine)
    with pytest.raises(NotPossible) as told:
        await operations.edit(number, text, by="Otto")
    assert told.value.code == "not_json"
    assert '"four"' in (await operations.show(number)).payload


async def test_a_released_delivery_is_available_and_offered(engine, operations):
    number = await park_order(engine)
    await operations.release(number, by="Otto")
    assert await state_of(engine, "erp", "put_order", "551043\x1f1") == "available"
    assert engine.lanes["erp"].pending() == 1
    with pytest.raises(NotPossible) as told:
        await operations.release(number, by="Vera")
    assert told.value.code == "resolved"


async def test_a_delivery_has_no_text_to_edit(engine, operations):
    with pytest.raises(NotPossible) as told:
        await operations.edit(await park_order(engine), GOOD, by="Otto")
    assert told.value.code == "not_editable"


async def test_discarded_work_is_cancelled_and_kept(engine, operations):
    number = await park_order(engine)
    await operations.discard(number, by="Otto")
    assert await state_of(engine, "erp", "put_order", "551043\x1f1") == "cancelled"
    assert (await operations.show(number)).resolution == "discarded"
    assert await operations.parked() == []


async def test_what_moved_on_meanwhile_is_left_alone(engine, operations):
    number = await park_order(engine)
    row = {"system": "erp", "operation": "put_order", "key": "551043\x1f1", "now_ms": NOW_MS}
    await engine.store.write(Write("delivery_release", [row]), Write("delivery_run", [row]))
    with pytest.raises(NotPossible) as told:
        await operations.discard(number, by="Otto")
    assert told.value.code == "moved_on"
    assert (await operations.show(number)).resolved_at_ms is None
    assert await operations.audit.newest() == []


async def test_two_people_at_once_resolve_once(engine, operations):
    number = await park_order(engine)
    answers = await asyncio.gather(
        *(operations.release(number, by=name) for name in ("Ada", "Otto")),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, NotPossible) for answer in answers) == 1
    assert len(await operations.audit.newest()) == 1


async def test_a_note_about_a_total_can_only_be_discarded(engine, operations):
    at = {
        "system": "erp",
        "operation": "compare_total",
        "key": "551042",
        "reason": "total_differs",
        "detail": "0.01",
        "payload": "",
        "now_ms": NOW_MS,
    }
    number = (await engine.store.write(Write("parked_put", [at])))[0][0][0]
    with pytest.raises(NotPossible):
        await operations.release(number, by="Otto")
    await operations.discard(number, by="Otto")


# --- replay ----------------------------------------------------------------------------------------------


async def test_replaying_a_sku_only_computes(engine, operations):
    await operations.replay_sku("MUG-01", by="Otto")
    assert [row[0] for row in await engine.store.read("dirty", now_ms=0, limit=9)] == ["MUG-01"]
    with pytest.raises(NotPossible):
        await operations.replay_sku("NO-SUCH", by="Otto")


async def test_replaying_an_order_reads_it_and_never_repeats_money(engine, operations):
    done = {"system": "erp", "operation": "put_payment", "key": "551042\x1fp1"}
    await engine.store.write(
        Write(
            "delivery_fact",
            [
                {
                    **done,
                    "route": "orders:shop->erp",
                    "changed_at_ms": 1,
                    "deliver_by_ms": 2,
                    "not_before_ms": 1,
                    "now_ms": 1,
                }
            ],
        ),
        Write(
            "delivery_finish",
            [
                {
                    **done,
                    "state": "completed",
                    "generation": 1,
                    "not_before_ms": 1,
                    "reason": "",
                    "uncounted": 0,
                    "now_ms": 1,
                }
            ],
        ),
    )
    await operations.replay_order("#1042", by="Otto")
    assert await state_of(engine, "shop", "read_order", "551042") == "available"
    assert await state_of(engine, "erp", "put_order", "551042\x1f1") == "available"
    assert await state_of(engine, "erp", "put_payment", "551042\x1fp1") == "completed"


async def test_a_whole_route_takes_two_people_where_there_are_two(engine, operations):
    name = "inventory:erp->shop"
    for _ in range(2):
        with pytest.raises(NotPossible) as told:
            await operations.replay_route(name, by="Otto", people=2)
        assert told.value.code == "second_person"
    assert (await operations.replay_route(name, by="Ada", people=2)).count == 5
    assert len(await engine.store.read("dirty", now_ms=0, limit=9)) == 5
    assert (await operations.replay_route(name, by="Otto", people=1)).count == 5


async def test_a_request_for_a_second_person_lapses(engine, operations):
    with pytest.raises(NotPossible):
        await operations.replay_route("orders:shop->erp", by="Otto", people=2)
    engine.clock.at_ms += 61 * MINUTE
    with pytest.raises(NotPossible):
        await operations.replay_route("orders:shop->erp", by="Ada", people=2)


async def test_unseen_units_are_released_by_name(engine, operations):
    at = {"system": "shop", "key": "TEE-RED-M\x1fL1", "now_ms": NOW_MS}
    await engine.store.write(Write("held_seen", [{**at, "held": 17, "rev": None, "exact": True}]))
    done = await operations.release_unseen("shop", "TEE-RED-M", "L1", by="Otto")
    assert done.count == 3
    with pytest.raises(NotPossible):
        await operations.release_unseen("shop", "TEE-RED-M", "L1", by="Otto")
    assert [row[0] for row in await engine.store.read("dirty", now_ms=0, limit=9)] == ["TEE-RED-M"]


# --- audit -----------------------------------------------------------------------------------------------


async def test_the_audit_chain_shows_what_was_altered_or_removed(engine, operations):
    for i in range(5):
        await operations.audit.write(actor="Otto", action="replay", subject=f"SKU {i}")
    assert (await operations.audit.verify()).holds
    engine.store._connection.execute("UPDATE audit SET actor = 'Vera' WHERE id = 3")
    check = await operations.audit.verify()
    assert (check.holds, check.broken_at, check.entries) == (False, 3, 2)
    engine.store._connection.execute("UPDATE audit SET actor = 'Otto' WHERE id = 3")
    engine.store._connection.execute("DELETE FROM audit WHERE id = 2")
    assert (await operations.audit.verify()).broken_at == 3


def test_no_two_rows_share_a_link():
    assert link("", 1, "a", "b", "c", "", "") != link("", 1, "ab", "", "c", "", "")


# --- explain and search ----------------------------------------------------------------------------------


async def test_a_number_is_explained_to_the_last_unit(engine):
    why = (await explain(engine, "TEE-RED-M", "shop"))[0]
    # 24 + 24 in the ERP, 1 kept at each location, 2 ordered that the figure cannot contain, buffer 2.
    assert (why.total, why.pool) == (42, 44)
    assert [(at.target, at.held) for at in why.locations] == [(20, 20), (22, 20)]
    assert [step.value for step in why.steps] == ["24", "24", "− 1", "− 1", "− 2", "44", "− 2", "42"]
    assert why.steps[2].note == "set for channel shop"
    assert why.rule == "safety stock 1 (channel shop), buffer 2 (channel shop)"
    assert why.locations[0].last_write == "writing 20 succeeded"
    assert why.steps[0].at_ms == NOW_MS - MINUTE


async def test_a_kit_is_explained_by_its_parts(engine):
    engine.routes.recipes = Recipes({"GIFT": {"TEE-RED-M": 2, "MUG-01": 1}})
    engine.catalog.put("shop", Item("GIFT", "g9", "s9"))
    why = (await explain(engine, "GIFT", "shop"))[0]
    told = [(step.label, step.value) for step in why.steps]
    # 22 and 23 tees less one kept at each place; 2 and 2 mugs likewise: two kits at each place, less the buffer.
    assert told[:2] == [("erp says of TEE-RED-M, at 1", "24"), ("erp says of TEE-RED-M, at 2", "24")]
    assert ("Ordered: 551042", "− 2") in told
    assert ("Left of TEE-RED-M", "44") in told and ("Left of MUG-01", "4") in told
    assert told[-3:] == [("Enough for GIFT", "4"), ("Buffer", "− 2"), ("Shown in total", "2")]
    assert next(s for s in why.steps if s.label == "Enough for GIFT").note == (
        "whole ones of 2 × TEE-RED-M and 1 × MUG-01, at one location; the scarcest decides"
    )
    assert [at.target for at in why.locations] == [1, 1]


async def test_every_input_of_a_number_has_its_age_and_every_rule_its_level(engine):
    layers = [
        Layer(Level.NETWORK, {"buffer": percent(10), "floor": 3}),
        Layer(Level.LOCATION, {"safety_stock": 4}, "2"),
        Layer(Level.SKU, {"cap": 9, "share": Decimal("0.5"), "backorder": 2}, "TEE-RED-M"),
    ]
    stock = engine.routes.of(Flow.INVENTORY, sink="shop")[0]
    object.__setattr__(stock, "rules", Rules(layers))
    why = (await explain(engine, "TEE-RED-M", "shop"))[0]
    told = {step.label: (step.value, step.note) for step in why.steps}
    assert told["Safety stock, at 2"] == ("− 4", "set for location 2")
    assert told["May be sold below zero"] == ("+ 2", "of 2; set for SKU TEE-RED-M")
    assert told["Left in the pool"][0] == "44"  # 24 + 24 - 4 - 2 ordered + 2
    assert told["Share of 50 %"] == ("22", "set for SKU TEE-RED-M")
    assert told["Cap"] == ("9", "set for SKU TEE-RED-M")
    assert told["Buffer"] == ("− 5", "10 %; set for network")
    assert why.total == 4
    ordered = next(step for step in why.steps if step.label.startswith("Ordered"))
    assert ordered.at_ms == NOW_MS - 12 * MINUTE
    assert "safety stock 4 at 2 (location 2)" in why.rule and "0 below 3 (network)" in why.rule


async def test_what_one_location_owes_is_explained_where_the_others_answer_for_it(engine):
    stock = engine.routes.of(Flow.INVENTORY, sink="shop")[0]
    object.__setattr__(stock, "rules", Rules([Layer(Level.NETWORK, {"share_deficits": True})]))
    engine.routes.recipes = Recipes({"GIFT": {"TEE-RED-M": 2, "MUG-01": 1}})
    engine.catalog.put("shop", Item("GIFT", "g9", "s9"))
    owing = StockLevel("TEE-RED-M", "2", Decimal(3), Decimal(-10), Decimal(13), NOW_MS, NOW_MS)
    row = record("erp", Kind.STOCK, stock_key("TEE-RED-M", "2"), owing, NOW_MS) | {"version": 2}
    await engine.store.write(Write("record_put", [row]))
    why = (await explain(engine, "TEE-RED-M", "shop"))[0]
    assert [step.value for step in why.steps] == ["24", "-10", "− 10", "− 2", "12", "12"]
    assert why.steps[2] == Step("Promised at a location beyond its stock", "− 10", "set for network")
    assert why.rule == "what one location owes is taken off the others (network)"
    assert why.steps[2] in (await explain(engine, "GIFT", "shop"))[0].steps


async def test_an_auto_buffer_is_explained_by_whom_it_covers_and_for_how_long(engine):
    stock = engine.routes.of(Flow.INVENTORY, sink="shop")[0]
    object.__setattr__(stock, "rules", Rules([Layer(Level.NETWORK, {"buffer": AUTO_BUFFER})]))
    nothing = (await explain(engine, "TEE-RED-M", "shop"))[0]
    assert nothing.steps[-2] == Step(
        "Buffer",
        "− 0",
        "auto: nothing is known of sales that this number does not follow at once; set for network",
    )
    sales = [Sale(NOW_MS - n * MINUTE, 2) for n in reversed(range(600))]
    await engine.store.write(await engine.learner.learn([Sold("shop", "TEE-RED-M", sale) for sale in sales]))
    why = (await explain(engine, "TEE-RED-M", "shop"))[0]
    told = {step.label: (step.value, step.note) for step in why.steps}
    value, note = told["May be sold meanwhile: TEE-RED-M at shop"]  # this shop never lowers its own number
    assert re.fullmatch(r"\d\.\d+ on average", value)
    assert re.fullmatch(
        r"[\d.]+ an hour at present; a sale there is in the number here after 6 s: no time in its checkout, which is "
        r"seen, 1 s until it is known, 5 s until it is corrected",
        note,
    )
    buffer, note = told["Buffer"]
    assert note == "auto: more than that is sold meanwhile in 1 of 100 cases at most; set for network"
    assert 0 < int(buffer.removeprefix("− ")) == why.pool - why.total


async def test_an_order_is_known_by_its_event_or_by_the_next_read(engine):
    assert engine._order_detection_ms("shop") == 1_000
    engine._hears_events = False
    assert engine._order_detection_ms("shop") == 4 * MINUTE
    assert (
        engine._order_detection_ms("erp") == RECONCILE_INTERVAL_MS
    )  # it sells nothing that we would hear of


async def test_what_a_shop_takes_off_by_itself_is_explained(engine):
    shop = engine.systems["shop"]
    known = replace(shop.capabilities, stock_contract=SOURCE_QUANTITY_ADD_BACK_OPEN_LINES)
    engine.systems["shop"] = replace(shop, capabilities=known)
    await engine.store.write(
        Write(
            "demand_want",
            [
                {
                    "channel": "shop",
                    "order_key": "9",
                    "line_id": "l",
                    "location": "1",
                    "sku": "TEE-RED-M",
                    "quantity": 3,
                    "taken": 1,
                }
            ],
        )
    )
    why = (await explain(engine, "TEE-RED-M", "shop"))[0]
    assert [(s.label, s.value) for s in why.steps[-2:]] == [
        ("Added back: its own open orders", "+ 2"),
        ("Written in total", f"{why.total + 2}"),
    ]
    assert sum(at.target for at in why.locations) == why.total + 2


async def test_no_number_is_explained_too(engine):
    assert "does not sell" in (await explain(engine, "NO-SUCH", "shop"))[0].sentence
    assert await explain(engine, "MUG-01", "erp") == []  # nothing brings stock there
    engine.routes.recipes = Recipes({"GIFT": {"MUG-01": 1, "TRAY": 1}})
    engine.catalog.put("shop", Item("GIFT", "g9", "s9"))
    assert "no figure for TRAY yet" in (await explain(engine, "GIFT", "shop"))[0].sentence


@pytest.mark.parametrize(
    "query", ["#1042", "1042", "551042", "shop-551042", "SHOP-551042", "88123", "  #1042 "]
)
async def test_an_order_is_found_by_every_name_it_has(engine, query):
    lives = await search(engine, query)
    assert [life.title for life in lives] == ["Order #1042"]
    moments = lives[0].moments
    assert [m.at_ms for m in moments] == sorted(m.at_ms for m in moments)
    assert [m.what for m in moments] == [
        "Placed by the buyer",
        "Order received as an event",
        "Order received as an event",
        "Order received by reading it",
        "Write an order: succeeded (700 ms)",
        "Orders landed 4.2 s after the change, tolerance 10 s",
    ]


async def test_a_refusal_is_told_in_the_vendors_words(engine):
    at = {"system": "erp", "operation": "put_order", "key": "551042\x1f1"}
    await engine.store.write(
        Write(
            "intent_put",
            [{"id": "z", "system": "erp", "operation": "put_order", "items": "{}", "now_ms": NOW_MS}],
        ),
        Write(
            "attempt_put",
            [
                {
                    "intent": "z",
                    **at,
                    "generation": 1,
                    "result": "rejected",
                    "message": "Invalid tax code\x1b[2J\r\nFAKE",
                    "now_ms": NOW_MS,
                }
            ],
        ),
    )
    last = (await search(engine, "1042"))[0].moments[-1]
    assert (last.tone, last.detail) == ("bad", "Invalid tax code [2J  FAKE")


@pytest.mark.parametrize(
    "query", ["", " ", "no such thing", "\x1f", "%", "'; DROP TABLE record; --", "a" * 10_000]
)
async def test_what_is_unknown_is_not_found(engine, query):
    assert await search(engine, query) == []


async def test_a_sku_is_found_in_lower_case(engine):
    life = (await search(engine, "tee-red-m"))[0]
    assert (life.title, life.channels) == ("SKU TEE-RED-M", ("shop",))
