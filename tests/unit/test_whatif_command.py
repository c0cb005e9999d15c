"""``syncline whatif`` as it is called: a file in, figures and a page out, and what it says of bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.asked import ASK

from syncline.cli.whatif_run import run
from syncline.model.copying import replace
from syncline.model.errors import Misconfigured

HEAD = "Order,Date,Article,Units,Remark"
ROWS = (
    "536365,2026-09-21T05:00:00Z,TEE-1,5,first",
    "536366,2026-09-21T05:02:00Z,TEE-1,3,",
    "536366,2026-09-21T05:02:00Z,TEE-1,-3,back",
    "536367,2026-09-23T10:20:00Z,TEE-1,5,",
)
COLUMNS = ("order_id=Order", "placed_at=Date", "sku=Article", "quantity=Units")


def call(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    path = folder / "orders.csv"
    path.write_text("\n".join((HEAD, *ROWS)) + "\n", encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "syncline.cli", "whatif", "--orders", str(path), *options],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_from_an_exported_file_to_the_report(tmp_path):
    columns = [part for one in COLUMNS for part in ("--column", one)]
    wanted = [
        "--design",
        "daily",
        "--design",
        "hybrid",
        "--channels",
        "1",
        "--seed",
        "3",
        "--cost-call",
        "0.01",
    ]
    done = call(
        tmp_path, *columns, *wanted, "--html", str(tmp_path / "w.html"), "--json", str(tmp_path / "w.json")
    )
    assert done.returncode == 0, done.stderr
    assert "skipped: 1 × quantity not above zero (a return, or nothing): line 4" in done.stderr
    assert "kept: 1 × head with columns that are not read (Remark): line 1" in done.stderr
    assert "hybrid sold nothing that was not there" in done.stdout
    found = json.loads((tmp_path / "w.json").read_text())
    assert list(found["designs"]) == ["daily", "hybrid"]
    hybrid = found["designs"]["hybrid"]
    assert {"units_sold", "units_oversold", "orders_oversold", "units_hidden", "bound_kept"} <= hybrid.keys()
    assert set(hybrid["calls"]) == set(hybrid["writes"]) == {"a", "erp"}
    assert {"p50", "p99", "max"} <= hybrid["lag_ms"]["inventory"].keys() & hybrid["lag_ms"]["orders"].keys()
    assert float(hybrid["cost"]["total"]) == round(0.01 * sum(hybrid["calls"].values()), 2)
    assert found["history"]["source"] == "orders.csv" and found["history"]["lines"] == 3
    page = (tmp_path / "w.html").read_text()
    assert page.startswith("<!doctype html>") and "TEE-1" not in page.partition("<script")[0]


PLAN = """
systems.ns = { vendor = "netsuite", licence = "premium" }
systems.shop = { vendor = "shopify", licence = "advanced" }
volumes = { skus = 500, orders_per_day = 3 }
flows = [
    { flow = "inventory", from = "ns", to = "shop" },
    { flow = "orders", from = "shop", to = "ns" },
    { flow = "prices", from = "ns", to = "shop", tolerance = "1h" },
]
"""


def test_with_a_plan_its_channels_are_played_and_all_of_its_flows_told(tmp_path):
    columns = [part for one in COLUMNS for part in ("--column", one)]
    plan, figures, ledger = (tmp_path / name for name in ("plan.toml", "w.json", "l.csv"))
    plan.write_text(PLAN)
    wanted = ["--design", "hybrid", "--plan", str(plan), "--json", str(figures), "--ledger", str(ledger)]
    done = call(tmp_path, *columns, *wanted)
    assert done.returncode == 0, done.stderr
    assert "Over all flows of the plan hybrid makes" in done.stdout
    found = json.loads(figures.read_text())
    assert found["stage"]["erp"] == "ns" and list(found["stage"]["channels"]) == ["shop"]
    assert set(found["designs"]["hybrid"]["calls"]) == {"shop", "ns"}
    assert "prices" in {row["flow"] for row in found["all_flows"]["designs"]["hybrid"]["flows"]}
    assert ledger.read_text().startswith("design,at,event,system,")


@pytest.mark.slow
def test_against_simulators_the_vendors_of_the_plan_are_played(tmp_path):
    columns = [part for one in COLUMNS for part in ("--column", one)]
    plan, figures = tmp_path / "plan.toml", tmp_path / "w.json"
    plan.write_text(PLAN)
    wanted = ["--design", "hybrid", "--plan", str(plan), "--json", str(figures), "--lines", "2"]
    done = call(tmp_path, *columns, *wanted, "--against", "simulators")
    assert done.returncode == 0, done.stderr
    found = json.loads(figures.read_text())
    assert found["stage"]["against"] == "simulators"
    assert found["stage"]["vendors"]["shop"] == {"vendor": "shopify", "licence": "advanced"}
    hybrid = found["designs"]["hybrid"]
    assert (hybrid["units_sold"], hybrid["units_oversold"], hybrid["numbers_differ"]) == (8, 0, 0)
    refused = call(tmp_path, *columns, *wanted, "--against", "simulators", "--checkouts", "unseen")
    assert refused.returncode == 2 and "play unseen" in refused.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"checkout_minutes": float("nan")}, "--checkout-minutes nan: write a number"),
        ({"checkout_minutes": 1e6}, "--checkout-minutes 1e.06: at most 1,440"),
        ({"limit": float("inf")}, "--limit inf: write a number"),
        ({"limit": float("nan")}, "--limit nan: write a number"),
        ({"lost": float("nan")}, "--lost nan"),
        ({"orders_per_hour": float("nan")}, "--orders-per-hour nan: write a number"),
        ({"split": "nan/1"}, "--split nan/1: write shares"),
        ({"split": "inf/1"}, "--split inf/1: write shares"),
    ],
)
def test_a_figure_that_is_none_is_refused_in_words(more, says):
    with pytest.raises(Misconfigured, match=says):
        run(replace(ASK, generate_orders=1, **more))


def test_a_date_that_is_a_mistake_makes_no_play_of_decades(tmp_path, capsys):
    path = tmp_path / "orders.csv"
    rows = (ROWS[0].replace("2026-09-21", "1999-09-21"), *ROWS[1:])
    path.write_text("\n".join((HEAD, *rows)) + "\n", encoding="utf-8")
    with pytest.raises(
        Misconfigured, match="of 9,865 days, from 1999-09-21 to 2026-09-23; 1,100 can be played"
    ):
        run(replace(ASK, orders=path, columns=COLUMNS))
    assert "line 3 (9862.0 days after 1999-09-21)" in capsys.readouterr().err


def test_what_cannot_be_played_is_said_before_anything_is_played(tmp_path):
    done = call(tmp_path, "--design", "daily")
    assert done.returncode == 2
    assert "the columns order_id, placed_at, sku, quantity are missing" in done.stderr
    assert "Traceback" not in done.stderr
