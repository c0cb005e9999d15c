"""Dialects: what is written is read back, and what is not in a dialect is refused with its field."""

from __future__ import annotations

import codecs
import csv
import io
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from syncline.connectors.files.checks import ENCODINGS
from syncline.connectors.files.declared import Column, Dialect, Write
from syncline.connectors.files.dialect import Reader, Values, Writer, cells
from syncline.connectors.files.xmlrows import records
from syncline.model.errors import Rejected

FIELDS = ("sku", "location", "quantity")
NAMED = tuple(Column(name, name=name.upper()) for name in FIELDS)
SLICED = (
    Column("sku", start=1, width=40),
    Column("location", start=41, width=40),
    Column("quantity", start=81, width=30),
)
CSV = Write(kind="stock", path="out", columns=NAMED, formulas="keep")
texts = st.text(
    st.characters(codec="cp1252", exclude_categories=("Cc", "Cf", "Zl", "Zp")), min_size=1, max_size=40
).map(lambda text: " ".join(text.split())).filter(bool)  # fmt: skip
numbers = st.decimals(min_value=-(10**12), max_value=10**12, allow_nan=False, places=4)


def read_back(write: Write, body: bytes) -> list[list[str]]:
    lines = body.split(b"\r\n")[:-1]
    header = lines.pop(0) if write.format == "csv" and write.header else None
    reader = Reader(write, write.columns, header)
    return [reader.values(line) for line in lines]


@given(
    sku=texts,
    location=texts,
    quantity=numbers,
    delimiter=st.sampled_from(";,|\t"),
    decimal=st.sampled_from(".,"),
)
def test_csv_is_read_back_as_it_was_written(sku, location, quantity, delimiter, decimal):
    write = replace(CSV, delimiter=delimiter, decimal=decimal, encoding="cp1252")
    body = Writer(write).file([{"sku": sku, "location": location, "quantity": quantity}])
    ((sku_, location_, quantity_),) = read_back(write, body)
    assert (sku_, location_) == (sku, location)
    assert Values(write).number(quantity_) == quantity


@given(sku=texts, location=texts, quantity=numbers)
def test_fixed_lines_are_read_back_as_they_were_written(sku, location, quantity):
    write = replace(CSV, format="fixed", columns=SLICED, encoding="cp1252")
    body = Writer(write).file([{"sku": sku, "location": location, "quantity": quantity}])
    ((sku_, location_, quantity_),) = read_back(write, body)
    assert (sku_, location_, Values(write).number(quantity_)) == (sku, location, quantity)


@given(sku=texts, location=texts, quantity=numbers)
def test_xml_is_read_back_as_it_was_written(sku, location, quantity):
    write = replace(CSV, format="xml", record="stock/row")
    body = Writer(write).file([{"sku": sku, "location": location, "quantity": quantity}])
    (row,) = records(io.BytesIO(body), write.record, write.columns)
    assert row.values[:2] == [sku, location]
    assert Values(write).number(row.values[2]) == quantity


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\r\n\x00", codec="utf-8"), max_size=12),
        min_size=2,
        max_size=6,
    )
)
def test_cells_agree_with_another_reader(row):
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(row)
    assert cells(out.getvalue(), ",", '"') == row


@given(st.text('ab",', max_size=12))
def test_a_line_is_read_exactly_as_another_strict_reader_does_or_refused(line):
    try:
        found = cells(line, ",", '"')
    except Rejected:
        return  # stricter than the other, which takes a quote in the middle of a cell
    assert [found] == list(csv.reader([line], strict=True)) or line == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('a,"b,1', "cell 2 opens a quote that does not close"),
        ('a,"b"c,1', "cell 2 goes on after its closing quote"),
        ('a,b"c,1', "cell 2 has a quote in its middle"),
        ("a,b", "2 cells, the others have 3"),
        ("a,b,1,2", "4 cells, the others have 3"),
        ("a,b\x00,1", "control character"),
        ("a,\u202eb,1", "control character"),
    ],
)
def test_a_smuggled_line_is_refused(line, words):
    reader = Reader(CSV, CSV.columns, b"SKU,LOCATION,QUANTITY")
    with pytest.raises(Rejected, match=words):
        reader.values(line.encode())


@pytest.mark.parametrize(
    ("header", "words"),
    [(b"SKU,LOCATION", "'QUANTITY' is not in the header"), (b"SKU,SKU,LOCATION,QUANTITY", "'SKU' is twice")],
)
def test_a_header_that_lacks_a_column_is_refused(header, words):
    with pytest.raises(Rejected, match=words):
        Reader(CSV, CSV.columns, header)


def test_bytes_of_another_encoding_are_refused_with_their_place():
    with pytest.raises(Rejected, match="byte 3 of the line is no utf-8"):
        Reader(CSV, CSV.columns, b"SKU,LOCATION,QUANTITY").values(b"ab\xe9,x,1")


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.234,50", "1234.50"), ("1234,5", "1234.5"), ("12-", "-12"), ("-12", "-12"), ("+3", "3"), ("0", "0")],
)
def test_a_number_is_exact(text, number):
    assert Values(Dialect(decimal=",", thousands=".")).number(text) == Decimal(number)


@pytest.mark.parametrize(
    "text",
    [
        *"1,234.50 1.23,4 12.34 1e5 NaN Infinity 0x10 -1- ١٢ 1_000 1..2 =1+1 --1".split(),
        "",
        " ",
        "1 2",
        "9" * 41,
        "9" * 20,
    ],
)
def test_what_is_no_number_here_is_refused(text):
    with pytest.raises(Rejected):
        Values(Dialect(decimal=",", thousands=".")).number(text)


@given(st.integers(946_684_800_000, 4_102_444_800_000 - 86_400_000))
def test_a_moment_is_read_back(at_ms):
    values = Values(Dialect(date_format="%d.%m.%Y %H:%M:%S.%f %z", timezone="Europe/Berlin"))
    assert values.moment(values.write_moment(at_ms)) == at_ms


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-03-29T02:30:00", "that hour was left out"),
        ("0001-01-01T00:00:00", "can be meant"),
        ("29.02.2026", "no moment written as"),
        ("2026-02-29T00:00:00", "no moment written as"),
    ],
)
def test_what_is_no_moment_here_is_refused(text, words):
    with pytest.raises(Rejected, match=words):
        Values(Dialect(timezone="Europe/Berlin")).moment(text)


def test_of_an_hour_that_comes_twice_the_first_is_meant():
    values = Values(Dialect(timezone="Europe/Berlin"))
    assert values.moment("2026-10-25T02:30:00") == 1_792_888_200_000


# --- what we write ---------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["=1+1", "+1", "-cmd", "@SUM(A1)", '=HYPERLINK("x")'])
def test_what_a_spreadsheet_would_run_is_escaped(text):
    write = replace(CSV, formulas="escape")
    body = Writer(write).file([{"sku": text, "location": "M", "quantity": -1}])
    ((sku, _, quantity),) = read_back(write, body)
    assert sku == "'" + text
    assert quantity == "-1", "a number of ours is none of those"


def test_a_byte_order_mark_comes_once():
    body = Writer(replace(CSV, encoding="utf-8-sig")).file([{"sku": "é", "location": "M", "quantity": 1}] * 2)
    assert body.decode("utf-8-sig").splitlines() == ["SKU,LOCATION,QUANTITY", "é,M,1", "é,M,1"]
    assert body.count(b"\xef\xbb\xbf") == 1


# Character Sets of IANA: names and aliases of what we write, in lower case.
REGISTERED = frozenset(
    "us-ascii utf-8 iso-8859-1 latin1 iso-8859-2 iso-8859-15 windows-1250 windows-1251 windows-1252 ibm437 ibm850 ibm852".split()
)


@pytest.mark.parametrize("encoding", ENCODINGS.split())
def test_xml_names_its_encoding_as_any_reader_knows_it(encoding):
    write = replace(CSV, format="xml", record="stock/row", encoding=encoding)
    body = Writer(write).file([{"sku": "A", "location": "M", "quantity": 1}])
    (named,) = re.findall(rb'encoding="(.*?)"', body)
    assert named.decode().lower() in REGISTERED
    same = "utf-8" if encoding == "utf-8-sig" else encoding
    assert codecs.lookup(named.decode()).name == codecs.lookup(same).name


def test_a_line_break_cannot_make_a_second_record():
    body = Writer(CSV).file([{"sku": "A\r\nB,X,1", "location": "M", "quantity": 1}])
    assert read_back(CSV, body) == [["A B,X,1", "M", "1"]]


@pytest.mark.parametrize(
    ("change", "sku", "words"),
    [
        ({"encoding": "ascii"}, "é", "sku: .* cannot be written as ascii"),
        ({"format": "fixed", "columns": SLICED}, "x" * 41, "sku: .* has 41 characters, its column 40"),
        ({"quote": "", "delimiter": ";"}, "a;b", "no quote is declared"),
        ({}, "a\x07b", "sku: .* control character"),
        ({"format": "xml", "record": "stock/row"}, "a\uffffb", "sku: .* control character"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_field(change, sku, words):
    with pytest.raises(Rejected, match=words):
        Writer(replace(CSV, **change)).line({"sku": sku, "location": "M", "quantity": 1})


# --- XML -------------------------------------------------------------------------------------------

COLUMNS = (
    Column("sku", name="@sku"),
    Column("quantity", name="on/hand"),
    Column("location", name="../@site"),
)


def rows(body: str, columns=COLUMNS):
    return [
        (row.line, row.values, row.refused)
        for row in records(io.BytesIO(body.encode()), "stock/site/row", columns)
    ]


def test_fields_of_xml_are_found_within_and_above_their_record():
    body = """<stock><site site="MAIN"><row sku="A"><on><hand> 3 </hand></on></row>
<row sku="B"/></site><site site="NORTH"><x:row xmlns:x="y" sku="C"><on><hand>1</hand></on></x:row></site></stock>"""
    assert rows(body) == [
        (1, ["A", "3", "MAIN"], ""),
        (2, ["B", "", "MAIN"], ""),
        (2, ["C", "1", "NORTH"], ""),
    ]


def test_a_field_that_comes_twice_is_refused():
    body = '<stock><site site="M"><row sku="A"><on><hand>3</hand><hand>4</hand></on></row></site></stock>'
    assert rows(body)[0][2] == "field quantity: the record has it twice"


LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (f'<!DOCTYPE s [<!ENTITY l0 "ha">{LAUGHS}]><stock>&l9;</stock>', "line 1: it has a DOCTYPE"),
        ('<!DOCTYPE s SYSTEM "file:///etc/passwd"><stock/>', "line 1: it has a DOCTYPE"),
        ("<stock>" + "<a>" * 20_000, "nested deeper than 16"),
        (f"<stock>{'x' * 70_000}</stock>", "more than 65536 characters"),
        (
            "<stock>" + "".join(f"<n{n}/>" for n in range(1_100)) + "</stock>",
            "more than 1000 different parts",
        ),
        ("<stock><site>", "line 1: no element found"),
        ("<stock>&unknown;</stock>", "undefined entity"),
        ("<stock></stock><stock/>", "junk after document element"),
        ("", "no element found"),
        ('<?xml version="1.0" encoding="klingon"?><stock/>', "unknown encoding"),
    ],
)
def test_xml_that_is_a_bomb_or_broken_is_refused_with_its_line(body, words):
    with pytest.raises(Rejected, match=words):
        rows(body)
