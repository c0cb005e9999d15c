"""The ledger of a play: when a change of stock has landed at a channel, by hand."""

from __future__ import annotations

import pytest

from syncline.model.change import Flow
from syncline.simulate.lean import NO_OUTAGE, Outage
from syncline.simulate.ledger import EDGES_MS, REFUSED, TRUTH, Lags, Ledger, Timeline

HOUR_MS = 3_600_000


class Stage:
    """Two channels that show numbers of SKU A, and a clock that stands still."""

    def __init__(self, there: int, *, outage: Outage = NO_OUTAGE, measures: bool = True) -> None:
        self.now_ms = 1_000_000
        self.shown = [there, there]
        self.stock = {"A": there}
        self.ledger = Ledger(
            [lambda _sku: self.shown[0], lambda _sku: self.shown[1]],
            self.stock,
            now_ms=lambda: self.now_ms,
            outage=outage,
            lags=measures,
            timeline=Timeline(0),
            felt_ms=1_000,
        )

    def sell(self, channel: int, units: int, *, known_after_ms: int = 0, untold: bool = False) -> None:
        before = self.stock["A"]
        self.stock["A"] -= units
        self.shown[channel] -= units
        beyond = max(0, units - max(0, before))
        self.ledger.sold(channel, "A", units, before, beyond, self.now_ms + known_after_ms, untold=untold)

    def write(self, channel: int, number: int, after_ms: int = 0) -> None:
        self.now_ms += after_ms
        self.shown[channel] = number
        self.ledger.wrote(channel, ["A"])

    def lags(self, flow: Flow = Flow.INVENTORY) -> list[int]:
        return list(self.ledger.lags[flow].all)

    def untold(self, flow: Flow = Flow.INVENTORY) -> list[int]:
        return list(self.ledger.lags[flow].untold)


def test_a_sale_lands_at_the_other_channel_and_not_at_its_own():
    stage = Stage(10)
    stage.sell(0, 4)
    stage.write(1, 6, after_ms=900)
    assert stage.lags() == [900]
    stage.ledger.close()
    assert stage.lags() == [900]


def test_a_number_that_lacks_only_the_latest_change_has_all_before_it():
    stage = Stage(10)
    stage.sell(0, 4)
    stage.now_ms += 500
    stage.sell(0, 1)
    stage.now_ms += 500
    stage.sell(0, 2)
    stage.write(1, 5, after_ms=100)  # after two of the three
    assert stage.lags() == [1_100, 600]
    stage.write(1, 3, after_ms=400)
    assert stage.lags() == [1_100, 600, 500]


def test_a_number_that_nobody_ever_had_lands_nothing():
    stage = Stage(10)
    stage.sell(0, 4)
    stage.write(1, 9, after_ms=100)
    assert stage.lags() == []
    stage.write(1, 6, after_ms=100)  # and the wrong number itself is no change
    assert stage.lags() == [200]


def test_a_write_that_gives_units_back_does_not_land_later_sales():
    stage = Stage(10)
    stage.write(1, 12)  # nothing had changed: the write was wrong by itself
    stage.sell(0, 4)
    stage.write(1, 6, after_ms=300)
    assert stage.lags() == [300]


def test_a_number_that_is_right_again_without_a_write_has_landed():
    stage = Stage(10)
    stage.sell(0, 4)
    stage.now_ms += 800
    stage.stock["A"] += 4
    stage.ledger.received({"A": 4})  # b shows ten, and ten there are
    assert stage.lags() == [800, 0]
    stage.write(0, 10, after_ms=100)
    assert stage.lags() == [800, 0, 100]


def test_goods_that_arrive_land_at_every_channel():
    stage = Stage(-3)
    stage.shown = [0, 0]
    stage.stock["A"] += 5
    stage.ledger.received({"A": 5})  # two of them can be shown: three are owed
    stage.write(0, 2, after_ms=50)
    stage.write(1, 2, after_ms=50)
    assert stage.lags() == [50, 100]


def test_what_never_landed_has_waited_until_the_end():
    stage = Stage(10)
    stage.sell(0, 4)
    stage.ledger.reported(0, "a-1", stage.now_ms)
    stage.ledger.reported(0, "a-2", stage.now_ms)
    stage.now_ms += 70
    stage.ledger.booked("a-1")
    stage.ledger.booked("a-1")  # the same order again is no second landing
    stage.now_ms += 30
    stage.ledger.close()
    assert (stage.lags(), stage.lags(Flow.ORDERS)) == ([100], [70, 100])


def test_a_sale_counts_from_when_somebody_could_tell():
    stage = Stage(10)
    stage.sell(0, 4, known_after_ms=120_000)
    stage.write(1, 6, after_ms=90_000)  # the channel's own number gave it away
    assert stage.lags() == [0]


@pytest.mark.parametrize(("began_h", "apart"), [(11.0, 0), (11.9, 1), (12.1, 1), (12.3, 0), (35.95, 1)])
def test_what_an_outage_fell_into_is_apart(began_h, apart):
    stage = Stage(10, outage=Outage(12 * HOUR_MS, 10))
    stage.now_ms = round(began_h * HOUR_MS)
    stage.sell(0, 4)
    stage.write(1, 6, after_ms=HOUR_MS // 4)
    lags = stage.ledger.lags[Flow.INVENTORY]
    assert (len(lags.apart), len(lags.all)) == (apart, 1 - apart)


def test_with_a_buffer_only_orders_are_measured():
    stage = Stage(10, measures=False)
    stage.sell(0, 4)
    stage.write(1, 4, after_ms=5)
    stage.ledger.close()
    assert stage.lags() == []


def test_the_course_of_a_number_is_kept():
    stage = Stage(3)
    stage.sell(0, 2)
    stage.write(1, 2, after_ms=2_000)
    stage.sell(1, 2)
    stage.ledger.refused(0, "A", 1)
    line = list(stage.ledger.timeline.of["A"])
    assert [tuple(line[n : n + 3]) for n in range(0, len(line), 3)] == [
        (1_000, TRUTH, 1),
        (1_000, 1, 1),
        (1_002, 4, 2),
        (1_002, TRUTH, -1),
        (1_002, 3, 0),
        (1_002, -2, 1),
        (1_002, -1 - REFUSED, 1),
    ]


def test_a_change_whose_event_was_lost_is_counted_as_such_and_so_is_what_had_to_wait_for_it():
    stage = Stage(10)
    stage.sell(0, 1)  # told, and under way when the next is not
    stage.now_ms += 100
    stage.sell(0, 3, untold=True)
    stage.write(1, 9, after_ms=400)
    stage.sell(0, 2)  # told, but its number cannot be right before the lost one is known
    stage.write(1, 7, after_ms=400)
    assert (stage.lags(), stage.untold()) == ([500], [])
    stage.write(1, 4, after_ms=200_000)
    assert (stage.lags(), stage.untold()) == ([500], [200_800, 200_400])
    stage.sell(0, 1)
    stage.write(1, 3, after_ms=300)
    assert (stage.lags(), stage.untold()) == ([500, 300], [200_800, 200_400])


def test_an_event_of_the_erp_that_is_lost_tells_of_goods_and_to_who_heeds_only_the_erp_of_sales():
    for sales in (False, True):
        stage = Stage(10)
        stage.sell(0, 4)
        stage.ledger.untold(["A", "B"], sales=sales)
        stage.write(1, 6, after_ms=900)
        assert (stage.lags(), stage.untold()) == (([], [900]) if sales else ([900], []))
        stage.stock["A"] += 2
        stage.ledger.received({"A": 2})
        stage.ledger.untold(sales=sales)  # of whatever number
        stage.write(0, 8, after_ms=50)
        stage.write(1, 8)
        assert stage.untold()[-2:] == [50, 50]


def test_a_sale_that_is_written_together_with_such_a_wrong_number_has_waited_for_the_lost_event():
    for lost in (False, True):
        stage = Stage(10)
        if lost:
            stage.ledger.untold(["A"], sales=False)
        stage.sell(0, 2)
        stage.write(1, 5, after_ms=50)  # the sale is in it, and an order before it twice
        stage.write(1, 8, after_ms=200)
        assert (stage.lags(), stage.untold()) == (([], [250]) if lost else ([250], []))


@pytest.mark.parametrize(("after_ms", "lags", "untold"), [(900, [], [250]), (1_100, [250], [])])
def test_a_wrong_number_that_comes_of_a_lost_event_of_the_erp_delays_what_is_sold_meanwhile(
    after_ms, lags, untold
):
    stage = Stage(10)
    stage.ledger.untold(["A"], sales=False)
    stage.write(1, 7, after_ms=after_ms)  # an order was subtracted twice
    stage.sell(0, 2)
    stage.write(1, 5, after_ms=50)
    stage.write(1, 8, after_ms=200)
    assert (stage.lags(), stage.untold()) == (lags, untold)


def test_an_order_whose_event_was_lost_is_held_to_the_bound_of_a_lost_event_only():
    stage = Stage(10)
    for reference, untold in (("a-1", False), ("a-2", True), ("a-3", True)):
        stage.ledger.reported(0, reference, stage.now_ms, untold=untold)
    for reference, after_ms in (("a-1", 70), ("a-2", 800), ("a-3", 90_000)):
        stage.now_ms += after_ms
        stage.ledger.booked(reference)
    figures = stage.ledger.lags[Flow.ORDERS].figures([(100, 1_000)])
    assert (figures["changes"], figures["event_lost"], figures["kept"]) == (3, 2, 1)
    assert (figures["kept_if_event_lost"], figures["max"]) == (2, 90_870)
    assert sum(stage.ledger.lags[Flow.ORDERS].histogram()) == 3


def test_figures_and_distribution_of_lags():
    lags = Lags()
    lags.all.extend([20] * 98 + [1_000, 50_000])
    lags.apart.append(10**12)
    figures = lags.figures([(1_000, 50_000)])
    assert (figures["changes"], figures["apart"], figures["p50"], figures["p99"]) == (101, 1, 20, 50_000)
    assert (figures["kept"], figures["kept_if_event_lost"], figures["max"]) == (99, 100, 10**12)
    assert figures["p999"] == 10**12  # of the same changes as the others, so never below p99
    assert (
        figures["p999_normal"] == 50_000
    )  # what the outage struck has no part in what the bound is compared with
    spread = lags.histogram()
    assert (len(spread), sum(spread), spread[-1]) == (len(EDGES_MS) + 1, 101, 1)
    assert spread[EDGES_MS.index(20)] == 98
    assert Lags().figures([(1, 1)])["max"] == 0


def test_each_lag_is_held_to_the_bound_of_its_channel_and_of_what_was_promised():
    lags = Lags()
    for lag_ms, channel, promised_ms in (
        (50, 0, 0),
        (500, 1, 60),
        (500, 0, 0),
        (5_000, 1, 3_600),
        (50, 1, 60),
    ):
        lags.add(lag_ms, channel, promised_ms)
    assert list(lags.kinds) == [(0, 0), (1, 60), (1, 3_600)]
    figures = lags.figures([(100, 1_000), (400, 450), (4_000, 5_000)])
    assert (figures["bound"], figures["bound_if_event_lost"]) == (4_000, 5_000)
    # Kept are both of 50; if an event is lost the first channel's 500 as well, and the patient one.
    assert (figures["kept"], figures["kept_if_event_lost"]) == (2, 4)
