"""What only time shows: paces, pauses, jumps, silence; and the causes that no simulated world brings about."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.engine.alerts.conditions import failing
from syncline.engine.alerts.kinds import CRITICAL, WARNING
from syncline.engine.alerts.trends import Trends
from syncline.freshness.feeds import DAY_H, REMEMBERED_H, SILENCE, WEEK_H, rate_per_min, remember

T0 = 1_795_000_000_000 // 3_600_000 * 3_600_000
GB = 10**9
HOUR = 100 * WEEK_H


def seen(now_ms: int, **changes):
    """As much of a status as trends look at."""
    lane = SimpleNamespace(system="shop", calls=0, throttled=0, used_share=0.0, pending=0, state="ok")
    address = SimpleNamespace(system="shop", told=0, missed=0, news=0, accepted=0, duplicates=0, forged=0)
    found = SimpleNamespace(
        now_ms=now_ms,
        lanes=[lane],
        ingress=[address],
        pollers=[],
        routes=[SimpleNamespace(name="orders", source="shop", age_ms=1, modes=())],
        store=SimpleNamespace(backlog=0, applied_to=0),
    )
    for name, value in changes.items():
        for part in (lane, address, found.store):
            if hasattr(part, name):
                setattr(part, name, value)
    return found


class Looks:
    def __init__(self) -> None:
        self.trends = Trends()
        self.at_s = 0.0
        self.step_ms = 0

    def look(self, for_s: float = 10.0, disk=None, each=lambda at_s: {}) -> Trends:
        end = self.at_s + for_s
        while self.at_s < end:
            self.at_s += 10.0
            now_ms = T0 + round(self.at_s * 1000) + self.step_ms
            self.trends.look(seen(now_ms, **each(self.at_s)), self.at_s, disk)
        return self.trends


@pytest.mark.parametrize(
    ("free", "total", "severity"),
    [
        (4 * GB, 100 * GB, WARNING),
        (4 * GB, 30 * GB, ""),  # little, but a large share: a small disk that is meant to be small
        (20 * GB, 1000 * GB, ""),  # a small share, but plenty
        (GB // 2, 100 * GB, CRITICAL),
        (GB // 2, 10 * GB, WARNING),
    ],
)
def test_a_disk_is_low_by_bytes_and_by_share(free, total, severity):
    assert Looks().look(disk=(free, total)).disk.severity == severity


def test_a_disk_that_is_being_filled_is_told_before_it_is_low():
    looks = Looks()
    for minute in range(70):
        looks.look(60.0, disk=(60 * GB - minute * GB // 20, 100 * GB))
    assert looks.trends.disk.severity == WARNING
    assert 18 * 3_600_000 < looks.trends.disk.full_in_ms < 20 * 3_600_000
    looks.look(1000.0, disk=(60 * GB - 70 * GB // 20, 100 * GB))  # a copy that has ended is no trend
    assert looks.trends.disk.severity == ""


def test_the_clock_jumps_when_it_parts_from_the_steady_one():
    looks = Looks()
    looks.look(100.0)
    assert looks.trends.jump_ms == 0
    looks.step_ms = -7_000
    looks.look()
    assert looks.trends.jump_ms == -7_000
    assert looks.trends.jumped_just_now
    looks.look(600.0)
    assert looks.trends.jump_ms == -7_000
    assert not looks.trends.jumped_just_now
    looks.look(600.0)
    assert looks.trends.jump_ms == 0


def test_a_log_is_stuck_only_while_something_waits_and_nothing_moves():
    looks = Looks()
    assert looks.look(300.0).stuck_since_ms == 0
    assert looks.look(300.0, each=lambda at_s: {"backlog": 5, "applied_to": int(at_s)}).stuck_since_ms == 0
    looks.look(20.0, each=lambda at_s: {"backlog": 5, "applied_to": 600})
    assert looks.trends.stuck_since_ms == 0
    looks.look(30.0, each=lambda at_s: {"backlog": 5, "applied_to": 600})
    assert looks.trends.stuck_since_ms == T0 + 600_000
    assert looks.look().stuck_since_ms == 0


@pytest.mark.parametrize(("throttled", "told"), [(0, False), (2, False), (6, True)])
def test_a_budget_is_used_up_when_the_vendor_says_so_again_and_again(throttled, told):
    looks = Looks()
    looks.look()
    trends = looks.look(each=lambda at_s: {"calls": 20, "throttled": throttled})
    assert bool(trends.budget("shop")) is told
    assert looks.look(100.0, each=lambda at_s: {"calls": 20, "throttled": throttled}).budget("shop") == ""


def test_a_budget_is_used_up_when_it_is_full_for_minutes_while_work_waits():
    looks = Looks()
    assert looks.look(600.0, each=lambda at_s: {"used_share": 1.0}).budget("shop") == ""
    looks.look(280.0, each=lambda at_s: {"used_share": 0.95, "pending": 3})
    assert looks.trends.budget("shop") == ""
    looks.look(60.0, each=lambda at_s: {"used_share": 0.95, "pending": 3})
    assert "nearly whole" in looks.trends.budget("shop")
    assert looks.trends.budget("unknown") == ""


def test_events_are_lost_when_reads_find_what_they_should_have_told():
    looks = Looks()
    looks.look(900.0, each=lambda at_s: {"told": 100, "missed": 50})  # what was before is what a start finds
    assert looks.trends.lost("shop") == 0
    assert looks.look(each=lambda at_s: {"told": 100, "missed": 52}).lost("shop") == 0
    assert looks.look(each=lambda at_s: {"told": 100, "missed": 53}).lost("shop") == 3
    assert looks.look(each=lambda at_s: {"told": 200, "missed": 53}).lost("shop") == 0  # of so many, a few
    looks.look(700.0, each=lambda at_s: {"told": 200, "missed": 53})
    assert looks.look(each=lambda at_s: {"told": 200, "missed": 53}).lost("shop") == 0


def test_after_an_outage_reads_find_what_nobody_told_and_that_is_no_loss():
    looks = Looks()
    looks.look(900.0)
    looks.look(60.0, each=lambda at_s: {"state": "outage"})
    assert looks.look(60.0, each=lambda at_s: {"missed": 40}).lost("shop") == 0


def test_most_webhooks_with_a_wrong_signature_are_told():
    looks = Looks()
    looks.look(100.0, each=lambda at_s: {"accepted": 50})
    assert looks.look(each=lambda at_s: {"accepted": 50, "forged": 4}).forged("shop") == 0
    assert looks.look(each=lambda at_s: {"accepted": 50, "forged": 9}).forged("shop") == 9
    assert looks.look(each=lambda at_s: {"accepted": 70, "forged": 9}).forged("shop") == 0


def test_a_pause_explains_what_is_late_for_a_while_after_it():
    looks = Looks()
    looks.look(60.0, each=lambda at_s: {"state": "paused"})
    assert looks.trends.paused("erp", "shop")
    assert looks.look(500.0).paused("shop")
    assert not looks.look(200.0).paused("shop")
    assert looks.trends.paused("shop", within_s=3600.0)


def test_a_feed_learns_whole_hours_and_its_silence_becomes_news():
    looks = Looks()
    looks.trends.recall({"shop": {str(T0 // 3_600_000 - back): 60 for back in range(1, REMEMBERED_H)}})
    trade = {"news": 0}

    def busy(at_s: float) -> dict[str, int]:
        trade["news"] = int(at_s)
        return trade

    looks.look(2 * 3600.0, each=busy)
    assert looks.trends.learned()["shop"][str(T0 // 3_600_000 + 1)] == 60
    assert str(T0 // 3_600_000) not in looks.trends.learned()["shop"]  # not watched from its beginning
    looks.look(900.0, each=lambda at_s: dict(trade))
    assert looks.trends.silent("shop") == 0
    looks.look(120.0, each=lambda at_s: dict(trade))
    assert looks.trends.silent("shop") >= 16 * 60_000
    looks.look(60.0, each=lambda at_s: {**trade, "state": "paused"})
    assert looks.trends.silent("shop") == 0


def test_the_quietest_hour_of_its_like_is_what_silence_is_compared_with():
    busy = dict.fromkeys(range(HOUR - 2 * WEEK_H - 2, HOUR), 30)
    assert rate_per_min(busy, HOUR) == 0.5
    assert rate_per_min({**busy, HOUR - WEEK_H + 1: 6}, HOUR) == 0.1
    assert rate_per_min({**busy, HOUR - 2 * WEEK_H: 0}, HOUR) == 0.0
    assert rate_per_min({**busy, HOUR - 3 * DAY_H: 0}, HOUR) == 0.5  # another day of the week


def test_until_two_weeks_are_known_every_day_counts_and_two_days_are_too_few():
    days = {HOUR - day * DAY_H: 20 for day in range(1, 3)}
    assert rate_per_min(days, HOUR) == 0.0
    assert rate_per_min({**days, HOUR - 3 * DAY_H: 12}, HOUR) == 0.2
    assert rate_per_min({}, HOUR) == 0.0


@given(st.dictionaries(st.integers(HOUR - 500, HOUR - 1), st.integers(0, 60)))
def test_no_hour_is_expected_to_be_busier_than_any_that_was(busy):
    assert rate_per_min(busy, HOUR) <= max(busy.values(), default=0) / 60
    assert len(remember(busy, HOUR, 5)) <= REMEMBERED_H


def test_silence_is_counted_in_what_should_have_been():
    assert pytest.approx(16.1, abs=0.05) == SILENCE


# --- a system as a whole, or a part of it -------------------------------------------------------------------


def lane(failing_since_ms=0, last_ok_ms=0, state="ok", pending=1):
    return SimpleNamespace(
        failing_since_ms=failing_since_ms,
        last_ok_ms=last_ok_ms,
        state=state,
        pending=pending,
        last_error="503",
    )


def read(failing_since_ms=0, last_ok_ms=0, trouble=""):
    return SimpleNamespace(
        failing_since_ms=failing_since_ms,
        last_ok_ms=last_ok_ms,
        trouble=trouble,
        last_error="500",
    )


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ((lane(), [read()]), None),
        ((lane(100, 50), [read(0, 40)]), True),
        ((lane(100, 50), [read(0, 140)]), False),  # a read has worked since: it is what we send
        ((lane(0, 140), [read(100, 50, "failing")]), False),
        ((lane(0, 40), [read(100, 50, "failing")]), False),  # one read alone may be a missing right
        ((lane(0, 40), [read(100, 50, "failing"), read(110, 60, "failing")]), True),
        ((lane(100, 50, pending=0), [read()]), None),  # nothing is left to try
        ((lane(100, 50, "paused"), [read()]), None),
        ((lane(), [read(100, 50, "throttled")]), None),
    ],
)
def test_a_system_is_down_only_if_nothing_of_it_has_worked_since(parts, whole):
    found = failing(*parts)
    assert (found.whole if found else None) is whole


def test_a_refused_credential_is_told_from_a_system_that_does_not_answer():
    assert failing(lane(100, 50, "refused"), []).refused
    assert not failing(lane(100, 50, "outage"), []).refused
    assert failing(lane(100, 50, "outage"), [read(90, 50, "failing")]).since_ms == 90
