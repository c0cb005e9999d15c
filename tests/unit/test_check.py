"""``syncline check``: what is looked at beside what a connector says of itself."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace

import pytest

from syncline.model.census import ListedPlace
from syncline.model.errors import AuthExpired, Retryable
from syncline.ports import Expiry, Rereads
from syncline.ports.census import CensusPage
from syncline.runtime import check
from syncline.runtime.check import check_everything
from syncline.stores.sqlite.writer import lock_database

CONFIG = """
[[routes]]
flow = "inventory"
from = "erp"
to = "shop"
locations = { "1" = "700", "2" = "701" }
[systems.erp]
connector = "business_central"
tenant = "11111111-2222-4333-8444-555555555555"
company_id = "66666666-2222-4333-8444-555555555555"
client_id = "a client"
client_secret = "a secret"
web_customer = "WEB"
[systems.shop]
connector = "shopify"
shop = "made-up.myshopify.com"
access_token = "shpat_made_up"
"""
WHAT = "locations of the routes of inventory"


class Places:
    """Lists locations on two pages."""

    def __init__(self, *ids: str) -> None:
        self._pages = [CensusPage((ListedPlace(at, f"Site {at}"),), at, last=False) for at in ids]

    async def read(self, what, position, **_):
        assert (what, position) == ("places", "")
        for page in self._pages:
            yield page


class Refused:
    async def read(self, what, position, **_):
        raise AuthExpired("the token was refused")
        yield


@pytest.fixture
def found(tmp_path, monkeypatch):
    path = tmp_path / "syncline.toml"
    path.write_text(CONFIG)

    def look(**censuses):
        systems = [
            SimpleNamespace(
                name=name,
                check=getattr(census, "check", None),
                census=census,
                expiries=look.expiries,
                rereads=Rereads(kits_of=look.kits_of if name == "erp" else None),
            )
            for name, census in censuses.items()
        ]
        monkeypatch.setattr(check, "open_systems", lambda *_: systems)
        return {one.what: one for one in asyncio.run(check_everything(path))}

    look.folder = tmp_path
    look.expiries = tuple
    look.kits_of = None
    return look


def test_locations_that_a_route_maps_have_to_be_there(found):
    told = found(erp=Places("1", "2", "3"), shop=Places("700", "702"))
    assert told[f"erp: {WHAT}"].ok
    wrong = told[f"shop: {WHAT}"]
    assert not wrong.ok
    assert wrong.mend == "701: no such location; there are 700 (Site 700), 702 (Site 702)"


ORDERS = """
[[routes]]
flow = "orders"
from = "shop"
to = "erp"
"""
RECIPES = """
[kits.SET]
components = { MUG = 2, TRAY = 1 }
[kits.BOX]
components = { SET = 2, OLD = 1 }
[kits.GONE]
components = { MUG = 1, TRAY = 1 }
[units.CASE]
of = "MUG"
count = 12
[aliases]
OLD = "LAMP"
"""
KITS = "erp: kits, made there of what they are made of here"


def says(answer):
    async def kits_of(skus):
        assert skus == ["SET", "BOX", "GONE", "CASE"]
        return {
            sku: {at: Decimal(units) for at, units in made.items()}
            for sku, made in answer.items()
            if sku in skus
        }

    return kits_of


def test_kits_are_made_of_the_same_on_both_sides(found):
    path = found.folder / "syncline.toml"
    path.write_text(ORDERS + CONFIG + RECIPES)
    right = {
        "SET": {"MUG": "2.0", "TRAY": 1},
        "BOX": {"MUG": 4, "TRAY": 2, "LAMP": 1},
        "GONE": {"MUG": 1, "TRAY": 1},
    }
    found.kits_of = says(right)
    assert found(erp=None)[KITS].ok
    # The name that the ERP still uses is no difference; another number, another part and a missing kit are.
    found.kits_of = says({"SET": {"MUG": 3, "TRAY": 1}, "BOX": {"OLD": 1, "SET": 2}, "CASE": {"TRAY": "0.5"}})
    assert found(erp=None)[KITS].mend == (
        "SET is made of 3 × MUG and 1 × TRAY there and of 2 × MUG and 1 × TRAY here: make [kits] say the same; "
        "GONE is no kit there: make it one, of 1 × MUG and 1 × TRAY, or take it out of [kits]; "
        "CASE is made of 0.5 × TRAY there and of 12 × MUG here: make [kits] say the same"
    )


def test_an_erp_that_refuses_to_tell_its_kits_is_named_and_one_without_any_is_not_asked(found):
    async def refuses(_skus):
        raise Retryable("the role may not see items")

    found.kits_of = refuses
    assert KITS not in found(erp=None)
    path = found.folder / "syncline.toml"
    path.write_text(CONFIG + RECIPES)
    assert found(erp=None)[KITS].mend == "the role may not see items"


def test_without_orders_a_kit_may_be_unknown_to_the_erp(found):
    path = found.folder / "syncline.toml"
    path.write_text(CONFIG + RECIPES)
    found.kits_of = says({})
    assert found(erp=None)[KITS].ok


def test_a_system_that_lists_no_locations_is_not_blamed(found):
    told = found(erp=None, shop=Places("700", "701"))
    assert f"erp: {WHAT}" not in told and told[f"shop: {WHAT}"].ok


def test_a_system_that_refuses_the_question_is_named(found):
    told = found(shop=Refused())
    assert not told[f"shop: {WHAT}"].ok
    assert told[f"shop: {WHAT}"].mend == "the token was refused"


def test_a_credential_that_has_ended_is_told_even_if_nothing_else_can_be_asked(found, monkeypatch):
    async def own():
        raise AuthExpired("the token was refused")

    monkeypatch.setattr(Refused, "check", staticmethod(own), raising=False)
    monkeypatch.setattr(found, "expiries", lambda: [Expiry("client secret", 1, "client_secret_expires")])
    told = [one for one in found(shop=Refused()).values() if one.what.startswith("shop: ")]
    assert (
        told[0].what
        == "shop: the client secret has ended (1970-01-01 00:00:00 UTC, says client_secret_expires)"
    )
    assert "Make a new credential" in told[0].mend
    assert [one.what for one in told[1:]] == ["shop: could not be checked"]


def test_a_credential_that_is_refused_is_told_once(found, monkeypatch):
    async def own():
        return [("access token", False, "the token was refused")]

    monkeypatch.setattr(Refused, "check", staticmethod(own), raising=False)
    told = found(shop=Refused())
    assert [what for what, one in told.items() if not one.ok] == ["shop: access token"]


def test_one_fault_that_several_checks_met_is_told_once_with_all_that_met_it(found, monkeypatch):
    ids = ("0b5c1d5e-2222-4333-8444-555555555555", "9a5c1d5e-2222-4333-8444-555555555555")

    class Lost:
        async def read(self, what, position, **_):
            raise Retryable(f"nobody answers ({ids[1]})")
            yield

        async def check(self):
            return [
                ("token", True, ""),
                ("orders", False, f"nobody answers ({ids[0]}): see the address"),
                ("secret", False, "set it"),
                ("items", False, f"nobody answers ({ids[1]})"),
                ("prices", False, ""),
                ("credit", False, ""),
            ]

    told = {what: one for what, one in found(shop=Lost()).items() if what.startswith("shop: ")}
    assert list(told) == [
        "shop: token",
        f"shop: orders, items, {WHAT}",
        "shop: secret",
        "shop: prices",
        "shop: credit",
    ]
    assert told[f"shop: orders, items, {WHAT}"].mend == f"nobody answers ({ids[0]}): see the address"


def test_a_fault_is_never_told_under_what_is_well():
    told = [
        ("the token works", True, ""),
        ("scopes", False, "token"),
        ("webhooks", False, "token"),
        ("a token", True, ""),
    ]
    assert check.each_fault_once(told) == [
        ("the token works", True, ""),
        ("scopes, webhooks", False, "token"),
        ("a token", True, ""),
    ]


def test_a_store_that_the_service_works_with_is_no_fault(found):
    with lock_database(str(found.folder / "syncline.sqlite")):
        told = next(one for what, one in found(erp=None).items() if what.startswith("store"))
    assert told.ok and "in use by process" in told.what
