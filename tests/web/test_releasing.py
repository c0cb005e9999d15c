"""Releasing many parked entries at once: which, how many, under whose name, and what came of each kind."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from tests.web.records import park
from tests.web.support import MINUTE, Client, make_site, park_many, park_message, park_order
from typer.testing import CliRunner

from syncline.cli import app, operate
from syncline.engine import releasing
from syncline.engine.operations import NotPossible
from syncline.engine.releasing import RELEASE_MAX, alone, release_many
from syncline.model.delivery import Operation
from syncline.model.errors import Rejected, Retryable
from syncline.ports import Write

MANY = {"operation": "put_order", "reason": "unknown_sku"}


@pytest.fixture
async def site():
    return await make_site()


@pytest.fixture
def operator(site):
    return Client(site.app, site.tokens["operator"])


async def release(site, by="Otto", **asked):
    return await release_many(site.operations, site.engine, by=by, **asked)


async def states(site, operation="put_order", system="erp") -> list[str]:
    rows = site.store._connection.execute(
        "SELECT state FROM delivery WHERE system = ? AND operation = ?", (system, operation)
    )
    return sorted(row[0] for row in rows)


async def count_of(site, reason: str) -> int:
    return sum(row[3] for row in await site.store.read("parked_groups") if row[2] == reason)


# --- what is released ---------------------------------------------------------------------------------------


async def test_all_of_one_reason_go_on_and_each_is_recorded_under_the_name(site, operator):
    await park_many(site.engine, 5)
    message = await park_message(site.engine)
    before = len(await site.operations.audit.newest(limit=500))
    done = (await operator.post("/v1/parked/release", {"reason": "unknown_sku"})).json()
    assert (done["count"], done["left"]) == (5, 0)
    assert done["message"] == "5 entries released; they go on by themselves."
    assert done["kinds"] == [
        {
            "system": "erp",
            "operation": "put_order",
            "title": "Could not write an order",
            "reason": "unknown_sku",
            "released": 5,
            "kept": {},
            "left": 0,
        }
    ]
    assert (await states(site)).count("available") == 5
    assert (await site.operations.show(message)).resolved_at_ms is None
    entries = await site.operations.audit.newest(limit=500)
    new = entries[: len(entries) - before]
    assert [(one.actor, one.action) for one in new] == [("Otto", "release")] * 5 + [("Otto", "release many")]
    assert (new[-1].subject, new[-1].before) == ("parked: unknown_sku", "5 entries")
    assert (await site.operations.audit.verify()).holds


async def test_a_call_is_bounded_and_the_next_goes_on(site):
    await park_many(site.engine, RELEASE_MAX + 3)
    first = await release(site, **MANY)
    assert (first.count, first.left) == (RELEASE_MAX, 3)
    assert first.message == "200 entries released; they go on by themselves. 3 of this kind are still parked."
    oldest = site.store._connection.execute("SELECT key FROM parked WHERE resolved_at_ms IS NULL ORDER BY id")
    assert [row[0].split("\x1f")[0] for row in oldest] == ["201", "202", "203"]
    second = await release(site, **MANY)
    assert (second.count, second.left) == (3, 0)


async def test_a_call_that_takes_long_ends_with_what_is_done(site, monkeypatch):
    await park_many(site.engine, 9)
    plain = site.operations.release

    async def slow(number, *, by):
        site.clock.at_ms += 4_000
        return await plain(number, by=by)

    monkeypatch.setattr(site.operations, "release", slow)
    done = await release(site, **MANY)
    assert (done.count, done.left) == (4, 5)


async def test_what_was_parked_after_somebody_looked_stays(site):
    await park_many(site.engine, 4)
    until_ms = site.clock.now_ms() - MINUTE
    done = await release(site, until_ms=until_ms, **MANY)
    assert (done.count, done.left) == (3, 1)


async def test_only_what_is_named_is_released(site):
    await park_many(site.engine, 2)
    await park(
        site.engine, "set_stock", "MUG-01\x1fL1", "inventory:erp->shop", "stale", "changed under us", MINUTE
    )
    await park(site.engine, "set_stock", "MUG-01\x1fL2", "inventory:erp->shop", "gave_up", "no luck", MINUTE)
    done = await release(site, operation="set_stock", reason="stale")
    assert [(one.reason, one.released) for one in done.kinds] == [("stale", 1)]
    done = await release(site, operation="set_stock", system="shop")
    assert [(one.reason, one.released) for one in done.kinds] == [("gave_up", 1)]
    with pytest.raises(NotPossible, match="Nothing is parked"):
        await release(site, reason="unknown_sku", system="shop")
    assert await count_of(site, "unknown_sku") == 2


async def test_messages_are_taken_in_again(site):
    number = await park_message(site.engine)
    ((_, operation, reason, *_),) = await site.store.read("parked_groups")
    done = await release(site, operation=operation, reason=reason)
    assert done.message == "1 entry released; it goes on by itself."
    assert (await site.operations.show(number)).resolved_by == "Otto"


# --- what is not ------------------------------------------------------------------------------------------------


async def test_everything_at_once_is_not_asked_for_by_naming_nothing(site, operator):
    await park_many(site.engine, 2)
    answer = await operator.post("/v1/parked/release", {"system": "erp"})
    assert (answer.status, answer.json()["error"]["code"]) == (422, "too_much")
    assert (await operator.post("/v1/parked/release", {"reason": "unknown_sku", "all": True})).status == 400
    assert await count_of(site, "unknown_sku") == 2


@pytest.mark.parametrize(
    ("operation", "reason"),
    [("set_price", "price_jump"), ("set_price", "price_zero"), ("snapshot", "snapshot_cut"), ("apply", "ends_the_process"),
     ("vanished_location", "location_vanished"), ("create_shipment", "restored"), ("compare_total", "total_differs")],
)  # fmt: skip
async def test_guard_rails_are_decided_one_by_one(site, operator, operation, reason):
    row = {
        "system": "shop",
        "operation": operation,
        "key": "A",
        "reason": reason,
        "detail": "x",
        "payload": "",
        "now_ms": 1,
    }
    await site.store.write(Write("parked_put", [row]))
    answer = await operator.post("/v1/parked/release", {"reason": reason})
    assert (answer.status, answer.json()["error"]["code"]) == (409, "one_by_one")
    assert await count_of(site, reason) == 1
    assert (
        "Release all"
        not in (await operator.get(f"/parked?system=shop&operation={operation}&reason={reason}")).text
    )


async def test_a_call_that_may_have_taken_effect_is_not_sent_again_unlooked_at(site):
    operations = site.engine.systems["shop"].sink.operations
    for rules, has_to in (
        (Operation("create_shipment"), True),
        (Operation("create_shipment", look_up=True), False),
        (Operation("create_shipment", sets=True), False),
        (Operation("create_shipment", retry_same_key_ms=1), False),
    ):
        operations["create_shipment"] = rules
        assert alone(site.engine, "shop", "create_shipment", "rejected") is has_to
        assert alone(site.engine, "shop", "create_shipment", "gave_up") is False
    assert alone(site.engine, "gone", "create_shipment", "rejected")
    assert not alone(site.engine, "erp", "put_order", "rejected")


async def test_of_a_reason_what_has_to_be_decided_one_by_one_stays_and_is_told(site):
    await park_order(site.engine)
    row = {
        "system": "shop",
        "operation": "create_shipment",
        "key": "A",
        "reason": "rejected",
        "detail": "",
        "payload": "",
        "now_ms": 1,
    }
    site.store._connection.execute("UPDATE parked SET reason = 'rejected'")
    await site.store.write(Write("parked_put", [row]))
    done = await release(site, reason="rejected")
    assert [(one.operation, one.released, one.kept, one.left) for one in done.kinds] == [
        ("put_order", 1, {}, 0),
        ("create_shipment", 0, {releasing.ALONE: 1}, 1),
    ]
    assert "1: has to be decided one by one." in done.message


async def test_entries_that_cannot_be_released_are_told_by_their_reason_and_the_others_go_on(
    site, monkeypatch
):
    await park_many(site.engine, 4)
    plain, calls = site.operations.release, []

    async def sometimes(number, *, by):
        calls.append(number)
        if len(calls) == 2:
            raise NotPossible("moved_on", "It moved on.")
        return await plain(number, by=by)

    monkeypatch.setattr(site.operations, "release", sometimes)
    done = await release(site, **MANY)
    assert (done.count, done.left, done.kinds[0].kept) == (3, 1, {"it moved on meanwhile": 1})
    assert done.message.endswith("1 of this kind is still parked. 1: it moved on meanwhile.")


async def test_a_store_that_fails_ends_the_call_and_what_was_done_is_told(site, monkeypatch):
    await park_many(site.engine, 4)
    plain, calls = site.operations.release, []

    async def sometimes(number, *, by):
        calls.append(number)
        if len(calls) == 3:
            raise Retryable("the disk is full")
        return await plain(number, by=by)

    monkeypatch.setattr(site.operations, "release", sometimes)
    done = await release(site, **MANY)
    assert (done.count, done.left, len(calls)) == (2, 2, 3)
    assert done.kinds[0].kept == {"the disk is full": 1}


async def test_two_who_release_the_same_at_once_release_each_entry_once(site, monkeypatch):
    await park_many(site.engine, 6)
    plain, both = releasing._numbers, asyncio.Barrier(2)

    async def together(*of):
        numbers = await plain(*of)
        await both.wait()
        return numbers

    monkeypatch.setattr(releasing, "_numbers", together)
    one, other = await asyncio.gather(release(site, **MANY), release(site, by="Ada", **MANY))
    assert one.count + other.count == 6
    assert sum(sum(done.kinds[0].kept.values()) for done in (one, other)) == 6
    released = [e for e in await site.operations.audit.newest(limit=500) if e.action == "release"]
    assert len({entry.subject for entry in released}) == len(released) == 6


# --- on the page ------------------------------------------------------------------------------------------------


async def test_the_page_offers_it_for_one_kind_to_operators(site, operator):
    await park_many(site.engine, 3)
    await park_message(site.engine)
    kind = "/parked?system=erp&operation=put_order&reason=unknown_sku"
    page = (await operator.get(kind)).text
    assert "Release all 3…" in page and "3 entries that wait at erp because of “unknown sku”" in page
    assert "Release all" not in (await operator.get("/parked")).text
    assert "Release all" not in (await Client(site.app, site.tokens["viewer"]).get(kind)).text
    fields = re.findall(r'name="(system|operation|reason|until_ms)" value="([^"]+)"', page)
    form = "&".join(f"{name}={value}" for name, value in fields)
    answer = await operator.post("/parked/release", form.encode())
    assert answer.status == 200 and "3 entries released; they go on by themselves." in answer.text
    assert "Nothing of this is parked any more." in answer.text
    assert (await states(site)).count("available") == 3


async def test_a_page_offers_no_more_than_a_call_releases(site, operator):
    await park_many(site.engine, RELEASE_MAX + 41)
    page = (await operator.get("/parked?system=erp&operation=put_order&reason=unknown_sku")).text
    assert "Release the oldest 200 of 241…" in page and "Yes, release 200" in page


# --- by the command ---------------------------------------------------------------------------------------------


@pytest.fixture
def service(monkeypatch):
    """What was asked of the service, which has three parked entries."""
    asked: list = []
    groups = [
        {"system": "erp", "operation": "put_order", "reason": "unknown_sku", "count": 2},
        {"system": "shop", "operation": "set_price", "reason": "rejected", "count": 1},
    ]
    kind = {
        "title": "Could not write an order",
        "system": "erp",
        "reason": "unknown_sku",
        "released": 2,
        "left": 0,
    }

    def call(config, method, path, body=None):
        asked.append((method, path, body))
        if path == "/v1/status":
            return {"parked_groups": groups, "now_ms": 77}
        return {
            "message": "2 entries released.",
            "count": 2,
            "left": 0,
            "kinds": [{**kind, "kept": {"it moved on": 1}}],
        }

    monkeypatch.setattr(operate, "call", call)
    return asked


def run(*arguments, **more):
    return CliRunner().invoke(app, ["parked", "release", *arguments], **more)


def test_the_command_says_how_many_and_asks_once(service):
    result = run("--kind", "put_order", input="y\n")
    assert "2 parked of put_order. Release them? [y/N]" in result.output
    assert "Could not write an order of erp, unknown_sku: 2 released, 0 still parked" in result.output
    assert "1: it moved on" in result.output and result.exit_code == 0
    body = {"operation": "put_order", "reason": "", "system": "", "until_ms": 77}
    assert service[-1] == ("POST", "/v1/parked/release", body)


def test_the_command_releases_nothing_unless_it_is_told_yes(service):
    for answer in ("n\n", "", "\n"):
        assert run("--reason", "rejected", input=answer).exit_code == 1
    refused = run("--reason", "rejected", "--json")
    assert isinstance(refused.exception, Rejected) and "--yes" in str(refused.exception)
    assert refused.stdout == ""
    assert [path for _, path, _ in service if path != "/v1/status"] == []
    assert json.loads(run("--reason", "rejected", "--yes", "--json").output)["count"] == 2


def test_where_nothing_is_parked_of_a_kind_nobody_is_asked_and_the_service_says_so(service):
    result = run("--kind", "put_oder")
    assert "Release them?" not in result.output
    assert service[-1][1] == "/v1/parked/release"


@pytest.mark.parametrize(
    "arguments", [(), ("3", "--reason", "rejected"), ("3", "--kind", "apply"), ("--system", "erp")]
)
def test_the_command_wants_one_entry_or_a_kind(service, arguments):
    error = run(*arguments).exception
    assert isinstance(error, Rejected) and "--kind or --reason" in str(error)
    assert service == []
