"""The API, the metrics, and the stream of live parts."""

from __future__ import annotations

import asyncio
import html
import itertools
import json
import re
from types import SimpleNamespace
from urllib.parse import urlencode

import msgspec
import pytest
from starlette.requests import Request
from tests.web.support import Client, make_site, park_message, park_order, trouble

from syncline.engine.status import Status
from syncline.model.errors import Retryable
from syncline.ports import Write
from syncline.web import api
from syncline.web.access import Person, Role
from syncline.web.app import ENDPOINTS
from syncline.web.live import OPEN_MAX, WATCHERS_MAX, events, opened, parts_of, urgent_first
from syncline.web.site import Refusal

GOOD = '{"sku": "MUG-01", "location": "1", "available": "4"}'
NASTY = "<script>alert(1)</script>\"'\r\n\x1b[31m{{ 7*7 }}"


@pytest.fixture
async def site():
    return await make_site()


@pytest.fixture
def operator(site):
    return Client(site.app, site.tokens["operator"])


@pytest.fixture
def admin(site):
    return Client(site.app, site.tokens["admin"])


async def test_the_status_is_what_its_schema_says(operator):
    answer = await operator.get("/v1/status")
    told = msgspec.json.decode(answer.body, type=Status)
    assert told.verdict == "attention" and len(told.routes) == 3
    assert (await operator.get("/v1/routes")).json() == answer.json()["routes"]
    assert (await operator.get("/v1/lanes")).json() == answer.json()["lanes"]


async def test_parked_work_from_list_to_release(site, operator):
    number = await park_message(site.engine)
    assert [entry["id"] for entry in (await operator.get("/v1/parked")).json()] == [number]
    assert (await operator.get(f"/v1/parked?after={number}")).json() == []
    assert (await operator.post(f"/v1/parked/{number}/edit", {"payload": "{"})).status == 422
    assert (await operator.post(f"/v1/parked/{number}/edit", {"payload": GOOD})).status == 200
    assert (await operator.post(f"/v1/parked/{number}/release")).json()["count"] == 1
    again = await operator.post(f"/v1/parked/{number}/release")
    assert again.status == 409 and again.json()["error"]["code"] == "resolved"
    assert (await operator.get("/v1/parked/999")).status == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"sku": "MUG-01", "order": "1"}',
        b"{}",
        b'{"sku": "MUG-01", "role": "admin"}',
        b'{"sku": 7}',
        b"\xff\xfe",
        b'{"sku": "' + b"x" * 301 + b'"}',
        b"[" * 5000,
    ],
)
async def test_what_is_not_understood_is_refused_with_a_place_to_look(operator, body):
    answer = await operator.post("/v1/replay", body)
    assert answer.status == 400
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "mend"} and error["message"]


async def test_a_body_above_the_limit_is_refused(operator):
    answer = await operator.post("/v1/replay", chunks=[b"x" * 1_000_000] * 14)
    assert answer.status == 413


@pytest.mark.parametrize("digits", ["9" * 23, "0" * 5_000, "9" * 5_000])
async def test_a_number_of_no_row_is_nowhere(site, operator, digits):
    """Also for who is not logged in: addresses are read before."""
    for client in (operator, Client(site.app)):
        assert (await client.get(f"/v1/parked/{digits}")).status == 404
        assert (await client.get(f"/parked/{digits}")).status == 404
        assert (await client.post(f"/v1/parked/{digits}/release")).status == 404


@pytest.mark.parametrize("number", ["-1", "1.5", "\uff11", "9" * 30, "x", "0" * 5_000, "9" * 5_000])
async def test_numbers_in_addresses(operator, admin, number):
    assert (await operator.get("/v1/parked", query=f"after={number}")).status == 400
    assert (await admin.get("/v1/audit", query=f"before={number}")).status == 400


async def test_replay_explain_and_search(operator):
    assert (await operator.post("/v1/replay", {"sku": "MUG-01"})).status == 200
    assert (await operator.post("/v1/replay", {"sku": "NO-SUCH"})).status == 404
    assert (await operator.post("/v1/replay", {"order": "#1042"})).status == 200
    told = (await operator.post("/v1/replay", {"route": "inventory:erp->shop"})).json()
    assert told["error"]["code"] == "second_person"
    assert (await operator.get("/v1/explain?sku=TEE-RED-M&channel=shop")).json()[0]["total"] == 42
    assert (await operator.get("/v1/explain?sku=TEE-RED-M&channel=no")).status == 404
    assert (await operator.get("/v1/search?q=1042")).json()[0]["title"] == "Order #1042"
    assert (await operator.get("/v1/search")).json() == []


async def test_what_is_not_named_or_too_large_to_be_is_refused(operator):
    for path in ("/v1/parked/9223372036854775808", "/v1/parked/99999999999999999999999999"):
        assert (await operator.get(path)).status == 404
        assert (await operator.post(f"{path}/release", {})).status == 404
    assert (await operator.get("/v1/explain?sku=&channel=shop")).json()["error"]["message"] == "Name a SKU."
    nobody = (await operator.get("/v1/explain?sku=TEE-RED-M")).json()["error"]
    assert (nobody["message"], nobody["mend"]) == ("Name a system.", "There are erp, shop.")


async def test_accounts_are_an_admins(admin):
    made = (await admin.post("/v1/accounts", {"name": "Nora", "role": "viewer"})).json()
    assert (await Client(admin.app, made["token"]).get("/v1/status")).status == 200
    assert "token" not in (await admin.get("/v1/accounts")).text
    assert (await admin.post("/v1/accounts", {"name": "Nora", "role": "nobody"})).status == 422
    assert (await admin.post("/v1/accounts", {"name": "<b>", "role": "viewer"})).status == 422
    assert (await admin.post("/v1/accounts/delete", {"name": "Ada"})).status == 409
    assert (await admin.post("/v1/accounts/delete", {"name": "Nora"})).status == 200
    assert (await admin.post("/v1/accounts/delete", {"name": "Nora"})).status == 404
    assert (await Client(admin.app, made["token"]).get("/v1/status")).status == 401


async def test_a_name_that_is_taken_is_refused_and_its_token_goes_on(admin):
    made = (await admin.post("/v1/accounts", {"name": "till", "role": "checkout"})).json()
    for role in ("checkout", "viewer"):
        refused = await admin.post("/v1/accounts", {"name": "till", "role": role})
        assert refused.status == 409
        error = refused.json()["error"]
        assert error["code"] == "account_exists" and "'till'" in error["message"] and "renew" in error["mend"]
    till = Client(admin.app, made["token"])
    assert (await till.get("/v1/openapi.json")).status == 200
    listed = {one["name"]: one["role"] for one in (await admin.get("/v1/accounts")).json()}
    assert listed["till"] == "checkout"


async def test_two_who_make_one_name_at_a_time_get_one_account(admin):
    made = await asyncio.gather(
        *(admin.post("/v1/accounts", {"name": "till", "role": "checkout"}) for _ in range(5))
    )
    assert sorted(one.status for one in made) == [200, 409, 409, 409, 409]
    token = next(one.json()["token"] for one in made if one.status == 200)
    assert (await Client(admin.app, token).get("/v1/openapi.json")).status == 200


async def test_an_account_is_renewed_on_purpose_and_on_record(admin):
    old = (await admin.post("/v1/accounts", {"name": "till", "role": "checkout"})).json()["token"]
    new = (await admin.post("/v1/accounts/renew", {"name": "till"})).json()
    assert (new["name"], new["role"]) == ("till", "checkout") and new["token"] != old
    assert (await Client(admin.app, old).get("/v1/openapi.json")).status == 401
    assert (await Client(admin.app, new["token"]).get("/v1/openapi.json")).status == 200
    entry = (await admin.get("/v1/audit?limit=1")).json()[0]
    assert (entry["actor"], entry["action"], entry["subject"]) == ("Ada", "account renewed", "till")
    assert (entry["before"], entry["after"]) == ("checkout", "checkout")
    assert (await admin.post("/v1/accounts/renew", {"name": "nobody"})).status == 404


async def test_the_description_covers_every_endpoint_and_its_references_resolve(operator):
    told = (await operator.get("/v1/openapi.json")).json()
    named = {(method.upper(), path) for path, entry in told["paths"].items() for method in entry}
    assert named == {(e.method, e.path.replace(":int", "")) for e in api.ENDPOINTS}
    for reference in set(_references(told)):
        assert reference.removeprefix("#/components/schemas/") in told["components"]["schemas"]


def _references(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _references(item)


async def test_health_names_nothing_and_notices_a_broken_store(site, monkeypatch):
    answer = await Client(site.app).get("/healthz")
    assert (answer.status, answer.json()) == (200, {"status": "ok"})

    async def broken(*args, **named):
        raise Retryable("the disk is gone")

    monkeypatch.setattr(site.store, "read", broken)
    answer = await Client(site.app).get("/healthz")
    assert (answer.status, answer.json()) == (503, {"status": "store unavailable"})


async def test_metrics_need_a_login_or_their_own_token_and_say_nothing_personal(site):
    await park_message(site.engine, b'{"email": "someone@example.com"}')
    await trouble(site.engine)
    assert (await Client(site.app).get("/metrics")).status == 401
    scraper = Client(site.app, "a metrics token that is long enough")
    answer = await scraper.get("/metrics")
    assert answer.status == 200
    assert 'syncline_late{route="orders:shop->erp"} 14.0' in answer.text
    assert 'syncline_verdict{verdict="late"} 1.0' in answer.text
    assert 'syncline_lane_up{system="erp"} 0.0' in answer.text
    assert 'syncline_age_seconds{route="inventory:erp->shop"} 37.0' in answer.text
    for secret in ("someone@", "TEE-RED", "1042", *site.tokens.values()):
        assert secret not in answer.text
    assert (await scraper.get("/v1/status")).status == 401  # good for metrics only


async def test_a_bug_is_answered_without_its_details(site, operator, monkeypatch):
    async def broken(*args, **named):
        raise ValueError("postgresql://user:password@host")

    monkeypatch.setattr(site.store, "read", broken)
    answer = await Client(site.app).get("/static/app.css")
    assert answer.status == 200
    answer = await operator.get("/v1/status")
    assert answer.status == 500 and "password" not in answer.text


async def test_vendors_words_cannot_become_markup_or_log_lines(site, admin, operator, capsys):
    number = await park_message(site.engine, json.dumps({"note": NASTY}).encode())
    row = await site.operations.show(number)
    at = {
        "system": row.system,
        "operation": row.operation,
        "key": row.key,
        "reason": NASTY,
        "detail": NASTY,
        "payload": row.payload,
        "now_ms": 1,
    }
    await site.store.write(Write("parked_put", [at]))
    site.engine.pollers[0].last_error = NASTY
    names = ("q", "kind", "reason", "route", "channel", "sku", "system", "order", "after", "done", "key")
    asked = urlencode(dict.fromkeys(names, NASTY))
    shown = set()
    for page in (one.path for one in ENDPOINTS if one.page and one.method == "GET"):
        path = page.replace("{id:int}", str(number)).replace("{name}", "prices")
        for query in ("", asked):
            text = (await admin.get(path, query=query)).text
            assert "<script>alert" not in text, path
            if "7*7 }}" in text:  # there, and not computed
                shown.add(page)
    assert shown >= {"/", "/parked", "/parked/{id:int}", "/search", "/holds"}
    assert (await Client(site.app, NASTY.replace("\r\n", " ")).get("/v1/status")).status == 401


@pytest.mark.parametrize("path", ["/login/", "/alerts/", "/v1/status/", "//elsewhere.test/login/"])
async def test_nobody_is_sent_to_the_host_that_a_request_names(site, path):
    """Nor from https to http: a login link with a slash too many would carry its token there."""
    answer = await Client(site.app).get(path, query="token=x", headers={"host": "elsewhere.test"})
    assert answer.status == 404
    assert "location" not in answer.headers


async def test_what_is_nowhere_is_a_404(operator):
    for path in ("/nowhere", "/v1/nowhere", "/static/..%2fapp.py", "/static/site.py", "/parked/x"):
        assert (await operator.get(path)).status == 404
    assert (await operator.ask("DELETE", "/v1/status")).status == 405


# --- live ------------------------------------------------------------------------------------------------


def request(page: str, token: str = "", cookie: str = "") -> Request:
    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    headers += [(b"cookie", f"syncline={cookie}".encode())] if cookie else []
    asked = f"page={page}".encode()
    return Request({"type": "http", "path": "/events", "query_string": asked, "headers": headers})


VERA = Person("Vera", Role.VIEWER)


async def test_only_what_changed_is_sent_and_stopping_ends_the_stream(site):
    inner = site.app.site
    asking = request("system", site.tokens["viewer"])
    stream = (await events(inner, asking, VERA)).body_iterator
    assert await anext(stream) == b"retry: 2000\n\n"
    first = await anext(stream)
    assert json.loads(first.partition(b"data: ")[2]).keys() == (await parts_of(inner, "system", VERA)).keys()
    assert inner.watching == 1
    await park_order(site.engine)
    second = json.loads((await anext(stream)).partition(b"data: ")[2])
    assert second["parked-count"] == "1" and "store" not in second
    site.app.stop()
    assert [part async for part in stream] == []
    assert inner.watching == 0
    with pytest.raises(Refusal):
        await events(inner, request("overview"), VERA)


async def test_watchers_are_bounded(site):
    site.app.site.watching = WATCHERS_MAX
    answer = await Client(site.app, site.tokens["viewer"]).get("/events")
    assert answer.status == 503 and answer.headers["retry-after"] == "30"


async def test_a_stream_does_not_live_for_ever(site):
    asking = request("system", site.tokens["viewer"])
    stream = (await events(site.app.site, asking, VERA)).body_iterator
    sent = 0
    async for _ in stream:
        sent += 1
        site.clock.at_ms += 60_000
    assert 2 < sent < 30


async def log_out(site, person):
    await site.access.log_out(person)


async def remove(site, person):
    await site.access.drop(person.name, by="Ada")


async def give_a_new_token(site, person):
    await site.access.renew(person.name, by="Ada")


async def take_rights(site, person):
    rows = await site.store.read("accounts")
    hash_ = next(row[2] for row in rows if row[0] == person.name)
    row = {"name": person.name, "role": "viewer", "token_hash": hash_, "now_ms": 0}
    await site.store.write(Write("account_put", [row]))


@pytest.mark.parametrize(
    ("revoke", "by"),
    [(log_out, "cookie"), *itertools.product((remove, give_a_new_token, take_rights), ("cookie", "token"))],
)
async def test_a_stream_ends_before_the_next_push_once_its_person_may_see_no_more(site, revoke, by):
    inner = site.app.site
    cookie, theirs = [
        await site.access.log_in(await site.access.by_token(token), token)
        for token in (site.tokens["operator"], site.tokens["viewer"])
    ]
    asking = request(
        "parked", **({"cookie": cookie} if by == "cookie" else {"token": site.tokens["operator"]})
    )
    person = await inner.known(asking)
    stream = (await events(inner, asking, person)).body_iterator
    staying = request("parked", cookie=theirs)
    stays = (await events(inner, staying, await inner.known(staying))).body_iterator
    for each in (stream, stays):
        assert await anext(each) == b"retry: 2000\n\n"
        assert b"data: " in await anext(each)
    await revoke(site, person)
    await park_order(site.engine)
    assert [part async for part in stream] == []
    assert inner.watching == 1
    assert b'"parked-count":"1"' in await anext(stays)
    await stays.aclose()


async def test_the_status_is_computed_once_however_many_look(site, monkeypatch):
    count = 0
    original = site.store.read

    async def counted(statement, **parameters):
        nonlocal count
        count += statement == "delivery_summary"
        return await original(statement, **parameters)

    monkeypatch.setattr(site.store, "read", counted)
    for _ in range(20):
        await site.app.site.snapshots.status()
    assert count == 1
    site.clock.at_ms += 1_000
    await site.app.site.snapshots.status()
    assert count == 2


async def test_the_parts_of_a_card_that_is_closed_are_not_drawn(site):
    inner = site.app.site
    parts = await parts_of(inner, "overview", VERA, {"open": "1"})
    cards = {name for name in parts if name.rpartition("-")[0] in ("route", "switch", "strip")}
    assert cards == {"route-1", "switch-1", "strip-1"}
    assert {"head-0", "head-1", "head-2"} <= parts.keys()
    assert "route-0" not in await parts_of(inner, "overview", VERA, {"open": ""})
    assert "strip-2" in await parts_of(inner, "overview", VERA, {"open": "all"})


async def test_what_looks_the_same_to_everybody_is_drawn_once(site, monkeypatch):
    drawn = []
    render = site.app.site.pages.render

    def counted(template, **values):
        drawn.append(template)
        return render(template, **values)

    monkeypatch.setattr(site.app.site.pages, "render", counted)
    for _ in range(3):
        await parts_of(site.app.site, "overview", VERA)
    assert drawn.count("part_verdict.html") == 1
    assert drawn.count("part_route.html") == 3  # one for each of three routes
    assert drawn.count("part_switch.html") == 9  # what one may do is one's own
    site.clock.at_ms += 1_000
    await parts_of(site.app.site, "overview", VERA)
    assert drawn.count("part_verdict.html") == 2


async def test_of_many_routes_the_most_urgent_come_first_and_only_those_are_open():
    routes = [SimpleNamespace(name=str(n), state="ok") for n in range(40)]
    for n, state in ((3, "paused"), (7, "attention"), (30, "late"), (31, "late")):
        routes[n].state = state
    assert [n for n, _ in urgent_first(routes)][:4] == [30, 31, 7, 3]
    assert opened({}, routes) == [7, 30, 31]
    for each in routes:
        each.state = "late"
    assert len(opened({}, routes)) == OPEN_MAX
    assert opened({"open": "2,5,99,x"}, routes) == [2, 5]
    assert opened({}, routes[:OPEN_MAX]) == list(range(OPEN_MAX))


async def test_an_address_that_is_mistyped_is_answered_in_the_form_that_is_read(site):
    client = Client(site.app)
    told = await client.get("/no-such")
    assert (told.status, told.json()["error"]["code"]) == (404, "not_found")
    page = await client.get("/no-such", headers={"accept": "text/html,*/*;q=0.8"})
    assert page.status == 404 and "Back to the overview" in page.text
    assert page.headers["content-type"].startswith("text/html") and "Ada" not in page.text


@pytest.mark.parametrize("sent", [b'{"note":"\\ud800"}', b'{"a":1,"a":2}', b'{"a":1.10,"b":1e400}'])
async def test_a_payload_is_shown_as_it_was_sent(site, operator, sent):
    """Half a sign cannot be shown at all; of two values and long numbers a reader would see others than are there."""
    number = await park_message(site.engine, sent)
    page = await operator.get(f"/parked/{number}")
    assert page.status == 200
    shown = html.unescape(page.text)
    assert all(part in shown for part in re.findall(r"[^{},:]+", sent.decode()))
