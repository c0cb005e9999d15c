"""``plan.toml`` and ``syncline plan``: what is wrong is named with its mend; what is written says what was planned."""

from __future__ import annotations

import html
import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from syncline.cli import app
from syncline.model.errors import Misconfigured
from syncline.planner.choice import planned
from syncline.runtime.config import parse
from syncline.runtime.plan import REST, question_of
from syncline.runtime.plan_ask import interview
from syncline.runtime.plan_write import keys_of, planned_config, span

EXAMPLE = Path(__file__).parents[2] / "examples" / "06_plan" / "plan.toml"
SMALL = """\
[systems.erp]
vendor = "netsuite"
[systems.shop]
vendor = "shopify"
[volumes]
skus = 1000
orders_per_day = 100
[[flows]]
flow = "inventory"
from = "erp"
to = "shop"
tolerance = "5m"
"""
ROUTES = """\
[systems.erp]
connector = "netsuite"
[systems.shop]
connector = "shopify"

[[routes]]
flow = "inventory"
from = "erp"
to = "shop"
tolerance = "5s"   # of stock
locations = { "1" = "70" }

[routes.rule]
safety_stock = 1

[[routes]]
# orders, too
flow = "orders"
from = "shop"
to = "erp"
"""


def plan_of(text: str = SMALL):
    return planned(question_of(text))


# --- the file ----------------------------------------------------------------------------------------------


def test_the_example_asks_a_whole_question():
    question = question_of(EXAMPLE.read_text())
    assert len(question.routes) > 10
    stock = question.routes[0]
    assert [one.name for one in stock.segments] == ["high", "low", "medium"]
    assert sum(one.records for one in stock.segments) == 18_000 * 3
    assert question.systems["erp"].share == 0.6
    assert {one.vendor.connector == "" for one in question.systems.values()} == {True, False}


def test_volumes_stand_in_for_what_a_flow_does_not_say():
    route = question_of(SMALL).routes[0]
    assert (route.records, route.changes_per_day) == (1000, 250)
    assert route.peak_per_hour == pytest.approx(30)
    own = question_of(SMALL + "records = 7\nchanges_per_day = 48\npeak_hour = '50%'").routes[0]
    assert (own.records, own.changes_per_day, own.peak_per_hour) == (7, 48, 24)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('vendor = "shopify"', 'vendr = "shopify"', "did you mean `vendor`"),
        ('vendor = "shopify"', 'vendor = "shopfy"', "did you mean 'shopify'"),
        ('vendor = "shopify"', 'vendor = "shopify"\nlicence = "plsu"', "did you mean 'plus'"),
        ('vendor = "netsuite"', 'vendor = "acumatica"', "systems.erp.calls_at_once: only the licence"),
        ('vendor = "netsuite"', 'vendor = "netsuite"\nlimit_share = "0%"', "nothing can be called at 0 %"),
        ('vendor = "netsuite"', 'vendor = "netsuite"\nlimit_share = "much"', "is no share"),
        ("[systems.erp]", "[systems.ERP]", "a lower-case letter"),
        ('flow = "inventory"', 'flow = "inventroy"', "did you mean 'inventory'"),
        ('to = "shop"', 'to = "shpo"', "did you mean 'shop'"),
        ('to = "shop"', 'to = "erp"', "in agreement with itself"),
        ('to = "shop"', "to = []", "name at least one system"),
        ('tolerance = "5m"', 'tolerance = "soon"', "is no duration"),
        ('tolerance = "5m"', 'tolerance = "0s"', "nothing arrives in no time"),
        ('tolerance = "5m"', 'tolerance = "5m"\nif_event_lost = "1m"', "contradicts the tolerance"),
        ('tolerance = "5m"', 'tolerance = "5m"\npeak_hour = "1%"', "a twenty-fourth"),
        ('tolerance = "5m"', 'tolerance = "5m"\nvia = "erp"', "erp is no broker"),
        ('tolerance = "5m"', 'tolerance = "5m"\ncost_each = -1', "cost_each"),
        (
            'tolerance = "5m"',
            'tolerance = "5m"\nsegments.high = { tolerance = "1h", records = "1%", changes = "9%" }',
            "high may be older than medium",
        ),
        (
            'tolerance = "5m"',
            ('tolerance = "5m"\nsegments.a = { tolerance = "1h", records = "60%", changes = "60%" }\n'
            'segments.b = { tolerance = "1h", records = "60%", changes = "1%" }'),
            "more than the whole flow",
        ),
        (
            'tolerance = "5m"',
            'tolerance = "5m"\nsegments.a = { tolerance = "1h", records = "0%", changes = "1%" }',
            "a segment has records and changes",
        ),
        (
            'tolerance = "5m"',
            'tolerance = "5m"\nsegments.a = { tolerance = "1h", records = "100%", changes = "90%" }',
            "all records are named and 90% of the changes",
        ),
        ("skus = 1000\norders_per_day = 100", "", "nothing says how many records change"),
        ("skus = 1000", 'skus = "many"', "volumes"),
        ("[volumes]", "[volumes", "not valid TOML"),
        ("[volumes]", '[compare]\nbatch = "1s"\n[volumes]', "a minute is the least"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_mend(old, new, words):
    assert old in SMALL
    with pytest.raises(Misconfigured, match=re.escape(words)):
        question_of(SMALL.replace(old, new))


def test_the_same_route_twice_and_too_many_are_refused():
    flow = SMALL[SMALL.index("[[flows]]") :]
    with pytest.raises(Misconfigured, match="asked for twice"):
        question_of(SMALL + flow)
    with pytest.raises(Misconfigured, match="at least one"):
        question_of("flows = []\n" + SMALL.replace(flow, ""))


def test_what_the_plan_says_of_its_account_stands_in_the_licences_place():
    systems = question_of(
        SMALL.replace('vendor = "netsuite"', 'vendor = "netsuite"\ncalls_at_once = 2')
    ).systems
    assert [one.at_once for one in systems["erp"].limits] == [2]
    capped = question_of(
        SMALL.replace('vendor = "netsuite"', 'vendor = "netsuite"\ncalls_per_day = 900')
    ).systems
    assert [(one.calls, one.at_once) for one in capped["erp"].limits] == [(900, 0), (0, 5)]


def test_segments_that_are_no_classes_leave_a_rest():
    more = 'segments.contract = { tolerance = "15m", records = "30%", changes = "10%", cost_each = 9 }'
    parts = question_of(SMALL.replace('"inventory"', '"prices"') + more).routes[0].segments
    assert [one.name for one in parts] == ["contract", REST]
    assert parts[0].harm.cost_each == 9


def test_halves_are_the_whole_however_their_records_are_rounded():
    halves = "".join(
        f'segments.{name} = {{ tolerance = "15m", records = "50%", changes = "50%" }}\n' for name in "ab"
    )
    asked = SMALL.replace('"inventory"', '"prices"').replace("skus = 1000", "skus = 1003") + halves
    assert [one.name for one in question_of(asked).routes[0].segments] == ["a", "b"]


def test_records_that_no_segment_names_are_read_though_none_of_them_changes():
    some = 'segments.contract = { tolerance = "15m", records = "30%", changes = "100%" }'
    (asked,) = question_of(SMALL.replace('"inventory"', '"prices"') + some).routes
    assert asked.records == 1_000
    assert [one.changes_per_day for one in asked.segments] == [20.0, 0.0]


# --- into the configuration --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ms", "text"), [(250, "250ms"), (5_000, "5s"), (240_000, "4m"), (82_800_000, "23h"), (86_400_000, "1d")]
)
def test_a_duration_is_written_as_the_configuration_reads_it(ms, text):
    assert span(ms) == text


def test_a_plan_changes_its_own_keys_and_nothing_else():
    plan = plan_of()
    text, left_out = planned_config(plan, ROUTES)
    assert left_out == []
    before, after = tomllib.loads(ROUTES), tomllib.loads(text)
    stock = plan.routes[0]
    assert after["routes"][0] == before["routes"][0] | keys_of(stock)
    assert after["routes"][1:] == before["routes"][1:]
    assert after["systems"] == before["systems"]
    assert 'tolerance = "5m"   # of stock' in text
    assert "# orders, too" in text
    assert after["plan"]["routes"]["inventory:erp->shop"]["changes_per_hour"] == 30
    assert planned_config(plan, text)[0] == text  # the second time nothing is left to do


def test_what_was_planned_before_is_replaced():
    once, _ = planned_config(plan_of(), ROUTES)
    twice, _ = planned_config(plan_of(SMALL.replace('"5m"', '"1h"')), once)
    assert twice.count("[plan.routes]") == 1
    assert tomllib.loads(twice)["routes"][0]["tolerance"] == "1h"


def test_a_route_is_added_where_nothing_more_has_to_be_known():
    more = '[[flows]]\nflow = "order_status"\nfrom = "erp"\nto = "shop"\n[[flows]]\nflow = "prices"\nfrom = "erp"\nto = "shop"\n'
    text, left_out = planned_config(plan_of(SMALL + more), ROUTES)
    routes = tomllib.loads(text)["routes"]
    assert [one["flow"] for one in routes] == ["inventory", "orders", "order_status"]
    assert routes[2]["capture"] == "events"
    assert len(left_out) == 1
    assert "prices:erp->shop is left out: its price lists have to be named" in left_out[0]


def test_a_configuration_that_cannot_be_changed_safely_is_left_alone():
    apart = ROUTES.replace("[routes.rule]", '[routes.segments]\nhigh = "5s"\n[routes.rule]')
    more = 'segments.high = { tolerance = "20s", records = "1%", changes = "9%" }\n'
    with pytest.raises(Misconfigured, match="by hand"):
        planned_config(plan_of(SMALL + more), apart)
    inline = 'routes = [{ flow = "inventory", from = "erp", to = "shop" }]\n'
    with pytest.raises(Misconfigured, match="by hand"):
        planned_config(plan_of(), inline)


def test_a_new_configuration_is_one_that_can_be_read(monkeypatch, tmp_path):
    text, _ = planned_config(plan_of(), "")
    for name in re.findall(r"env:(\w+)", text):
        monkeypatch.setenv(name, "x" * 40)
    (tmp_path / "netsuite.pem").write_text("key")
    config = parse(text, folder=tmp_path)
    route = config.routes.all[0]
    assert (route.events, route.tolerance_ms) == (True, 300_000)
    assert config.watch.planned.routes["inventory:erp->shop"].worst_ms > 0
    assert set(config.watch.planned.calls_per_hour) == {"erp", "shop"}


# --- the interview -----------------------------------------------------------------------------------------


def talk(answers: dict[str, str]):
    """Answers by the beginning of a question; everything else takes its default."""
    heard: list[str] = []

    def ask(question: str, default: str) -> str:
        heard.append(question)
        for start, answer in answers.items():
            if question.strip().startswith(start):
                return answers.pop(start) if start.endswith("!") else answer
        return default

    return ask, heard


def test_an_interview_ends_in_a_plan_that_can_be_kept():
    ask, heard = talk({"Another one?": "", "What does each": "12.5", "Which licence of Shopify": "plus"})
    text = interview(ask, heard.append)
    raw = tomllib.loads(text)
    assert [one["flow"] for one in raw["flows"]] == ["inventory", "orders", "prices", "order_status"]
    assert (raw["flows"][1]["from"], raw["flows"][1]["to"]) == ("shop", "erp")
    assert raw["systems"]["shop"] == {"vendor": "shopify", "licence": "plus"}
    assert question_of(text).routes[0].segments[0].harm.known


def test_an_answer_that_makes_no_sense_is_asked_again_with_the_reason():
    said: list[str] = []
    tries = iter(["lots", "-3", "700"])

    def ask(question: str, default: str) -> str:
        if question == "How many SKUs?":
            return next(tries)
        return "" if question.startswith("Another") else default

    assert tomllib.loads(interview(ask, said.append))["volumes"]["skus"] == 700
    assert [one for one in said if "no whole number" in one] == [
        "'lots' is no whole number",
        "'-3' is no whole number",
    ]
    with pytest.raises(Misconfigured, match="made no sense"):
        interview(lambda question, default: "nonsense", said.append)


# --- the command -------------------------------------------------------------------------------------------


def run(*arguments: object):
    return CliRunner().invoke(app, ["plan", *map(str, arguments)])


def test_the_command_writes_every_kind_of_document(tmp_path):
    files = {name: tmp_path / f"plan.{name}" for name in ("markdown", "html", "svg")}
    told = run(
        EXAMPLE,
        *(part for name, at in files.items() for part in (f"--{name}", at)),
        "--json-file",
        tmp_path / "p.json",
    )
    assert told.exception is None or isinstance(told.exception, SystemExit), told.output
    doc = msgspec.json.decode((tmp_path / "p.json").read_bytes())
    assert told.exit_code == (0 if doc["kept"] else 1)
    page = html.unescape(files["html"].read_text())
    assert page.count("<svg") == 1
    assert not re.search(r"(?:src|href)=|@import|url\(", page)  # it needs nothing else
    assert doc["title"] in page
    assert files["markdown"].read_text().startswith(f"# {doc['title']}")
    assert files["svg"].read_text().startswith("<svg")


def test_without_a_file_to_write_the_document_is_told(tmp_path):
    (tmp_path / "plan.toml").write_text(SMALL)
    told = run(tmp_path / "plan.toml")
    assert told.exit_code == 0
    assert "## 2 The pattern of each flow" in told.output
    assert msgspec.json.decode(run(tmp_path / "plan.toml", "--json").output)["kept"]


def test_a_configuration_is_never_changed_without_a_word(tmp_path):
    (tmp_path / "plan.toml").write_text(SMALL)
    config = tmp_path / "syncline.toml"
    config.write_text(ROUTES)
    told = run(tmp_path / "plan.toml", "--write", "--config", config)
    assert isinstance(told.exception, Misconfigured)
    assert "--yes" in str(told.exception)
    assert config.read_text() == ROUTES
    told = run(tmp_path / "plan.toml", "--write", "--yes", "--config", config)
    assert told.exit_code == 0
    assert '+tolerance = "5m"' in told.output
    assert (tmp_path / "syncline.toml.before-plan").read_text() == ROUTES
    assert "as planned already" in run(tmp_path / "plan.toml", "--write", "--config", config).output


def test_an_interview_does_not_overwrite_a_plan(tmp_path):
    (tmp_path / "plan.toml").write_text(SMALL)
    told = run(tmp_path / "plan.toml", "--ask")
    assert isinstance(told.exception, Misconfigured)
    assert (tmp_path / "plan.toml").read_text() == SMALL


def compared(drift: bool) -> dict:
    one = {
        "subject": "inventory:erp->shop",
        "figure": "worst case",
        "planned": 8_000,
        "measured": 20_000,
        "drift": drift,
        "planned_text": "8 s",
        "measured_text": "20 s",
    }
    return {"compared": [one], "notes": ["orders:shop->erp is configured and not planned."]}


@pytest.mark.parametrize(("drift", "mark", "code"), [(True, "DRIFT", 1), (False, "ok", 0)])
def test_a_service_that_left_its_plan_is_shown_and_ends_with_one(monkeypatch, drift, mark, code):
    asked = []
    monkeypatch.setattr("syncline.cli.plan.call", lambda *asking: asked.append(asking[1:]) or compared(drift))
    told = run("--check")
    assert asked == [("GET", "/v1/plan")]
    assert told.exit_code == code
    assert re.search(rf"^{mark} +inventory:erp->shop worst case +8 s +20 s$", told.output, re.MULTILINE)
    assert "configured and not planned" in told.output
    assert msgspec.json.decode(run("--check", "--json").output) == compared(drift)


def test_a_configuration_that_is_begun_names_the_tables_of_its_systems():
    """Of a partner who exchanges files they stand in tables of their own; at a channel they are other ones."""
    names = {
        "[systems.erp]": "[systems.warehouse]",
        "netsuite": "files",
        "shopify": "files",
        '"erp"': '"warehouse"',
    }
    text = SMALL
    for old, new in names.items():
        text = text.replace(old, new)
    begun, _ = planned_config(plan_of(text), "")
    systems = tomllib.loads(begun)["systems"]
    assert list(systems) == ["warehouse", "shop"]
    assert [[one["kind"] for one in systems[name]["reads"]] for name in systems] == [
        ["stock", "items"],
        ["items"],
    ]
    assert [one["kind"] for one in systems["shop"]["writes"]] == ["stock"]
