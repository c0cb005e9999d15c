"""What a person writes for an adoption: its section of the configuration, decisions, a moment, references."""

from __future__ import annotations

import pytest
from tests.unit.support import order

from syncline.engine.adoption import Adopted, Adoption, AdoptRules, State, fill
from syncline.engine.routes import Route, Routes
from syncline.model.change import Flow
from syncline.model.errors import Misconfigured
from syncline.runtime.adopting import decisions_of, moment_ms
from syncline.runtime.config import parse

SYSTEMS = """
[systems.shop]
connector = "shopify"
shop = "a.myshopify.com"
access_token = "shpat_x"

[[routes]]
flow = "orders"
from = "shop"
to = "shop"
"""


def test_the_section_says_by_what_a_channel_is_matched():
    config = parse(SYSTEMS + '[adopt.shop]\nitems = ["barcode"]\norders = { memo = "Shop {name}" }\n')
    assert config.adopt == {"shop": AdoptRules(("barcode",), (("memo", "Shop {name}"),))}
    assert parse(SYSTEMS + "[adopt.shop]\n").adopt == {"shop": AdoptRules(("sku",), ())}
    assert parse(SYSTEMS).adopt == {}


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("[adopt.shoop]", r"adopt.shoop: no \[systems.shoop\]"),
        ('[adopt.shop]\norders = { memo = "SHOP" }', "names no order"),
        ("[adopt.shop]\nitems = []", "at least one key"),
        ('[adopt.shop]\ncustomers = { externalid = "{name}" }', "names no customer"),
        ('[adopt.shop]\norder = { memo = "{id}" }', "did you mean `orders`"),
    ],
)
def test_a_section_that_cannot_work_says_why(section, words):
    with pytest.raises(Misconfigured, match=words):
        parse(SYSTEMS + section)


def test_a_reference_is_filled_in_with_the_channels_id_name_or_digits():
    assert fill("SHOPIFY-{id}", "5550", "#A-1001") == "SHOPIFY-5550"
    assert fill("{name}/{number}", "5550", "#A-1001") == "#A-1001/1001"
    rules = {"shop": AdoptRules(orders=(("externalid", "S-{id}"), ("memo", "{name}")))}
    routes = Routes([Route(Flow.ORDERS, "shop", "erp", 1)])
    adoption = Adoption(None, routes, rules)
    assert adoption.foreign("shop", order(key="7")) == (("externalid", "S-7"), ("memo", "#7"))
    assert adoption.foreign("market", order(key="7")) == ()


def test_whoever_adopts_nothing_is_asked_nothing():
    routes = Routes([Route(Flow.ORDERS, "shop", "erp", 1)])
    assert not Adoption(None, routes, {}).active
    assert not Adoption(None, routes, {"shop": AdoptRules()}).active
    assert Adoption(None, routes, {"shop": AdoptRules(orders=(("memo", "{id}"),))}).active


@pytest.mark.parametrize("was", [Adopted(State.OPEN, 7, 9), Adopted(State.CLOSED, 7), Adopted(State.LEFT, 7)])
def test_how_an_order_came_to_us_is_read_as_it_was_written(was):
    assert Adopted.of(was.at_ms, was.text) == was


def test_decisions_are_read_from_the_file_and_empty_ones_stay_open(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("\ufeffdecision,id,why\nconfirm,a1,x\n REFUSE ,b2,x\n,c3,x\n", encoding="utf-8")
    assert decisions_of(path) == {"a1": True, "b2": False}
    path.write_text("decision,id\nperhaps,a1\n")
    with pytest.raises(Misconfigured, match="line 2: 'perhaps' is no decision"):
        decisions_of(path)
    with pytest.raises(Misconfigured, match="cannot be read"):
        decisions_of(tmp_path / "none.csv")


def test_a_moment_needs_its_offset():
    assert moment_ms("2026-01-31T00:00:00Z") == moment_ms("2026-01-31T01:00:00+01:00") == 1_769_817_600_000
    assert moment_ms("now") > 1_769_817_600_000
    for text in ("2026-01-31T00:00:00", "yesterday"):
        with pytest.raises(Misconfigured, match="--orders-from"):
            moment_ms(text)
