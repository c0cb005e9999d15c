"""Order histories: what is read, what is left out and why, and the stock case by hand."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.model.errors import Misconfigured
from syncline.simulate.history import (
    COLUMNS,
    HistoryLine,
    HistoryOrder,
    generate_history,
    read_history,
    stock_case,
    weekly_moments,
)

HEADER = ",".join(COLUMNS)
GOOD = "536365,2010-12-01T08:26:00,85123A,LANTERN,6,2.55,17850,United Kingdom"
ELSE = GOOD.replace("536365", "536366")


def write(folder, *rows: str, header: str = HEADER, name: str = "orders.csv"):
    path = folder / name
    text = "\n".join((header, *rows)) + "\n"
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_in_order_of_time(tmp_path):
    later = GOOD.replace("536365", "536366").replace("08:26", "07:00")
    more = GOOD.replace("85123A", "71053").replace(",6,", ",2,")
    history = read_history(write(tmp_path, GOOD, later, more))
    assert [order.id for order in history.orders] == ["536366", "536365"]
    (first, second) = history.orders[1].lines
    assert (first.sku, first.quantity, first.unit_price, first.title) == (
        "85123A",
        6,
        Decimal("2.55"),
        "LANTERN",
    )
    assert (second.sku, second.quantity) == ("71053", 2)
    assert history.orders[1].placed_at_ms == int(datetime(2010, 12, 1, 8, 26, tzinfo=UTC).timestamp() * 1000)
    assert (history.lines(), history.skipped) == (3, Counter())


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (GOOD.replace("536365", "C536365"), "cancellation"),
        (GOOD.replace("536365", "c536365"), "cancellation"),
        (GOOD.replace("536365", "A563185"), "bad debt"),
        (GOOD.replace("85123A", "POST"), "not goods"),
        (GOOD.replace("85123A", ""), "no SKU"),
        (GOOD.replace("536365", " "), "no order id"),
        (GOOD.replace(",6,", ",-6,"), "quantity not above zero"),
        (GOOD.replace(",6,", ",0,"), "quantity not above zero"),
        (GOOD.replace(",6,", ", -6,"), "quantity not above zero"),
        (GOOD.replace(",6,", ",-1.5,"), "quantity not above zero"),
        (GOOD.replace(",6,", ",,"), "no quantity"),
        (GOOD.replace("2.55", "0.00"), "price not above zero"),
        (GOOD.replace("2.55", "-1"), "price not above zero"),
        (GOOD.replace("2.55", " -1"), "price not above zero"),
        (GOOD.replace("2.55", ""), "no price"),
        (GOOD.replace(",6,", ",six,"), "unreadable quantity"),
        (GOOD.replace(",6,", ",1_0,"), "unreadable quantity"),
        (GOOD.replace(",6,", ',"1,000",'), "unreadable quantity"),
        (GOOD.replace(",6,", ",1.5,"), "quantity that is no whole number"),
        (GOOD.replace("2.55", "cheap"), "unreadable price"),
        (GOOD.replace("2.55", "1_0"), "unreadable price"),
        (ELSE.replace("2010-12-01T08:26:00", "yesterday"), "unreadable moment (wanted is ISO 8601"),
        (ELSE.replace("2010-12-01T08:26:00", "1899-12-30T00:00:00"), "unreadable moment"),
        (ELSE.replace("2010-12-01T08:26:00", ""), "no moment"),
        (GOOD.replace("2.55", "Infinity"), "absurd number"),
        (GOOD.replace("2.55", "NaN"), "absurd number"),
        (GOOD.replace("2.55", "1e12"), "absurd number"),
        (GOOD.replace(",6,", ",9999999999,"), "absurd number"),
        ("536365", "no SKU"),
    ],
)
def test_dirt_is_counted_and_named(tmp_path, row, reason):
    history = read_history(write(tmp_path, GOOD, row))
    assert len(history.orders) == 1
    ((named, count),) = history.skipped.items()
    assert named.startswith(reason)
    assert count == 1


def test_a_packed_file_and_an_offset_are_understood(tmp_path):
    moved = GOOD.replace("08:26:00", "08:26:00+01:00")
    history = read_history(write(tmp_path, moved, name="orders.csv.gz"))
    assert history.orders[0].placed_at_ms == int(datetime(2010, 12, 1, 7, 26, tzinfo=UTC).timestamp() * 1000)


def test_reading_stops_where_it_is_told(tmp_path):
    rows = [GOOD.replace("536365", str(n)) for n in range(10)]
    assert [order.id for order in read_history(write(tmp_path, *rows), orders_max=3).orders] == [
        "0",
        "1",
        "2",
    ]


@pytest.mark.parametrize(
    ("rows", "header", "says"),
    [
        ((GOOD,), HEADER.replace(",sku", ""), "sku are missing"),
        ((GOOD.replace("536365", "C1"),), HEADER, "no usable order line.*cancellation"),
        ((), HEADER, "no usable order line"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path, rows, header, says):
    with pytest.raises(Misconfigured, match=says):
        read_history(write(tmp_path, *rows, header=header))


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(Misconfigured, match="cannot be read"):
        read_history(tmp_path / "none.csv")
    (tmp_path / "odd.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Misconfigured, match="no UTF-8 CSV"):
        read_history(tmp_path / "odd.csv")
    (tmp_path / "odd.csv.gz").write_bytes(b"not packed")
    with pytest.raises(Misconfigured, match="cannot be read"):
        read_history(tmp_path / "odd.csv.gz")


# --- what is kept, and should be known ----------------------------------------------------------------------


ELSE_LINE_ONLY = GOOD.replace("2010-12-01T08:26:00", "").replace(",6,", ",7,")


@pytest.mark.parametrize(
    ("rows", "what", "lines"),
    [
        ((GOOD, GOOD), "line that is in its order already", ["3"]),
        (
            (GOOD, GOOD.replace("08:26", "08:27").replace(",6,", ",7,")),
            "moment that differs from that of its order",
            ["3"],
        ),
        ((GOOD, ELSE.replace("08:26:00", "08:26:00+01:00")), "time zone +0100, where the first", ["3"]),
        ((GOOD, ELSE_LINE_ONLY), "line without a moment (that of its order counts)", ["3"]),
        ((GOOD.replace("08:26:00", "08:26:00Z"), ELSE), "no time zone, read as UTC, where the first", ["3"]),
        (
            (GOOD, ELSE.replace("12-01", "12-06")),
            "gap of more than 4 days",
            ["3 (5.0 days after 2010-12-01)"],
        ),
    ],
)
def test_what_is_odd_is_named_with_its_lines(tmp_path, rows, what, lines):
    history = read_history(write(tmp_path, *rows))
    ((named, count),) = history.noticed.items()
    assert named.startswith(what)
    assert (count, history.where[named]) == (1, lines)
    assert history.skipped == Counter()
    assert history.findings()[0].startswith(f"kept: 1 × {what}")


def test_only_the_first_lines_are_named_and_all_are_counted(tmp_path):
    history = read_history(write(tmp_path, GOOD, *[GOOD.replace(",6,", ",-6,")] * 9))
    (line,) = history.findings()
    assert line == "skipped: 9 × quantity not above zero (a return, or nothing): line 3, 4, 5, 6, 7, …"


def test_lines_are_counted_as_an_editor_does(tmp_path):
    broken = GOOD.replace("LANTERN", '"LAN\nTERN"')
    history = read_history(write(tmp_path, broken, ELSE.replace(",6,", ",-6,")))
    assert list(history.where.values()) == [["4"]]
    both = write(tmp_path, broken.replace(",6,", ",-6,"), broken.replace(",6,", ",six,"))
    with pytest.raises(Misconfigured) as refused:
        read_history(both)
    assert "a return, or nothing): line 2; skipped: 1 ×" in str(refused.value)
    assert "such as 3): line 4 ('six')" in str(refused.value)


def test_one_zone_is_one_however_it_is_written_and_cells_may_have_spaces_around_them(tmp_path):
    rows = [GOOD.replace("08:26:00", f"08:26:00{zone}") for zone in ("Z", "+00:00", " +0000")]
    history = read_history(
        write(tmp_path, *(row.replace(",6,", f", {n}.00 ,") for n, row in enumerate(rows, 3)))
    )
    assert history.findings() == []
    assert [line.quantity for line in history.orders[0].lines] == [3, 4, 5]
    spaced = read_history(write(tmp_path, GOOD, ELSE.replace("85123A", " 85123A ")))
    assert {line.sku for order in spaced.orders for line in order.lines} == {"85123A"}


def test_a_file_that_breaks_off_or_breaks_names_the_line(tmp_path):
    whole = write(tmp_path, *[GOOD] * 500, name="orders.csv.gz").read_bytes()
    (tmp_path / "half.csv.gz").write_bytes(whole[:-12])
    with pytest.raises(Misconfigured, match="cannot be read: Compressed file ended"):
        read_history(tmp_path / "half.csv.gz")
    (tmp_path / "old.csv").write_bytes(
        f"{HEADER}\n{GOOD}\n".encode() + GOOD.replace("LANTERN", "Tür").encode("cp1252")
    )
    with pytest.raises(Misconfigured, match=r"no UTF-8 CSV \(line 3\): save it as UTF-8"):
        read_history(tmp_path / "old.csv")
    with pytest.raises(Misconfigured, match="line 3 is no CSV: field larger than"):
        read_history(write(tmp_path, GOOD, GOOD.replace("LANTERN", "x" * 140_000)))


def test_repeated_lines_can_be_left_out(tmp_path):
    history = read_history(write(tmp_path, GOOD, GOOD, ELSE), repeats=False)
    assert (history.lines(), history.skipped) == (2, Counter({"line that is in its order already": 1}))


def test_columns_of_other_names_and_other_separators(tmp_path):
    path = tmp_path / "export.csv"
    path.write_text(
        "\ufeffName;Created at;Lineitem sku;Lineitem quantity;Notes\n#1001;2026-03-02 10:11:12 +0100;TEE-1;2;hello\n",
        encoding="utf-8",
    )
    columns = {
        "order_id": "Name",
        "placed_at": "Created at",
        "sku": "Lineitem sku",
        "quantity": "Lineitem quantity",
    }
    history = read_history(path, columns=columns, goods="auto")
    (order,) = history.orders
    assert (order.id, order.lines[0].sku, order.lines[0].quantity) == ("#1001", "TEE-1", 2)
    assert order.placed_at_ms == int(datetime(2026, 3, 2, 9, 11, 12, tzinfo=UTC).timestamp() * 1000)
    assert history.noticed == Counter({"head with columns that are not read (Notes)": 1})
    with pytest.raises(
        Misconfigured, match="the columns Prize are missing"
    ):  # said by --column, so it is wanted
        read_history(path, columns={**columns, "unit_price": "Prize"})
    with pytest.raises(Misconfigured, match="there are order_id"):
        read_history(path, columns={"when": "Created at"})
    with pytest.raises(Misconfigured, match="columns order_id, placed_at, sku, quantity are missing"):
        read_history(path)


def test_more_cells_than_columns_are_a_wrong_line(tmp_path):
    history = read_history(write(tmp_path, GOOD, GOOD + ",more"))
    assert history.skipped == Counter({"more cells than columns": 1})


def test_what_is_no_goods_is_judged_by_the_file(tmp_path):
    own = [GOOD.replace("536365", f"A{n}").replace("85123A", "TEE-RED") for n in range(3)]
    assert len(read_history(write(tmp_path, *own), goods="auto").orders) == 3
    assert len(read_history(write(tmp_path, *own), goods="all").orders) == 3
    with pytest.raises(Misconfigured, match="no usable order line"):
        read_history(write(tmp_path, *own), goods="digits")
    with pytest.raises(Misconfigured, match="--goods some"):
        read_history(write(tmp_path, *own), goods="some")
    postage = GOOD.replace("85123A", "POST")
    refund = GOOD.replace("536365", "C1")
    third = GOOD.replace("536365", "536367")
    history = read_history(write(tmp_path, GOOD, ELSE, third, postage, refund), goods="auto")
    assert (history.lines(), sum(history.skipped.values())) == (3, 2)
    assert all(reason.endswith("--goods all keeps them") for reason in history.skipped)
    assert read_history(write(tmp_path, GOOD, ELSE, third, postage, refund), goods="all").lines() == 5
    # Where two of five SKUs begin with a letter they are goods of another kind, and no dirt.
    mixed = [GOOD.replace("85123A", sku) for sku in ("1A", "2A", "3A", "MUG", "CAP")]
    assert read_history(write(tmp_path, *mixed), goods="auto").lines() == 5


# --- the stock case ------------------------------------------------------------------------------------------


def placed(day: int, *lines: tuple[str, int], number: str = "1") -> HistoryOrder:
    made = tuple(HistoryLine(sku, f"{sku} title", quantity, Decimal("1.50")) for sku, quantity in lines)
    return HistoryOrder(number, day * 86_400_000 + 40_000_000, "", "", made)


def test_the_stock_case_by_hand():
    case = stock_case(
        [
            placed(1, ("A", 3), ("B", 1)),
            placed(1, ("A", 2)),  # the same date again: 5 units on one day of sale
            placed(9, ("A", 6), ("C", 100)),
        ],
    )
    # A: 11 units on 2 dates with a sale: ceil(7 x 5.5) = 39. B: 7 x 1 = 7. C: 7 x 100.
    assert case.target == {"A": 39, "B": 7, "C": 700}
    assert case.titles["A"] == "A title"
    assert case.prices["C"] == Decimal("1.50")
    # 60/30/10 of 39 is 23.4, 11.7, 3.9: 23 + 11 + 3, and the two units left go to .9 and .7.
    assert case.split("A") == [23, 12, 4]
    assert case.split("B") == [4, 2, 1]  # 4.2, 2.1, 0.7
    assert case.split("C") == [420, 210, 70]


@given(st.integers(1, 50), st.integers(1, 5))
def test_a_split_is_whole(quantity, days):
    case = stock_case([placed(day, ("A", quantity)) for day in range(days)])
    assert case.target["A"] == 7 * quantity
    assert sum(case.split("A")) == case.target["A"]


def test_a_made_history_is_its_seeds_and_in_order_of_time():
    one, again, other = (
        generate_history(5, orders=80, skus=30),
        generate_history(5, orders=80, skus=30),
        generate_history(6, orders=80, skus=30),
    )
    assert one.orders == again.orders != other.orders
    moments = [order.placed_at_ms for order in one.orders]
    assert moments == sorted(moments)
    assert all(8 <= moment // 3_600_000 % 24 < 20 for moment in moments)
    assert all(line.quantity > 0 and line.unit_price > 0 for order in one.orders for line in order.lines)


# --- weekly moments ------------------------------------------------------------------------------------------

instants = st.integers(0, 2 * 10**12)


@given(instants, st.integers(0, 40 * 86_400_000), st.integers(0, 6), st.integers(0, 23))
def test_weekly_moments_are_all_of_that_hour_and_no_other(start, length, weekday, hour):
    found = list(weekly_moments(start, start + length, weekday, hour))
    expected = []
    at = datetime.fromtimestamp(start // 1000, UTC).replace(minute=0, second=0) - timedelta(hours=1)
    while (ms := int(at.timestamp() * 1000)) <= start + length:
        if ms > start and (at.weekday(), at.hour) == (weekday, hour):
            expected.append(ms)
        at += timedelta(hours=1)
    assert found == expected


def test_the_end_belongs_to_it_and_the_start_does_not():
    monday = int(datetime(2026, 3, 2, 6, tzinfo=UTC).timestamp() * 1000)
    week = 7 * 86_400_000
    assert list(weekly_moments(monday, monday + week, 0, 6)) == [monday + week]
    assert list(weekly_moments(monday - 1, monday + week - 1, 0, 6)) == [monday]
