from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.engine.routes import Route, Routes, parse_reference, reference_of, split_key, stock_key
from syncline.inventory.rules import Layer, Level, Rules
from syncline.model.change import Flow

names = st.from_regex(r"[a-z][a-z0-9]{0,15}", fullmatch=True)  # as the configuration demands
order_keys = st.from_regex(r"[0-9]{1,20}", fullmatch=True)  # as Shopify's ids are
texts = st.text(st.characters(exclude_characters="\x1f", exclude_categories=("Cs",)), max_size=30)


@given(names, order_keys, st.lists(names, max_size=5))
def test_a_reference_leads_back_to_its_channel_and_key(channel, key, others):
    assert parse_reference(reference_of(channel, key), [*others, channel]) == (channel, key)


@given(names, order_keys)
def test_case_does_not_matter(channel, key):
    reference = reference_of(channel, key)
    assert reference == reference.lower()
    assert parse_reference(reference.upper(), [channel]) == (channel, key)


@given(names, order_keys)
def test_a_reference_has_only_signs_that_every_erp_takes(channel, key):
    assert re.fullmatch(r"[a-z0-9_-]+", reference_of(channel, key))


def test_a_channel_whose_name_begins_like_anothers_is_told_apart():
    channels = ["shop", "shop-eu"]
    assert parse_reference("shop-eu-17", channels) == ("shop-eu", "17")
    assert parse_reference("shop-17", channels) == ("shop", "17")


@pytest.mark.parametrize("reference", ["", "shop", "shop-", "web-17", "17", "-17", "shop_17"])
def test_somebody_elses_reference_is_nobodys(reference):
    assert parse_reference(reference, ["shop"]) is None


@given(texts, texts)
def test_a_record_key_splits_into_its_parts(sku, place):
    assert split_key(stock_key(sku, place)) == (sku, place)


def test_a_key_of_one_part_has_no_second():
    assert split_key("7001") == ("7001", "")


def stock_route(sink: str, **locations: str) -> Route:
    return Route(
        Flow.INVENTORY, "erp", sink, 5_000, locations={k.removeprefix("at"): v for k, v in locations.items()}
    )


def test_routes_answer_by_flow_source_and_sink():
    stock, orders = stock_route("shop", at1="70"), Route(Flow.ORDERS, "shop", "erp", 10_000)
    routes = Routes([stock, orders])
    assert routes.of(Flow.ORDERS) == [orders]
    assert routes.of(Flow.ORDERS, source="erp") == []
    assert routes.of(Flow.INVENTORY, source="erp", sink="shop") == [stock]
    assert routes.named("inventory:erp->shop") is stock
    assert routes.named("inventory:erp->other") is None


def test_locations_translate_both_ways_for_each_channel():
    routes = Routes([stock_route("shop", at1="70", at2="71"), stock_route("pos", at1="9")])
    assert [routes.channel_location("shop", at) for at in ("1", "2", "3")] == ["70", "71", ""]
    assert [routes.erp_location("shop", at) for at in ("70", "71", "9")] == ["1", "2", ""]
    assert (routes.erp_location("pos", "9"), routes.channel_location("pos", "2")) == ("1", "")


def test_two_routes_of_one_flow_between_the_same_systems_are_refused():
    with pytest.raises(ValueError, match="same flow"):
        Routes([stock_route("shop", at1="70"), stock_route("shop", at2="71")])


def test_the_nearest_rule_wins():
    layers = [Layer(Level.SKU, {"cap": 1}, "A"), Layer(Level.CHANNEL, {"cap": 9, "floor": 2}, "shop")]
    route = Route(Flow.INVENTORY, "erp", "shop", 1, rules=Rules(layers))
    assert (route.rule_for("A").cap, route.rule_for("B").cap) == (1, 9)
    assert route.rule_for("A").floor == 2
