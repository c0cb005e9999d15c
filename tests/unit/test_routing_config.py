"""[routing]: every wrong line names its field and the mend; places and past orders are read from files."""

from __future__ import annotations

import gzip
from decimal import Decimal

import pytest
from tests.unit.test_config import GOOD, HOOK, KEY, TOKEN
from typer.testing import CliRunner

from syncline.cli import app, routing
from syncline.model.errors import Misconfigured, Rejected
from syncline.routing.places import Point
from syncline.routing.policy import Rule
from syncline.runtime.config import parse
from syncline.runtime.routing import read_places
from syncline.runtime.routing_orders import read_orders

ORDERS = """
[[routes]]
flow = "orders"
from = "shop"
to = "erp"
"""
ROUTING = """
[routing]
currency = "GBP"
cost_per_parcel = 4.00
cost_per_order = 1.50
cost_per_km = 0.002
orders_per_day = 500
places = "places.csv"

[routing.locations.1]
latitude = 51.5
longitude = -0.1
cost_per_line = 0.25
zones = [{ km = 100, cost = 3 }, { km = 800, cost = 7.5 }]

[routing.locations.2]
postcode = "M1 1AA"
orders_per_hour = 40

[[routing.rules]]
name = "islands"
countries = ["gb"]
postcodes = ["bt", "je"]
exclude = ["1"]

[[routing.rules]]
skus = ["A"]
prefer = ["2"]
worth = 2
"""
PLACES = "postcode,lat,lon,name\nM1 1AA,53.48,-2.24,Manchester\nNOWHERE,,,\nM1,53.5,-2.2,\n"


@pytest.fixture
def read(tmp_path):
    (tmp_path / "hook").write_text(HOOK)
    (tmp_path / "key.pem").write_text(KEY)
    (tmp_path / "places.csv").write_text(PLACES)

    def parsed(text: str = ROUTING):
        return parse(
            GOOD + ORDERS * ('flow = "orders"' not in GOOD) + text,
            variables={"SHOP_TOKEN": TOKEN},
            folder=tmp_path,
        ).routing

    return parsed


def test_what_is_written_is_what_the_engine_gets(read):
    policy = read()
    assert policy.channels == {"shop"}
    assert (policy.currency, policy.cost_per_parcel, policy.parcels_max) == ("GBP", 4, 3)
    one, two = policy.site("1"), policy.site("2")
    assert one.point == Point(51.5, -0.1)
    assert (one.cost_per_order, one.cost_per_line, one.cost_per_km) == (
        Decimal("1.5"),
        Decimal("0.25"),
        Decimal("0.002"),
    )
    assert one.zones == ((100, 3), (800, Decimal("7.5")))
    assert (one.orders_per_day, one.orders_per_hour) == (500, None)
    assert two.point == Point(53.48, -2.24)
    assert (two.orders_per_day, two.orders_per_hour, two.zones) == (500, 40, ())
    islands, second = policy.rules
    assert islands == Rule("rule 'islands'", countries=("GB",), postcodes=("BT", "JE"), exclude=("1",))
    assert second == Rule("rule 2", skus=("A",), prefer=("2",), worth=Decimal(2))
    assert policy.places.find("GB", "M1 9ZZ") == Point(53.5, -2.2)
    assert policy.places.find("GB", "NOWHERE") is None


def test_without_the_section_nothing_is_routed(read):
    assert read("") is None


def test_quotes_alone_route_no_orders(read):
    assert read("[routing]\nchannels = []\n").channels == frozenset()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("parcels = 3", "did you mean `parcels_max`"),
        ("parcels_max = 0", "parcels_max"),
        ("parcels_max = 7", "parcels_max"),
        ("refusals_max = 21", "refusals_max"),
        ('moves = "never"', "moves"),
        ('channels = ["market"]', "routing.channels: 'market' has no orders route; shop would do"),
        (
            "[routing.locations.9]\nlatitude = 5\nlongitude = 5",
            "routing.locations.9: no inventory route maps",
        ),
        (
            '[[routing.rules]]\nname = "x"\nexclude = ["9"]',
            "rule 'x': no inventory route maps an ERP location '9'",
        ),
        (
            '[[routing.rules]]\nexclude = ["1"]\nchannels = ["market"]',
            "rule 1: 'market' has no orders route; shop",
        ),
        ('currency = "DOLLAR"', "routing.currency"),
        ("cost_per_order = -1", "routing.cost_per_order: -1 must lie between 0"),
        ("cost_per_km = inf", "routing.cost_per_km"),
        ("zones = [{ km = 5, cost = 1 }, { km = 5, cost = 2 }]", "routing.zones: give them nearest first"),
        ("zones = [{ km = 5, cost = -1 }]", "routing.zones.cost"),
        ("zones = [{ km = 5, price = 1 }]", "unknown field `price`"),
        ("orders_per_day = -1", "orders_per_day"),
        ('places = "gone.csv"', "gone.csv cannot be read"),
        ("[routing.locations.1]\nlatitude = 5", "routing.locations.1: give both latitude and longitude"),
        ("[routing.locations.1]\nlatitude = 95\nlongitude = 0", "routing.locations.1: 95"),
        ('[routing.locations.1]\npostcode = "X"', "routing.locations.1.postcode: routing.places has no"),
        ('[routing.locations.1]\nzip = "X"', "unknown field `zip`"),
        ('[[routing.rules]]\nname = "x"', "routing.rules[0]: name locations under exclude or prefer"),
        ('[[routing.rules]]\nprefer = ["1"]', "prefer and worth go together"),
        ('[[routing.rules]]\nexclude = ["1"]\nworth = 2', "prefer and worth go together"),
        ('[[routing.rules]]\nexclude = ["1"]\nregoins = ["GB"]', "did you mean `regions`"),
    ],
)
def test_a_wrong_line_names_its_field_and_the_mend(read, text, says):
    with pytest.raises(Misconfigured) as error:
        read(f"[routing]\n{text}\n")
    assert says in str(error.value)


# --- tables of places -----------------------------------------------------------------------------------------


def test_a_table_may_be_compressed_and_of_several_countries(tmp_path):
    path = tmp_path / "p.csv.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbfCountry,ZIP,LAT,LNG\nus,00501,40.9,-72.6\nDE,00501,50,10\n"))
    places = read_places(path)
    assert places.find("US", "00501") == Point(40.9, -72.6)
    assert places.find("DE", "00501") == Point(50, 10)
    assert places.find("FR", "00501") is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no column postcode, latitude, longitude"),
        (b"zip,lat\n1,2\n", "no column longitude"),
        (b"zip,lat,lon\n1,2,3\n2,north,3\n", "line 3"),
        (b"zip,lat,lon\n1,2,300\n", "line 2: 2.0, 300.0 is no latitude"),
        (b"zip,lat,lon\n1,2\n", "line 2"),
        (b"zip,lat,lon\n\xff,2,3\n", "is no UTF-8 CSV"),
    ],
)
def test_a_table_that_makes_no_sense_says_where(tmp_path, content, says):
    (tmp_path / "p.csv").write_bytes(content)
    with pytest.raises(Misconfigured, match=r"routing\.places") as error:
        read_places(tmp_path / "p.csv")
    assert says in str(error.value)


# --- past orders from a file ----------------------------------------------------------------------------------


def test_orders_are_gathered_from_their_lines_and_what_is_skipped_is_counted(tmp_path):
    path = tmp_path / "o.csv"
    path.write_text(
        "order_id,sku,quantity,country,postcode,location\n1,A,2,US,55425,70\n1,B,1,US,55425,\n2,A,-1,,,\n,A,1,,,\n3,A,1,,,\n4,A,1,,,\n"
    )
    orders, skipped = read_orders(path, 2)
    assert orders == [
        {
            "order": "1",
            "lines": [
                {"sku": "A", "quantity": 2, "location": "70"},
                {"sku": "B", "quantity": 1, "location": ""},
            ],
            "to": {"country": "US", "region": "", "postcode": "55425"},
        },
        {
            "order": "3",
            "lines": [{"sku": "A", "quantity": 1, "location": ""}],
            "to": {"country": "", "region": "", "postcode": ""},
        },
    ]
    assert skipped == {"no quantity of 1 or more": 1, "no order or SKU": 1}


@pytest.mark.parametrize(
    ("content", "says"),
    [("order_id,sku\n", "columns quantity are missing"), ("order_id,sku,quantity\n", "no usable")],
)
def test_a_file_of_no_use_says_why(tmp_path, content, says):
    (tmp_path / "o.csv").write_text(content)
    with pytest.raises(Misconfigured, match=says):
        read_orders(tmp_path / "o.csv", 10)


# --- the commands ---------------------------------------------------------------------------------------------

TOTALS = {"parcels": 3, "split_orders": 1, "cost": "12.50", "km": 401.2}
ANSWER = {
    "orders": 3, "compared": 2, "same": 1, "incomplete": 0, "was": TOTALS, "would_be": TOTALS, "currency": "GBP",
    "skipped": {"unknown_sku": 1}, "biggest": [{"order": "#7", "was": "2 parcels", "would_be": "1 parcel"}],
    "reasons": ["1 parcel for 2.00 GBP"], "sent": [{"units": 2, "sku": "A=B", "location": "1"}], "message": "Said.",
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch):
    calls = []

    def call(config, method, path, body=None):
        calls.append((method, path, body))
        return ANSWER

    monkeypatch.setattr(routing, "call", call)
    return calls


def invoke(*arguments):
    return CliRunner().invoke(app, ["routing", *arguments])


def test_a_quote_is_asked_for_and_told(asked):
    answer = invoke("quote", "A=B=2", "--channel", "shop", "--postcode", "M1")
    to = {"country": "", "region": "", "postcode": "M1"}
    body = {"channel": "shop", "lines": [{"sku": "A=B", "quantity": 2}], "to": to}
    assert asked == [("POST", "/v1/routing/quote", body)]
    assert "1 parcel for 2.00 GBP" in answer.output
    assert "2 × A=B from 1" in answer.output
    assert isinstance(invoke("quote", "A", "--channel", "shop").exception, Rejected)


def test_refusals_are_said_and_taken_back(asked):
    assert invoke("refuse", "#7", "2", "--sku", "A", "--reason", "wet").exit_code == 0
    assert invoke("allow", "#7").exit_code == 0
    assert asked == [
        ("POST", "/v1/routing/refuse", {"order": "#7", "location": "2", "sku": "A", "reason": "wet"}),
        ("POST", "/v1/routing/allow", {"order": "#7"}),
    ]


def test_a_dry_run_tells_what_was_and_would_be(asked, tmp_path):
    answer = invoke("dry-run", "--channel", "shop", "--days", "7", "--limit", "9")
    assert asked.pop() == (
        "POST",
        "/v1/routing/dry-run",
        {"channel": "shop", "days": 7, "limit": 9, "stock": "now"},
    )
    assert "3 orders: 2 compared, 1 of them sent from the same places" in answer.output
    assert (
        "would be" in answer.output
        and "12.50 GBP" in answer.output
        and "#7: 2 parcels; would be 1 parcel" in answer.output
    )
    (tmp_path / "o.csv").write_text("order_id,sku,quantity\n1,A,2\n2,A,0\n")
    (tmp_path / "r.toml").write_text("[routing]\nparcels_max = 2\n")
    invoke(
        "dry-run",
        "--channel",
        "shop",
        "--orders",
        str(tmp_path / "o.csv"),
        "--rules",
        str(tmp_path / "r.toml"),
    )
    body = asked.pop()[2]
    assert [one["order"] for one in body["orders"]] == ["1"]
    assert body["rules"] == {"parcels_max": 2}
    (tmp_path / "r.toml").write_text("[store]\n")
    refused = invoke("dry-run", "--channel", "shop", "--rules", str(tmp_path / "r.toml"))
    assert isinstance(refused.exception, Misconfigured)
