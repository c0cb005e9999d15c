"""``syncline connectors`` in words: nothing that a connector declares is left out, and no field shows through."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from typer.testing import CliRunner

from syncline.cli import app
from syncline.cli.abilities import LIMITS, WIDTH, told
from syncline.model.capabilities import (
    AVAILABLE_OWN_ORDERS_SUBTRACTED,
    BeforeOrder,
    Capabilities,
    LimitKind,
    StockBasis,
)
from syncline.model.copying import replace
from syncline.model.customers import CustomerField
from syncline.model.pricing import PriceOrder
from syncline.runtime.registry import connectors

# Another value than the one that a connector without anything has, for every field that there is.
OTHER = {
    "webhooks": True,
    "webhook_signature": "a signature",
    "webhook_handshake": "challenge",
    "webhooks_announce": True,
    "without_events": ("prices",),
    "delta_poll": ("orders",),
    "deletes_seen": True,
    "compare_and_set": True,
    "applies_after_ms": 90_000,
    "idempotency_keys": True,
    "external_reference": True,
    "batch_items_max": 250,
    "partial_batch": True,
    "multi_location": True,
    "stock_read_basis": StockBasis.ON_HAND,
    "stock_contract": AVAILABLE_OWN_ORDERS_SUBTRACTED,
    "before_order": (BeforeOrder.RESERVED,),
    "exposes_reserved": True,
    "ships_where_allocated": True,
    "moves_orders": True,
    "open_units_at": "main",
    "order_fields": "custom_[a-z]+",
    "checkout_ms": 5_000,
    "limit": LimitKind.CONCURRENCY,
    "event_delay_ms": 2_000,
    "order_stamp_ms": 1_200,
    "price_lists": True,
    "compares_prices": False,
    "price_decimals": 2,
    "price_order": PriceOrder(lowest=True),
    "list_names": ("item", "group:"),
    "lists_by_number": True,
    "customer_fields": (CustomerField.TAX_ID,),
    "replica_lag_ms": 30_000,
}
ANY = replace(connectors()["netsuite"], operations=())  # so that it may be the one and the other


def said(**more) -> str:
    return " ".join(" ".join(told(replace(ANY, capabilities=Capabilities(**more)))).split())


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Capabilities)])
def test_every_capability_makes_a_difference_to_what_is_said(field):
    given = {"webhooks": True} if field == "event_delay_ms" else {}
    assert getattr(Capabilities(), field) != OTHER[field]
    assert said(**given, **{field: OTHER[field]}) != said(**given)


def test_every_limit_has_words():
    assert set(LIMITS) == set(LimitKind)
    assert len({said(limit=kind) for kind in LimitKind}) == len(LimitKind)


@pytest.mark.parametrize("connector", connectors().values(), ids=lambda one: one.name)
def test_a_person_reads_words(connector):
    lines = list(told(connector))
    text = "\n".join(lines)
    for raw in ("True", "False", "None", "_ms", "Kind.", "  ;", "()", "; ;"):
        assert raw not in text, raw
    for field in dataclasses.fields(Capabilities):
        assert "_" not in field.name or field.name not in text, field.name
    assert max(map(len, lines)) <= WIDTH
    assert not re.search(r"[;,]$", text)
    assert lines[0] == f'{connector.title}: connector = "{connector.name}"'


def test_an_erp_and_a_channel_in_words():
    erp, shop = (" ".join(" ".join(told(connectors()[name])).split()) for name in ("netsuite", "shopify"))
    for words in (
        "can be asked to record a payment, record a refund, write an order events",
        "posted about 2 s after a change; signed: HMAC-SHA256, X-Syncline-Signature v1; none of prices",
        "orders found again by our reference; fields of your own that can be written: custbody",
        "prices of several that hold at once the first of contract, group, promotional, list counts; its lists are",
        "called level:…, customer:… calls",
        "stock it states what is available at each location prices",
        "calls one item each",
        "limit so many calls at once",
    ):
        assert words in erp, words
    for words in (
        "its own orders lower the number when placed; it is replaced only if it is still what was read",
        "it can hold of them: name, tax id, terms, contacts, addresses",
        "one without an answer is repeated under its key, with one effect",
    ):
        assert words in shop and words not in erp, words


def test_the_command_says_it_of_all_and_a_machine_gets_the_fields():
    result = CliRunner().invoke(app, ["connectors"])
    assert result.exit_code == 0
    for connector in connectors().values():
        assert "\n".join(told(connector)) in result.output
    table = json.loads(CliRunner().invoke(app, ["connectors", "--json"]).output)
    assert {one["name"]: one["capabilities"]["limit"] for one in table}["netsuite"] == "concurrency"
