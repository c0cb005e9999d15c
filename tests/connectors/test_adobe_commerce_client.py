"""What is special to Adobe Commerce: its credentials, its words, its batches, its queue, its parcels."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import oauthlib.oauth1
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connectors.adobe_opened import ADMIN, OAUTH, opened, parcel, put, settings
from tests.connectors.adobe_world import ORIGIN, World, run

from syncline.connectors.adobe_commerce.client import Problem, words_of
from syncline.model.copying import replace
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import AuthExpired, Misconfigured
from syncline.model.payloads import CreateShipment, ReadStock
from syncline.ports import Request, Response
from syncline.sdk.oauth1 import Keys, authorization

# --- settings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"base_url": "shop.example.com"}, "base_url"),
        ({"base_url": "http://shop.example.com"}, "base_url"),
        ({"base_url": "https://shop.example.com/rest"}, "base_url"),
        ({"base_url": "https://a:b@shop.example.com"}, "base_url"),
        ({"consumer_secret": ""}, "consumer_secret"),
        ({"auth": "admin"}, "admin_user"),
        ({"auth": "bearer", "access_token": ""}, "access_token"),
        ({"store": "all/V1"}, "store"),
        ({"stock_items_max": 0}, "stock_items_max"),
        ({"page_size": 301}, "page_size"),
        ({"orders_since": "2026-01-01"}, "orders_since"),
        ({"carrier_code": "Federal Express"}, "carrier_code"),
        ({"event_public_keys": ("x",)}, "event_client_id"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(more, field):
    with pytest.raises(Misconfigured, match=field):
        settings(**more)


def test_a_key_that_is_none_is_refused_at_the_start():
    async def story(world: World) -> None:
        with pytest.raises(Misconfigured, match="event_public_keys"):
            opened(world, event_public_keys=("no key",), event_client_id="x")

    run(story)


def test_settings_show_no_secret():
    shown = repr(settings(**{**ADMIN, "auth": "oauth"}))
    assert "***" in shown and ORIGIN in shown
    assert not [secret for secret in (*OAUTH.values(), ADMIN["admin_password"]) if secret in shown]


# --- credentials -------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=8)), max_size=5),
    st.sampled_from(["GET", "POST"]),
)
def test_we_sign_as_oauthlib_does(pairs, method):
    from urllib.parse import quote

    query = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in pairs if k.isprintable())
    url = f"{ORIGIN}/rest/all/V1/orders"
    keys = Keys(
        *(OAUTH[name] for name in ("consumer_key", "consumer_secret", "access_token", "access_token_secret"))
    )
    whole = f"{url}?{query}" if query else url
    ours = authorization(keys, method, whole, timestamp_s=1_782_896_400, nonce="abc")
    client = oauthlib.oauth1.Client(
        OAUTH["consumer_key"],
        client_secret=OAUTH["consumer_secret"],
        resource_owner_key=OAUTH["access_token"],
        resource_owner_secret=OAUTH["access_token_secret"],
        signature_method=oauthlib.oauth1.SIGNATURE_HMAC_SHA256,
        timestamp="1782896400",
        nonce="abc",
    )
    theirs = client.sign(whole, http_method=method)[1]["Authorization"]

    def parts(header: str) -> set[str]:
        return set(header.removeprefix("OAuth ").split(", "))

    assert parts(ours) == parts(theirs)


def test_every_call_has_a_nonce_of_its_own():
    async def story(world: World) -> None:
        system, wire = opened(world)
        for _ in range(5):
            assert (await system.sink.deliver("set_stock", [put("A", 3)], "k"))[0].result is Result.DONE
        assert len({request.headers["authorization"] for request in wire.sent}) == 5
        assert not world.shop.ledger.breaches

    run(story)


def test_an_administrators_token_is_renewed_when_it_ends_and_when_it_is_refused():
    async def story(world: World) -> None:
        system, _ = opened(world, **ADMIN)

        async def set_to(quantity: int) -> Outcome:
            return (await system.sink.deliver("set_stock", [put("A", quantity)], "k"))[0]

        def tokens() -> int:
            return world.shop.ledger.calls_by_operation["POST integration/admin/token"]

        assert (await set_to(3)).result is Result.DONE
        assert (await set_to(4)).result is Result.DONE and tokens() == 1
        await world.clock.sleep(4 * 3600)
        assert (await set_to(5)).result is Result.DONE and tokens() == 2
        assert not world.shop.ledger.breaches, "a token was used after its end"
        world.shop.credentials.forget_tokens()
        assert (await set_to(6)).result is Result.DONE and tokens() == 3
        world.shop.credentials.admins.clear()
        world.shop.credentials.forget_tokens()
        with pytest.raises(AuthExpired, match="admin_user"):
            await set_to(7)
        assert world.shop.quantity("A", "default") == 6

    run(story)


def test_a_missing_permission_is_named():
    async def story(world: World) -> None:
        system, _ = opened(world)
        world.shop.denied.add("Magento_InventoryApi::stock_source_item_assign")
        with pytest.raises(AuthExpired, match="Magento_InventoryApi::stock_source_item_assign"):
            await system.sink.deliver("set_stock", [put("A", 3)], "k")
        other, _ = opened(world, access_token="another")
        with pytest.raises(AuthExpired, match="Specified token does not exist"):
            await other.sink.deliver("set_stock", [put("A", 3)], "k")

    run(story)


# --- words -------------------------------------------------------------------------------------------------


def test_placeholders_are_filled_by_name_and_by_number():
    assert words_of(Problem("Invalid %1 of %2", ["a", 7])) == "Invalid a of 7"
    assert words_of(Problem("%10 and %1", [*"abcdefghi", "j"])) == "j and a"
    inside = ({"message": '"%field" can not be empty.', "parameters": {"field": "sku"}},)
    assert (
        words_of(Problem("Validation Failed", None, inside)) == 'Validation Failed; "sku" can not be empty.'
    )
    assert words_of(Problem("No %fieldName", {"fieldName": "x\n\x00y"})) == "No x y"


@pytest.mark.parametrize(
    ("answer", "reading", "writing"),
    [
        (Response(500, {}, b'{"message":"Internal Error."}'), Result.NOT_SENT, Result.UNKNOWN),
        (Response(503, {}, b"<h1>503 Backend fetch failed</h1>"), Result.NOT_SENT, Result.UNKNOWN),
        (Response(200, {}, b"<html>Maintenance</html>"), Result.NOT_SENT, Result.UNKNOWN),
        (Response(400, {}, b"<html>Blocked</html>"), Result.NOT_SENT, Result.UNKNOWN),
        (Response(400, {}, b'{"message":"No."}'), Result.REJECTED, Result.REJECTED),
        (
            Response(404, {}, b'{"message":"Request does not match any route."}'),
            Result.NOT_SENT,
            Result.NOT_SENT,
        ),
        (Response(302, {"location": "https://x"}, b""), Result.NOT_SENT, Result.NOT_SENT),
        (Response(429, {}, b"slow"), Result.THROTTLED, Result.THROTTLED),
    ],
)
def test_answers_are_sorted_by_what_happens_next(answer, reading, writing):
    async def story(world: World) -> None:
        system, wire = opened(world)

        async def between(request: Request, send: Any) -> Response:
            return answer

        wire.between = between
        read = Item("A", ReadStock("A", "A", "default"))
        assert (await system.sink.deliver("read_stock", [read], "k"))[0].result is reading
        await world.clock.sleep(10)
        assert (await system.sink.deliver("set_stock", [put("A", 3)], "k"))[0].result is writing

    run(story)


# --- stock -------------------------------------------------------------------------------------------------


def test_the_one_bad_row_of_a_batch_is_found_by_halving():
    async def story(world: World) -> None:
        system, _ = opened(world)
        for n in range(17):
            world.shop.add_product(f"N{n}", "N", Decimal(1), {"default": 1})
        items = [put(f"N{n}", 9, "mars" if n == 11 else "default") for n in range(17)]
        outcomes = await system.sink.deliver("set_stock", items, "k")
        assert [n for n, outcome in enumerate(outcomes) if outcome.result is not Result.DONE] == [11]
        assert outcomes[11].result is Result.REJECTED and "Could not save" in outcomes[11].message
        assert [world.shop.quantity(f"N{n}", "default") for n in range(17)] == [9] * 11 + [1] + [9] * 5
        assert sum(call.status == 400 for call in world.shop.ledger.calls) <= 6, (
            "log2 of the batch, and the one twice"
        )

    run(story)


def test_a_shop_with_limits_teaches_how_many_rows_it_takes():
    async def story(world: World) -> None:
        system, _ = opened(world, stock_items_max=64)
        items = [put("A", n, expected=0) for n in range(64)]
        assert {o.result for o in await system.sink.deliver("set_stock", items, "k")} == {Result.DONE}
        refused = sum(call.status == 400 for call in world.shop.ledger.calls)
        assert refused
        assert {o.result for o in await system.sink.deliver("set_stock", items, "k")} == {Result.DONE}
        assert sum(call.status == 400 for call in world.shop.ledger.calls) == refused, "nothing was learned"
        assert world.shop.quantity("A", "default") == 63, "the rows are written in their order"

    run(story, input_limits=True)


def test_the_flag_goes_with_the_number():
    async def story(world: World) -> None:
        system, _ = opened(world)
        await system.sink.deliver("set_stock", [put("B", 0)], "k")
        assert world.shop.state.source_items["B", "default"].status == 0
        await system.sink.deliver("set_stock", [put("B", 7)], "k")
        assert world.shop.state.source_items["B", "default"].status == 1 and world.shop.salable("B") == 7

    run(story)


def test_a_product_that_is_not_assigned_to_a_source_says_how_to_mend_it():
    async def story(world: World) -> None:
        system, _ = opened(world)
        world.shop.add_product("LONE", "Lone", Decimal(1), {"leeds": 3})
        wanted = [("LONE", "default"), ("LONE", "leeds"), ("A", "leeds"), ("", "leeds"), ("A", "le eds")]
        items = [Item(f"{sku} {at}", ReadStock(sku, sku, at)) for sku, at in wanted]
        told = await system.sink.deliver("read_stock", items, "k")
        assert [outcome.result.value for outcome in told] == [
            "rejected",
            "done",
            "done",
            "rejected",
            "rejected",
        ]
        assert "Assign Sources" in told[0].message
        assert (told[1].facts["held"], told[2].facts["held"]) == (3, 20)

    run(story)


def test_a_reading_never_asks_for_more_than_an_address_can_carry():
    async def story(world: World) -> None:
        system, _ = opened(world, stock_items_max=200)
        skus = [f"{'long ' * 12}{n}{', red' * (n % 2)}" for n in range(200)]
        for n, sku in enumerate(skus):
            world.shop.add_product(sku, sku, Decimal(1), {"default": n})
        items = [Item(sku, ReadStock(sku, sku, "default")) for sku in skus]
        told = await system.sink.deliver("read_stock", items, "k")
        assert [outcome.facts["held"] for outcome in told] == list(range(200))
        assert not world.shop.ledger.breaches
        assert world.shop.ledger.calls_by_operation["GET inventory/source-items"] > 3

    run(story)


def test_what_became_of_a_queued_number_is_asked_of_the_queue():
    async def story(world: World) -> None:
        system, _ = opened(world, stock_writes="bulk")
        assert system.capabilities.applies_after_ms == 120_000
        good, bad = put("A", 3), put("B", 3, "mars")
        outcomes = await system.sink.deliver("set_stock", [good, bad], "k")
        assert [outcome.result for outcome in outcomes] == [Result.ACCEPTED] * 2
        assert await system.sink.look_up("set_stock", good) is None, "it waits in the queue"
        await world.clock.sleep(60)
        done, refused = [await system.sink.look_up("set_stock", item) for item in (good, bad)]
        assert done is not None and done.result is Result.DONE
        assert refused is not None and refused.result is Result.REJECTED
        assert "Could not save Source Item" in refused.message
        other, _ = opened(world, stock_writes="bulk")
        assert await other.sink.look_up("set_stock", good) is None, "another process knows of no call"

    run(story)


@pytest.mark.parametrize("ids", [(0, 2), (70, 71)])
def test_an_operation_is_found_by_its_place_or_by_the_databases_id(ids):
    """Versions differ; an entry that was rejected is no operation."""

    async def story(world: World) -> None:
        system, wire = opened(world, stock_writes="bulk")
        statuses = ("accepted", "rejected", "accepted")

        async def answer(request: Request, send: Any) -> Response:
            if request.method == "POST":
                rows = [
                    {"id": n, "status": status, "error_message": "No."} for n, status in enumerate(statuses)
                ]
                return Response(202, {}, json.dumps({"bulk_uuid": "u", "request_items": rows}).encode())
            ops = [{"id": ids[0], "status": 3, "result_message": "Bad."}, {"id": ids[1], "status": 1}]
            return Response(200, {}, json.dumps({"operations_list": ops[::-1]}).encode())

        wire.between = answer
        items = [put(sku, 3) for sku in "ABC"]
        outcomes = await system.sink.deliver("set_stock", items, "k")
        assert [o.result.value for o in outcomes] == ["accepted", "rejected", "accepted"]
        first, second, third = [await system.sink.look_up("set_stock", item) for item in items]
        assert first is not None and first.result is Result.REJECTED and "Bad." in first.message
        assert second is None and third is not None and third.result is Result.DONE

    run(story)


def test_a_deadlock_in_the_queue_is_tried_again():
    async def story(world: World) -> None:
        system, _ = opened(world, stock_writes="bulk")
        world.shop.bulk.deadlock_rate = 1.0
        await system.sink.deliver("set_stock", [put("A", 3)], "k")
        await world.clock.sleep(60)
        told = await system.sink.look_up("set_stock", put("A", 3))
        assert told is not None and told.result is Result.RETRY

    run(story)


@pytest.mark.parametrize("many", [False, True])
def test_a_row_that_was_locked_for_a_moment_is_not_refused_for_good(many):
    async def story(world: World) -> None:
        system, _ = opened(world)
        world.shop.lock_waits = 1
        items = [put("A", 3), put("B", 4)][: 1 + many]
        told = await system.sink.deliver("set_stock", items, "k")
        assert {outcome.result for outcome in told} == {Result.DONE}
        assert world.shop.quantity("A", "default") == 3
        (unknown,) = await system.sink.deliver("set_stock", [put("A", 3, "mars")], "k")
        assert unknown.result is Result.REJECTED

    run(story)


def test_an_entry_that_was_not_queued_is_refused_alone():
    async def story(world: World) -> None:
        system, _ = opened(world, stock_writes="bulk", stock_items_max=20)
        world.shop.bulk.reject_rate = 0.5
        items = [put(sku, n + 1, at) for n, sku in enumerate("ABC") for at in ("default", "leeds")]
        outcomes = await system.sink.deliver("set_stock", items, "k")
        told = {outcome.result for outcome in outcomes}
        assert told == {Result.ACCEPTED, Result.REJECTED}
        assert world.shop.bulk.undone() == sum(outcome.result is Result.ACCEPTED for outcome in outcomes)
        await world.clock.sleep(60)
        for item, outcome in zip(items, outcomes, strict=True):
            ended = await system.sink.look_up("set_stock", item)
            assert (ended is not None and ended.result is Result.DONE) == (outcome.result is Result.ACCEPTED)

    run(story)


def test_a_bulk_call_that_is_refused_may_have_been_taken_in_part():
    """As the first versions with a bulk API do."""

    async def story(world: World) -> None:
        system, wire = opened(world, stock_writes="bulk")

        async def spoil(request: Request, send: Any) -> Response:
            body = json.dumps(json.loads(request.body)[:1]).encode()
            await send(Request(request.method, request.url, request.headers, body))
            words = b'{"message": "Error processing %key element of input data", "parameters": {"key": 1}}'
            return Response(400, {}, words)

        wire.between = spoil
        outcomes = await system.sink.deliver("set_stock", [put("A", 3), put("B", 3)], "k")
        assert [outcome.result for outcome in outcomes] == [Result.UNKNOWN] * 2
        await world.clock.sleep(60)
        assert (world.shop.quantity("A", "default"), world.shop.quantity("B", "default")) == (3, 50)

    run(story)


# --- shipments ---------------------------------------------------------------------------------------------


def test_a_parcel_lowers_the_source_that_it_left_from_and_tells_its_number():
    async def story(world: World) -> None:
        system, _ = opened(world, carrier_code="ups")
        key = world.buy(("A", 7), ("B", 2))
        item = parcel(key, ("A", "leeds", 5), ("A", "default", 2), ("B", "default", 2))
        (outcome,) = await system.sink.deliver("create_shipment", [item], "k")
        assert outcome.result is Result.DONE and outcome.facts["external_id"] == "1,2"
        assert world.shop.quantity("A", "leeds") == 15 and world.shop.quantity("A", "default") == 3
        assert world.shop.quantity("B", "default") == 48
        shipments = await world.search("shipments", order_id=key)
        tracks = [(t["track_number"], t["title"], t["carrier_code"]) for s in shipments for t in s["tracks"]]
        assert tracks == [("1Z", "UPS", "ups")] * 2
        (again,) = await system.sink.deliver("create_shipment", [item], "another")
        assert again.facts == outcome.facts and len(world.shop.orders[key].shipments) == 2

    run(story)


def test_shipments_are_looked_through_only_where_something_of_the_order_has_left():
    async def story(world: World) -> None:
        system, wire = opened(world)
        key = world.buy(("A", 7))
        asked: list[str] = []

        async def note(request: Request, send: Any) -> Response:
            asked.append(f"{request.method} {request.url.split('?')[0].rsplit('/V1/', 1)[1]}")
            return await send(request)

        wire.between = note
        first = parcel(key, ("A", "leeds", 5))
        sent = replace(first.payload.shipment, key="if-2", tracking=("2Z",))
        second = Item(str(key), CreateShipment(str(key), sent, (("A", "leeds", 2),)))
        order, look, ship = f"GET orders/{key}", "GET shipments", f"POST order/{key}/ship"
        for item, calls in (
            (first, [order, ship]),
            (first, [order, look]),  # again, as after a lost answer: nothing is shipped twice
            (second, [order, look, ship]),
        ):
            asked.clear()
            (outcome,) = await system.sink.deliver("create_shipment", [item], "k")
            assert outcome.result is Result.DONE
            assert asked == calls
        assert [len(s.lines) for s in world.shop.orders[key].shipments] == [1, 1]

    run(story)


def test_what_is_missing_of_a_parcel_is_made_and_nothing_twice():
    async def story(world: World) -> None:
        system, wire = opened(world)
        key = world.buy(("A", 7))
        item = parcel(key, ("A", "leeds", 5), ("A", "default", 2), tracking=())
        posts = 0

        async def second_fails(request: Request, send: Any) -> Response:
            nonlocal posts
            posts += request.method == "POST"
            fails = request.method == "POST" and posts == 2
            return Response(500, {}, b'{"message":"x"}') if fails else await send(request)

        wire.between = second_fails
        (outcome,) = await system.sink.deliver("create_shipment", [item], "k")
        assert outcome.result is Result.UNKNOWN
        assert await system.sink.look_up("create_shipment", item) is None
        (outcome,) = await system.sink.deliver("create_shipment", [item], "k2")
        assert outcome.result is Result.DONE
        assert [s.source for s in world.shop.orders[key].shipments] == ["leeds", "default"]

    run(story)


@pytest.mark.parametrize(
    ("act", "lines", "result", "words"),
    [
        (lambda w, o: w.shop.sales.cancel(o), [("A", "leeds", 2)], Result.REJECTED, "0 of 2 units of A"),
        (lambda w, o: None, [("A", "leeds", 8)], Result.REJECTED, "7 of 8 units of A"),
        (lambda w, o: None, [("C", "leeds", 1)], Result.REJECTED, "0 of 1 units of C"),
        (lambda w, o: None, [("A", "", 1)], Result.REJECTED, "has no source"),
        (
            lambda w, o: w.shop.sales.hold(o),
            [("A", "leeds", 1)],
            Result.REJECTED,
            "does not allow a shipment",
        ),
        (
            lambda w, o: w.shop.set_quantity("A", "leeds", 1),
            [("A", "leeds", 2)],
            Result.NOT_SENT,
            "too few units",
        ),
    ],
)
def test_a_parcel_that_cannot_be_told_says_why(act, lines, result, words):
    async def story(world: World) -> None:
        system, _ = opened(world)
        key = world.buy(("A", 7))
        act(world, world.shop.orders[key])
        (outcome,) = await system.sink.deliver("create_shipment", [parcel(key, *lines)], "k")
        assert outcome.result is result and words in outcome.message, outcome
        assert not world.shop.orders[key].shipments

    run(story)


def test_a_parcel_for_an_order_that_is_not_there_is_refused():
    async def story(world: World) -> None:
        system, _ = opened(world)
        for key in ("99", "1 or 1", ""):
            item = Item(key, CreateShipment(key, parcel(1).payload.shipment, (("A", "leeds", 1),)))
            (outcome,) = await system.sink.deliver("create_shipment", [item], "k")
            assert outcome.result is Result.REJECTED, outcome

    run(story)
