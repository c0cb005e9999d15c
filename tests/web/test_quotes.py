"""Words that may quote a person are for operators: looked for on every page and in every answer that a viewer can reach."""

from __future__ import annotations

import re
from decimal import Decimal
from html import unescape

import pytest
from tests.web.records import PRICES, difference, due, make_records_site, tag_key
from tests.web.support import Client, park_message, park_order, rehearse_some

from syncline.engine.delivery.stops import Difference
from syncline.ports import Write
from syncline.pricing.rules import OWN
from syncline.web.access import Role
from syncline.web.app import ENDPOINTS

QUOTED = "robin.vale@example.net is no address"
PAGES_MAX = 400
# Addresses that no link leads to, with what makes them say much.
ASKED = {
    "/v1/search": ("q=%231042", "q=%231043", "q=MUG-01", "q=551043"),
    "/search": ("q=%231042", "q=%231043", "q=MUG-01", "q=551043", "q=107", "q=109"),
    "/v1/explain": ("sku=MUG-01&channel=shop", "sku=TEE-RED-M&channel=shop"),
    "/v1/reconcile/differences": (f"route={PRICES}",),
    "/v1/reconcile/trend": (f"route={PRICES}",),
    "/v1/shadow": ("",),
    "/v1/availability": ("sku=MUG-01&channel=shop",),
    "/v1/credit": ("channel=shop&account=107",),
    "/records/prices/one": ("system=erp&key=MUG-01", "system=erp&key=SOCK-42", "system=erp&key=TEE-RED-M"),
    "/records/companies/one": ("system=erp&key=107", "system=erp&key=109"),
    "/records/products/one": ("system=erp&key=MUG-01",),
    "/reconcile": (f"route={PRICES}",),
}


@pytest.fixture
async def site():
    """Everything that a vendor or a message said of one record, said with an address in it."""
    made = await make_records_site()
    await park_order(made.engine)
    await park_message(made.engine, b'{"email": "robin.vale@example.net"}')
    now = made.clock.now_ms()
    key = tag_key(OWN, "SOCK-42")
    refused = {"system": "shop", "operation": "set_price", "key": key}
    intent = "0190aaaa-0000-7000-8000-000000000009"
    order = {"system": "erp", "operation": "put_payment", "key": "551042\x1f9"}
    again = {"state": "retryable", "generation": 1, "not_before_ms": now, "reason": "x", "uncounted": 0}
    await made.store.write(
        Write("difference_put", [difference(PRICES, key, "rejected write", "x", "named", now)]),
        Write("delivery_fact", [{**due("put_payment", order["key"], "orders:shop->erp", now, now), **order}]),
        Write("delivery_finish", [{**order, **again, "now_ms": now}]),
        Write("intent_put", [{**refused, "id": intent, "items": "{}", "now_ms": now}]),
        Write("attempt_put", [{**refused, "intent": intent, "generation": 1, "result": "rejected", "message": "x", "now_ms": now}]),
        Write("intent_finish", [{"id": intent, "result": "known", "now_ms": now}]),
    )  # fmt: skip
    say = made.store._connection.execute
    say("UPDATE parked SET detail = ?, payload = ?", (QUOTED, QUOTED))
    say("UPDATE attempt SET message = ? WHERE operation <> 'set_stock'", (QUOTED,))
    say("UPDATE delivery SET reason = ?", (QUOTED,))
    say("UPDATE difference SET detail = ? WHERE cause = 'rejected write'", (f"It differs. {QUOTED}",))
    await rehearse_some(made, ("orders:shop->erp",))
    row = ("551049\x1f1", "orders:shop->erp", "available", 1, now, now, now, 0, "")
    told = Difference("unclear", "order #1049", Decimal(1), QUOTED, now, brief="")
    made.engine.lanes["erp"].stops.put("put_order", row, told)
    return made


async def everything_seen(client) -> dict[str, str]:
    """What can be reached: every readable endpoint, and every page that a page links to."""
    waiting = [
        endpoint.path.replace("{id:int}", "1").replace("{name}", "prices")
        for endpoint in ENDPOINTS
        if endpoint.method == "GET" and endpoint.least == Role.VIEWER and endpoint.path != "/events"
    ]
    waiting += [f"{path}?{query}" for path, queries in ASKED.items() for query in queries]
    seen: dict[str, str] = {}
    while waiting:
        path = waiting.pop()
        if path in seen or len(seen) >= PAGES_MAX:
            continue
        answer = await client.get(path)
        assert answer.status < 500, path
        seen[path] = answer.text
        waiting += [
            unescape(link)
            for link in re.findall(r'href="(/[^"#]*)', seen[path])
            if not link.startswith(("/static", "/login"))
        ]
    assert len(seen) < PAGES_MAX
    return seen


async def test_a_viewer_finds_nothing_that_may_quote_a_person(site):
    seen = await everything_seen(Client(site.app, site.tokens["viewer"]))
    assert [path for path, text in seen.items() if "robin.vale@" in text] == []
    assert "Parked: price jump." in seen["/records/prices"]
    assert "unknown sku" in seen["/parked"]
    assert '"reason":"unknown_sku"' in seen["/v1/parked"]


async def test_an_operator_reads_all_of_it(site):
    seen = await everything_seen(Client(site.app, site.tokens["operator"]))
    quoted = {path.partition("?")[0] for path, text in seen.items() if "robin.vale@" in text}
    assert quoted >= {
        "/parked",
        "/parked/1",
        "/v1/parked",
        "/v1/parked/1",
        "/search",
        "/v1/search",
        "/records/prices",
        "/records/companies",
        "/records/prices/one",
        "/reconcile",
        "/shadow",
        "/v1/shadow",
        "/v1/reconcile/differences",
    }


@pytest.mark.parametrize("page", ["parked", "records-list", "records-one"])
async def test_what_a_page_is_told_live_keeps_to_it_too(site, page):
    from syncline.web.access import Person
    from syncline.web.live import parts_of

    asked = {"name": "prices", "system": "erp", "key": "MUG-01"}
    for role, sees in (
        (Role.VIEWER, False),
        (Role.CHECKOUT, False),
        (Role.OPERATOR, True),
        (Role.ADMIN, True),
    ):
        parts = await parts_of(site.app.site, page, Person("somebody", role), asked)
        assert ("robin.vale@" in "".join(parts.values())) is sees, role
