"""The location that a channel's open orders leave from has to be one that the route of stock maps."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncline.model.errors import Misconfigured
from syncline.runtime.config import Config, parse

CONFIG = """
[[routes]]
flow = "inventory"
from = "erp"
to = "shop"
locations = { MAIN = "main-warehouse", NORTH = "north-depot" }
[systems.erp]
connector = "business_central"
tenant = "11111111-2222-4333-8444-555555555555"
company_id = "66666666-2222-4333-8444-555555555555"
client_id = "a client"
client_secret = "a secret"
web_customer = "WEB"
[systems.shop]
connector = "adobe_commerce"
base_url = "https://shop.example.com"
consumer_key = "a key"
consumer_secret = "a secret"
access_token = "a token"
access_token_secret = "another secret"
"""


def read(text: str) -> Config:
    return parse(text, variables={}, folder=Path())


@pytest.mark.parametrize("named", ["", 'order_source = "returns"\n'])
def test_a_source_that_no_erp_location_is_mapped_to_is_refused(named):
    """Units of open orders would be in nobody's pool there, and be shown for sale a second time."""
    where = "returns" if named else "default"
    with pytest.raises(
        Misconfigured, match=rf"routes\[0\]\.locations: .* leave from '{where}'.*systems\.shop"
    ):
        read(CONFIG + named)


def test_a_source_that_is_mapped_is_taken():
    (route,) = read(CONFIG + 'order_source = "north-depot"\n').routes.all
    assert route.locations["NORTH"] == "north-depot"
    (route,) = read(CONFIG.replace('"main-warehouse"', '"default"')).routes.all
    assert route.locations["MAIN"] == "default"
