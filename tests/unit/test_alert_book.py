"""One entry for one cause, whatever follows from it, however it comes and goes."""

from __future__ import annotations

import itertools
import re
from importlib.resources import files

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from syncline.engine.alerts import kinds
from syncline.engine.alerts.book import CALM_S, LINGER_S, OPEN_MAX, Book, Kept
from syncline.engine.alerts.conditions import Condition
from syncline.engine.alerts.kinds import CRITICAL, KINDS, WARNING
from syncline.engine.alerts.messages import message_of, subject, text, trial

T0 = 1_795_000_000_000
HOUR_S = 3600


def wrong(
    key: str,
    *causes: str,
    severity: str = WARNING,
    after_s: float = 0,
    tail: bool = False,
    around: tuple[str, ...] = (),
) -> Condition:
    return Condition(
        key=key,
        kind=key.partition("/")[0],
        severity=severity,
        title=f"title of {key}",
        stake="what is at stake",
        mend="what to do",
        after_ms=round(after_s * 1000),
        causes=causes,
        tail=tail,
        around=around,
    )


class Looks:
    """A book that is looked into every ten seconds."""

    def __init__(self) -> None:
        count = itertools.count(1)
        self.book = Book(lambda: f"id{next(count)}")
        self.at_s = 0.0
        self.said: list[tuple[float, str, str]] = []
        self._n: dict[str, int] = {}

    def look(self, *found: Condition, for_s: float = 10.0) -> None:
        end = self.at_s + for_s
        while self.at_s < end:
            self.at_s += 10.0
            self.book.look(found, T0 + round(self.at_s * 1000), self.at_s)
            for entry in self.book.entries:
                if entry.n > self._n.get(entry.id, 0):
                    self._n[entry.id] = entry.n
                    self.said.append((self.at_s, entry.event, entry.key))

    def events(self) -> list[tuple[str, str]]:
        return [(event, key) for _, event, key in self.said]


def test_a_cause_is_told_once_it_has_lasted_and_closed_once_it_is_gone():
    looks = Looks()
    looks.look(wrong("system_down/erp", after_s=20), for_s=20)
    looks.look(for_s=60)
    assert looks.said == []
    looks.look(wrong("system_down/erp", after_s=20), for_s=300)
    looks.look(for_s=300)
    assert looks.said == [(110.0, "opened", "system_down/erp"), (440.0, "closed", "system_down/erp")]


def test_what_follows_from_a_cause_is_a_part_of_its_entry_and_keeps_it_open():
    looks = Looks()
    down, late = wrong("system_down/erp"), wrong("behind/erp", "system_down/erp")
    old = wrong("stale/erp", "system_down/erp")
    looks.look(down, late, old, for_s=60)
    looks.look(late, for_s=120)
    (entry,) = looks.book.entries
    assert entry.symptoms == ["title of behind/erp"]
    looks.look(for_s=120)
    assert looks.events() == [("opened", "system_down/erp"), ("closed", "system_down/erp")]
    assert looks.said[1][0] == 180.0 + CALM_S


def test_a_cause_that_is_found_later_takes_over_what_was_told():
    looks = Looks()
    late = wrong("behind/erp", "budget/erp", severity=CRITICAL)
    looks.look(late, for_s=30)
    looks.look(late, wrong("budget/erp", after_s=20), for_s=60)
    looks.look(for_s=120)
    assert looks.events() == [("opened", "behind/erp"), ("changed", "budget/erp"), ("closed", "budget/erp")]
    assert {entry.id for entry in looks.book.entries} == {"id1"}
    assert looks.book.entries[0].severity == CRITICAL


def test_what_outlasts_its_cause_is_told_as_itself_under_the_same_entry():
    looks = Looks()
    late = wrong("behind/erp", "system_down/erp")
    looks.look(wrong("system_down/erp"), late, for_s=30)
    looks.look(late, for_s=LINGER_S + 60)
    assert looks.events() == [("opened", "system_down/erp"), ("changed", "behind/erp")]
    assert len(looks.book.entries) == 1


def test_causes_may_have_causes_and_even_name_each_other():
    looks = Looks()
    looks.look(
        wrong("a/x", "b/x"),
        wrong("b/x", "c/x", "a/x"),
        wrong("c/x", "a/x"),
        for_s=60,
    )
    assert len(looks.events()) == 1
    assert len(looks.book.entries[0].symptoms) == 2


def test_a_figure_over_past_time_says_nothing_that_was_told():
    looks = Looks()
    tail = wrong("missed/r", "system_down/erp", tail=True)
    looks.look(wrong("system_down/erp"), tail, for_s=60)
    looks.look(tail, for_s=HOUR_S)
    assert looks.events() == [("opened", "system_down/erp"), ("closed", "system_down/erp")]
    looks.look(tail, for_s=600)
    assert looks.events()[2:] == [("opened", "missed/r")]


def test_a_figure_over_past_time_and_its_cause_are_one_alert_whichever_is_seen_first():
    tail = wrong("missed/r", tail=True, around=("erp",))
    together = Looks()
    together.look(wrong("events_lost/erp"), tail, for_s=60)
    assert together.events() == [("opened", "events_lost/erp")]
    before = Looks()
    before.look(tail, for_s=40)
    before.look(wrong("events_lost/erp"), tail, for_s=60)
    assert before.events() == [("opened", "missed/r"), ("changed", "events_lost/erp")]
    elsewhere = Looks()
    elsewhere.look(wrong("events_lost/shop"), tail)
    assert len(elsewhere.book.open()) == 2


def test_what_comes_back_is_the_same_alert_and_has_to_be_calm_for_longer():
    looks = Looks()
    lasted = []
    for _ in range(5):
        looks.look(wrong("clock/machine"))
        began = looks.at_s
        while looks.book.open():
            looks.look()
        lasted.append(looks.at_s - began)
    assert lasted == [60.0, 120.0, 240.0, 480.0, 960.0]
    assert [event for event, _ in looks.events()] == ["opened", "closed"] + 4 * ["again", "closed"]
    assert len(looks.book.entries) == 1


def test_worse_is_told_and_ends_that_somebody_looks_after_it():
    looks = Looks()
    looks.look(wrong("parked/erp.rejected"))
    assert looks.book.acknowledge("parked/erp.rejected", "Ada", T0).acked_by == "Ada"
    looks.look(wrong("parked/erp.rejected"), for_s=5 * HOUR_S)
    assert len(looks.said) == 1
    looks.look(wrong("parked/erp.rejected", severity=CRITICAL))
    looks.look(wrong("parked/erp.rejected"), for_s=60)
    assert [event for event, _ in looks.events()] == ["opened", "worse"]
    assert looks.book.open()[0].acked_by == ""
    assert looks.book.acknowledge("parked/erp.other", "Ada", T0) is None


def test_repeats_grow_to_a_day():
    looks = Looks()
    looks.look(wrong("drift/shop.inventory"), for_s=80 * HOUR_S)
    gaps = [(b[0] - a[0]) / HOUR_S for a, b in itertools.pairwise(looks.said)]
    assert gaps == [1, 2, 4, 8, 16, 24, 24]


def test_the_book_is_bounded():
    looks = Looks()
    looks.look(*(wrong(f"parked/erp.{n}") for n in range(OPEN_MAX + 40)), for_s=30)
    assert len(looks.book.open()) == OPEN_MAX + 1
    assert looks.book.find("many/alerts").title == "40 more causes not told one by one"
    looks.look(for_s=60 * 24 * 8)
    for n in range(300):
        looks.look(wrong(f"parked/shop.{n}"))
        looks.look(for_s=80)
    assert len(looks.book.entries) <= 102


def test_what_is_kept_is_read_back_the_same():
    looks = Looks()
    looks.look(wrong("guard/erp", severity=CRITICAL), wrong("disk/store"), for_s=30)
    looks.book.taken(looks.book.find("disk/store"), "email", 1)
    kept = msgspec.json.encode(Kept(looks.book.entries))
    other = Looks()
    other.book.entries = msgspec.json.decode(kept, type=Kept).entries
    assert msgspec.json.encode(Kept(other.book.entries)) == kept
    assert [entry.key for entry in other.book.untold("email")] == ["guard/erp"]
    other._n = {entry.id: entry.n for entry in other.book.entries}
    other.look(wrong("guard/erp", severity=CRITICAL), for_s=200)
    assert other.said == []  # after a restart what is wrong is not seen at once
    other.look(wrong("guard/erp", severity=CRITICAL), for_s=200)
    assert other.events() == [("closed", "disk/store")]


def test_a_way_that_is_new_begins_with_what_is_open():
    looks = Looks()
    looks.look(wrong("disk/store"))
    looks.look(for_s=120)
    looks.look(wrong("guard/erp"))
    looks.book.keep_ways(["webhook"])
    assert [entry.key for entry in looks.book.untold("webhook")] == ["guard/erp"]


keys = st.sampled_from(["a/x", "b/x", "c/x", "d/x"])
conditions = st.builds(
    lambda key, causes, critical, after_s, tail: wrong(
        key, *causes, severity=CRITICAL if critical else WARNING, after_s=after_s, tail=tail
    ),
    keys,
    st.lists(keys, max_size=2),
    st.booleans(),
    st.sampled_from([0, 20]),
    st.booleans(),
)


@given(st.lists(st.lists(conditions, max_size=4, unique_by=lambda each: each.key), max_size=40))
def test_however_things_come_and_go_each_cause_has_one_open_entry(story):
    looks = Looks()
    for found in story:
        looks.look(*found, for_s=40)
        open_keys = [entry.key for entry in looks.book.open()]
        assert len(open_keys) == len(set(open_keys))
    looks.look(for_s=2000)
    assert looks.book.open() == []
    # By entry, not by key: what was told may turn out to be another cause's, and keep its name when it ends.
    assert {entry.event for entry in looks.book.entries} <= {"closed"}


def test_every_kind_says_what_it_means_and_what_to_do():
    for kind in KINDS.values():
        assert kind.meaning.endswith(".") and kind.mend, kind.name
        assert kind.opens.startswith(("when", "as soon", "at once", "30 days")), kind.name
        assert kind.severity in (CRITICAL, WARNING)


def test_every_kind_is_used_and_every_used_kind_is_known():
    source = "".join(
        (files("syncline.engine.alerts") / name).read_text()
        for name in ("conditions.py", "book.py", "planned.py", "watch.py")
    )
    used = set(re.findall(r'condition\(\s*"(\w+)"', source)) | {"system_down", "credential_refused"}
    assert used == set(KINDS)
    assert kinds.__doc__


def test_a_message_reads_well_on_a_phone():
    looks = Looks()
    looks.look(wrong("system_down/erp", severity=CRITICAL), wrong("behind/erp", "system_down/erp"), for_s=30)
    message = message_of(looks.book.entries[0], "https://sync.example.com/")
    words = text(message)
    assert subject(message) == "[Syncline] title of system_down/erp"
    assert words.splitlines()[0] == "title of system_down/erp"
    assert "At stake: what is at stake" in words
    assert "What to do: what to do" in words
    assert "- title of behind/erp" in words
    assert "syncline alert ack system_down/erp" in words
    assert words.endswith("https://sync.example.com/alerts\n")
    looks.look(for_s=120)
    over = message_of(looks.book.entries[0])
    assert subject(over) == "[Syncline] ended: title of system_down/erp"
    assert "It is over. It lasted 1 min 20 s" in text(over)


def test_a_test_message_says_that_it_is_one():
    message = trial(T0, "x", by="Ada")
    assert subject(message) == "[Syncline] test: This is a test of Syncline's alerts"
    assert "Nothing is wrong" in text(message)
    assert "Ada" in text(message)
    assert "alert ack" not in text(message)


def test_a_cause_that_comes_while_what_follows_from_it_is_quiet_is_no_other_alert():
    looks = Looks()
    down, reads = wrong("system_down/erp", after_s=60), wrong("read_failing/erp.orders", "system_down/erp")
    looks.look(reads)
    looks.look(for_s=CALM_S - 20)
    looks.look(down, for_s=200)
    assert looks.events() == [("opened", reads.key), ("changed", down.key)]


def test_a_cause_that_comes_soon_after_what_follows_from_it_has_ended_is_no_other_alert():
    looks = Looks()
    down, reads = wrong("system_down/erp"), wrong("read_failing/erp.orders", "system_down/erp")
    looks.look(reads)
    looks.look(for_s=CALM_S + 20)
    looks.look(down)
    assert looks.events() == [("opened", reads.key), ("closed", reads.key), ("again", down.key)]


def test_what_one_cause_does_not_explain_is_another_alert():
    looks = Looks()
    looks.look(wrong("read_failing/erp.orders", "system_down/erp"))
    looks.look(wrong("system_down/shop"))
    assert [event for event, _ in looks.events()] == ["opened", "opened"]
