"""Field tables and their versions: what is written into an order, tried beforehand, applied, and taken back in one step."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from tests.unit.support import START_MS, line, order
from typer.testing import CliRunner

from syncline.cli import app, mapping
from syncline.engine.audit import Audit
from syncline.engine.catalog import Catalog
from syncline.engine.codec import encode
from syncline.engine.delivery.build import Builder, Due, Refuse, Send
from syncline.engine.mappings import Mappings
from syncline.engine.rewind import Rewind
from syncline.engine.routes import SEP, Route, Routes
from syncline.mapping.expressions import MappingError
from syncline.mapping.tables import ORDER, order_values, read_tables
from syncline.model.capabilities import Capabilities
from syncline.model.change import Flow
from syncline.model.errors import Misconfigured
from syncline.model.payloads import FieldValue
from syncline.model.records import Address, Customer, Item, Payment
from syncline.ports import System, Write
from syncline.stores.sqlite import SqliteStore

WRITABLE = {"erp": "custbody[a-z0-9_]{1,80}", "shop": ""}
TEXT = """
[erp.order]
custbody_channel = "channel"
custbody_gift = "contains(lower(order.note), 'gift')"
custbody_due = "add_days(order.placed, 3)"
custbody_net = "order.total - order.tax"
custbody_po = "order.po_number"
"""
ROUTE = Route(Flow.ORDERS, "shop", "erp", 10_000)


def whole(**more):
    """An order that has everything."""
    address = Address("N", "C", "1", "2", "City", "R", "P", "GB", "T")
    return order(
        line("l1", "A", 2, "10.00"),
        **{
            "note": "a Gift", "customer": Customer("c", "N", "e@example.com", "t"), "shipping_to": address, "billing": address,
            "payments": (Payment("p", Decimal(1), "GBP", START_MS, "card"),), "po_number": "PO", **more,
        },
    )  # fmt: skip


def test_each_field_is_written_as_its_type():
    tables = read_tables(TEXT, WRITABLE)
    assert tables.fields("erp", whole(po_number=""), "shop") == (
        FieldValue("custbody_channel", "string", "shop"),
        FieldValue("custbody_gift", "boolean", "true"),
        FieldValue("custbody_due", "date", "2026-09-24"),
        FieldValue("custbody_net", "decimal", "20.00"),
    )  # what is none is left out
    assert tables.fields("shop", whole(), "shop") == ()


def test_an_order_has_a_value_of_the_right_type_for_every_path():
    kinds = {"string": str, "decimal": Decimal, "date": date, "boolean": bool, "list": tuple}
    values = order_values(whole(), "shop")
    assert {path: kinds[type_] for path, type_ in ORDER.items()} == {
        path: type(value) for path, value in values.items()
    }


def test_an_odd_order_is_cut_to_the_languages_bounds():
    odd = whole(note="x" * 9_000, total=Decimal(10) ** 30, placed_at_ms=2**62)
    values = order_values(odd, "shop")
    assert len(values["order.note"]) == 4_000
    assert "order.total" not in values
    assert "order.placed" not in values


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[", "not valid TOML"),
        ("a = " + "9" * 5_000, "not valid TOML"),
        ("[other.order]\na = '1'", "other: no such system is configured; there are erp, shop"),
        ("erp = 1", "erp: write [erp.order]"),
        ("[erp.item]\na = '1'", "erp.item: fields can be written in order"),
        ("[shop.order]\na = '1'", "shop.order: this system's connector cannot write"),
        ("[erp]\norder = 1", "erp.order: a table of 100 fields"),
        ("[erp.order]\nmemo = '1'", "erp.order.memo: this field cannot be written; its name has to match custbody"),
        ("[erp.order]\ncustbody_a = 1", "erp.order.custbody_a: an expression is a text in quotes, not 1"),
        ("[erp.order]\ncustbody_a = 'order.nmber'", "erp.order.custbody_a: at character 1: there is no 'order.nmber'; did you mean 'order.number'?"),
        ("[erp.order]\ncustbody_a = 'order.lines.sku'", "erp.order.custbody_a: a list cannot be written; join()"),
        ("a" * 70_000, "larger than"),
        ("[erp.order]\n" + "".join(f"custbody_{n} = '1'\n" for n in range(101)), "100 fields at most"),
    ],
)  # fmt: skip
def test_a_wrong_table_names_the_field_and_the_mend(text, says):
    with pytest.raises(MappingError) as error:
        read_tables(text, WRITABLE)
    assert says in str(error.value)


# --- keys of many parts ---------------------------------------------------------------------------------------------

DEEP = "a." * 20_000
UNFINISHED = {
    "quotes": '"' * 60_000,
    "escapes": '"\\' * 30_000,
    "literals": "'''" + "' " * 30_000,
    "long text": '"""' + '\\"""' * 15_000,
    "dots": ". " * 30_000,
    "one word": "." + "a" * 60_000,
    "short keys": (".a" * 7 + " b") * 3_000,
}


@pytest.fixture
def unread(monkeypatch):
    """TOML that reaches the reader fails the test: it is what costs."""

    def loads(text):
        raise AssertionError("this was read")

    monkeypatch.setattr("syncline.mapping.tables.tomllib.loads", loads)


@pytest.mark.parametrize(
    "text",
    [
        f"{DEEP}a = 1",
        f"[{DEEP}a]",
        f"[[{DEEP}a]]",
        f"[{'a . ' * 9_000}a]\n" + "b.c = 1\n" * 3_000,
        "a = {" + '"b".' * 9_000 + "c = 1}",
        "a = {" + "'b'\t.\t" * 9_000 + "c = 1}",
        f'x = """ \\""" " "" """\n{DEEP}a = 1',
        f"x = ''' \\ '' '''\n{DEEP}a = 1",
        f'x = "a # \\" b" # " \n{DEEP}a = 1',
        f"x = 'a # \\' # ' \n{DEEP}a = 1",
        f'x = """"quoted""""" # """\n{DEEP}a = 1',
    ],
)
def test_a_key_of_many_parts_is_refused_before_it_is_read(unread, text):
    with pytest.raises(MappingError, match=r"more than 8 parts; write \[system.order\]"):
        read_tables(text, WRITABLE)


def test_many_dots_that_are_no_key_are_read():
    dots = "1.2.3.4.5.6.7.8.9.10.11.12"
    for form in (""" "'{}'" # {}""", ' """\\\n\'{}\'""" # \'{}', " '''\n'{}' ''' # \" {}"):
        text = f"# {dots}\n[erp.order]\ncustbody_a ={form.replace('{}', dots)}\n"
        assert read_tables(text, WRITABLE).fields("erp", whole(), "shop")[0].text == dots
    fields = ", ".join(f"order.custbody_{n} = 'order.billing.city'" for n in range(30))
    assert len(read_tables(f"erp = {{{fields}}}", WRITABLE).fields("erp", whole(), "shop")) == 30


@pytest.mark.parametrize("text", UNFINISHED.values(), ids=UNFINISHED)
@pytest.mark.timeout(10)  # the square of 60,000 takes longer
def test_looking_for_them_goes_over_no_text_twice(text):
    with pytest.raises(MappingError, match="not valid TOML"):
        read_tables(text, WRITABLE)


# --- versions -------------------------------------------------------------------------------------------------------


class Clock:
    at_ms = START_MS
    rested = 0

    def now_ms(self):
        self.at_ms += 1
        return self.at_ms

    async def sleep(self, seconds):
        self.rested += 1


class Stage:
    def __init__(self) -> None:
        self.store = SqliteStore.open(":memory:", now_ms=START_MS)
        self.clock = Clock()
        routes = Routes([ROUTE])
        systems = {
            name: System(name, "", Capabilities(order_fields=pattern), None, None, None)
            for name, pattern in WRITABLE.items()
        }
        self.mappings = Mappings(self.store, self.clock, routes, systems)
        self.audit = Audit(self.store, self.clock)
        catalog = Catalog(None)
        catalog.put("erp", Item("A", "501"))
        self.builder = Builder(
            self.store, catalog, routes, None, "erp", Rewind(None, None, routes), mappings=self.mappings
        )

    async def apply(self, text, by="Ada", note=""):
        return await self.mappings.apply(text, note=note, by=by, audit=self.audit)

    async def rollback(self):
        return await self.mappings.rollback(by="Otto", audit=self.audit)

    async def place(self, key="7001", **more):
        record = {
            "system": "shop", "kind": "order", "key": key, "version": 1, "tiebreak": 1, "changed_at_ms": START_MS,
            "observed_at_ms": START_MS, "offset": 1, "hash": "", "body": encode(whole(key=key, **more)),
        }  # fmt: skip
        await self.store.write(Write("record_put", [record]))

    async def built(self, key="7001"):
        due = {f"{key}{SEP}1": Due(ROUTE, START_MS)}
        return next(iter((await self.builder.build("put_order", due, START_MS)).values()))


def field(text):
    return f"[erp.order]\ncustbody_a = {text!r}\n"


async def test_versions_are_kept_and_the_last_one_is_taken_back_in_one_step():
    stage = Stage()
    with pytest.raises(MappingError, match="nothing was applied"):
        await stage.rollback()
    for n in (1, 2, 3):
        made = await stage.apply(field(f"{n}"), note=f"n{n}")
        assert (made.number, made.by, made.note, made.restores) == (n, "Ada", f"n{n}", 0)
    back = await stage.rollback()
    assert (back.number, back.restores, back.text, back.by) == (4, 2, field("2"), "Otto")
    again = await stage.rollback()
    assert (again.number, again.restores, again.text) == (5, 1, field("1"))
    assert (await stage.rollback()).text == ""  # from before the first
    assert [one.number for one in await stage.mappings.history()] == [6, 5, 4, 3, 2, 1]
    await stage.apply(field("7"))
    assert (await stage.rollback()).text == ""
    entries = await stage.audit.newest(before=2**62, limit=20)
    assert [entry.action for entry in entries][:3] == [
        "roll back mapping",
        "apply mapping",
        "roll back mapping",
    ]
    assert entries[1].actor == "Ada"


async def test_what_brings_back_what_was_brought_back_finds_its_text():
    stage = Stage()
    await stage.apply(field("1"))
    await stage.apply(field("2"))
    assert (await stage.rollback()).text == field("1")
    await stage.apply(field("3"))
    back = await stage.rollback()
    assert (back.text, back.restores) == (field("1"), 1)


async def test_a_wrong_mapping_is_not_applied_and_of_two_at_once_one_is():
    stage = Stage()
    with pytest.raises(MappingError, match="custbody_a"):
        await stage.apply(field("nothing"))
    newest = await stage.mappings.newest()
    await stage.apply(field("1"))
    with pytest.raises(MappingError, match="somebody else applied"):
        await stage.mappings._put(newest, field("2"), "", 0, "Otto", stage.audit)
    assert (await stage.mappings.newest()).text == field("1")


async def test_an_order_is_written_with_the_fields_of_the_mapping_in_force():
    stage = Stage()
    await stage.place()
    assert (await stage.built()).payload.fields == ()
    await stage.apply(field("'x' & order.number"))
    assert (await stage.built()).payload.fields == (FieldValue("custbody_a", "string", "x#7001"),)
    before = (await stage.built()).note
    await stage.rollback()
    after = await stage.built()
    assert isinstance(after, Send)
    assert after.payload.fields == ()
    assert after.note == before  # another mapping writes no order anew


async def test_an_order_whose_field_cannot_be_computed_waits_for_a_person():
    stage = Stage()
    await stage.place()
    await stage.apply(field("1 / order.discount"))
    refused = await stage.built()
    assert isinstance(refused, Refuse)
    assert refused.reason == "mapping_failed"
    assert "order #7001: erp.order.custbody_a: a number is divided by nothing" in refused.detail


async def test_a_trial_tells_what_would_change_and_changes_nothing():
    stage = Stage()
    for key, note in (("1", "a gift"), ("2", ""), ("3", "b")):
        await stage.place(key, note=note, number=f"#{key}", discount=Decimal(key) - 3)
    await stage.apply(field("order.note"))
    found = await stage.mappings.trial(field("upper(order.note)") + "custbody_b = '6 / order.discount'\n")
    assert (found.orders, found.changed, found.failed) == (3, 2, 1)
    assert [(one.order, one.field, one.before, one.after) for one in found.changes] == [
        ("shop #1", "custbody_a", "a gift", "A GIFT"),
        ("shop #1", "custbody_b", None, "-3"),
        ("shop #2", "custbody_b", None, "-6"),
    ]
    assert found.errors == (
        "shop #3: erp.order.custbody_b: a number is divided by nothing, or cannot be computed",
    )
    assert (await stage.mappings.trial(field("order.note"))).changed == 0
    gone = await stage.mappings.trial("")
    assert [(one.before, one.after) for one in gone.changes] == [("a gift", None), ("b", None)]
    assert (await stage.mappings.trial(field("'x'"), limit=1)).orders == 1
    assert stage.clock.rested >= 3 * 3 + 1  # after each order others have their turn
    assert len(await stage.mappings.history()) == 1


# --- the commands ---------------------------------------------------------------------------------------------------

VERSION = {"number": 2, "at_ms": START_MS, "by": "Ada", "note": "why", "restores": 0, "text": TEXT}
TRIAL = {
    "orders": 3, "changed": 1, "failed": 1, "errors": ["shop #3: divided"],
    "changes": [{"order": "shop #1", "field": "custbody_a", "before": None, "after": "x"}],
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch):
    calls = []

    def call(config, method, path, body=None):
        calls.append((method, path, body))
        return TRIAL if path.endswith("try") else [VERSION] if method == "GET" else VERSION

    monkeypatch.setattr(mapping, "call", call)
    return calls


def test_each_command_asks_for_one_thing_and_tells_it(asked, tmp_path):
    path = tmp_path / "m.toml"
    path.write_text(TEXT)

    def output(*arguments):
        answer = CliRunner().invoke(app, ["mapping", *arguments])
        assert answer.exit_code == 0, answer.output
        return answer.output

    told = output("try", str(path), "--limit", "9")
    assert "3 orders: 1 would change, 1 cannot be computed" in told
    assert "shop #1  custbody_a: nothing -> 'x'" in told
    assert "shop #3: divided" in told
    assert "version 2" in output("apply", str(path), "--note", "why")
    assert "Ada  5 lines  why" in output("rollback")
    assert "version 2" in output("history")
    assert asked == [
        ("POST", "/v1/mapping/try", {"text": TEXT, "limit": 9}),
        ("POST", "/v1/mapping/apply", {"text": TEXT, "note": "why"}),
        ("POST", "/v1/mapping/rollback", {}),
        ("GET", "/v1/mapping", None),
    ]
    gone = CliRunner().invoke(app, ["mapping", "apply", str(tmp_path / "gone")])
    assert isinstance(gone.exception, Misconfigured)
