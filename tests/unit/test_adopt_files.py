"""What a person writes for an adoption: its section of the configuration, decisions, a moment, references."""

from __future__ import annotations

import csv
import io

import pytest
from tests.unit.support import order

from syncline.engine.adoption import Adopted, Adoption, AdoptRules, State, fill
from syncline.engine.routes import Route, Routes
from syncline.model.change import Flow
from syncline.model.errors import Misconfigured
from syncline.runtime.adopting import decisions_of, moment_ms, suggestions_csv, write_private
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


CONTROL = "\t\r\0"


class Found:
    """A survey that suggests one buyer, who chose what to be called."""

    channel = "shop"

    def __init__(self, name: str) -> None:
        row = {
            "id": "ab12",
            "sku": "+49@example.com",
            "title": name,
            "erp_sku": "",
            "erp_title": "Ann",
            "why": "",
        }
        self._customers = {"suggested": [row]}
        self.channels = [self]

    def as_json(self):
        return {"items": {"suggested": []}, "customers": self._customers}


@pytest.mark.parametrize(
    "name", ['=HYPERLINK("http://evil.example")', "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\0=1"]
)
def test_a_spreadsheet_shows_what_a_buyer_is_called_and_runs_none_of_it(tmp_path, name):
    text = suggestions_csv(Found(name))
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert (row["title"], row["sku"], row["erp_title"]) == (
        f"'{name.strip(CONTROL)}",
        "'+49@example.com",
        "Ann",
    )
    path = tmp_path / "s.csv"
    path.write_text(text.replace("\n,", "\nconfirm,"), encoding="utf-8", newline="")
    assert decisions_of(path) == {"ab12": True}


def test_no_buyer_decides_by_what_they_are_called(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text(suggestions_csv(Found("Ann\rconfirm,ab12,shop\nconfirm,ab12,shop")), encoding="utf-8")
    assert decisions_of(path) == {}


def test_what_names_buyers_is_for_its_owner_alone(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("older, and longer than what follows")
    path.chmod(0o644)
    write_private(path, "new\n")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new\n", 0o600)
    (tmp_path / "elsewhere").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for wrong in (tmp_path / "link", tmp_path / "none" / "s.csv"):
        with pytest.raises(Misconfigured, match="cannot be written"):
            write_private(wrong, "x")
    assert (tmp_path / "elsewhere").read_text() == "kept"
