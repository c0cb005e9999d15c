"""Which price a list of a channel shows: precedence, breaks, validity, currencies, rounding."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.model.pricing import ONE, Price, PriceBreak, PriceEntry, PriceKind, PriceOrder, PriceTag
from syncline.pricing.guards import amount_at, doubt
from syncline.pricing.rules import OWN, ChannelList, PriceRules
from syncline.pricing.tags import choose, reckon, rounded

NOW = 1_790_000_000_000
AT = ChannelList(OWN, ("contract", "promo", "group", "list"), "GBP")
KINDS = {
    "contract": PriceKind.CONTRACT,
    "promo": PriceKind.PROMOTIONAL,
    "group": PriceKind.GROUP,
    "list": PriceKind.LIST,
    "was": PriceKind.LIST,
}
RULES = PriceRules((AT,), decimals=2)
LOWEST = PriceRules((AT,), order=PriceOrder(lowest=True), decimals=2)


def entry(amount: str, minimum: int = 1, currency: str = "GBP", **more) -> PriceEntry:
    return PriceEntry(Decimal(amount), currency, Decimal(minimum), **more)


def price(name: str, *entries: PriceEntry) -> Price:
    return Price("A", name, KINDS[name], entries)


def shown(
    rules: PriceRules, *prices: Price, at: ChannelList = AT, now_ms: int = NOW
) -> list[tuple[int, str]]:
    """Minimums and amounts of the tag."""
    tag = reckon(at, rules, prices, now_ms).tag
    return [(int(one.minimum), str(one.amount)) for one in tag.breaks]


def test_the_first_kind_that_has_a_price_counts_whatever_the_others_ask():
    prices = [price("list", entry("10")), price("group", entry("12")), price("contract", entry("15"))]
    assert shown(RULES, *prices) == [(1, "15")]
    assert shown(RULES, *prices[:2]) == [(1, "12")]
    assert shown(RULES, *prices[:1]) == [(1, "10")]
    assert shown(LOWEST, *prices) == [(1, "10")]
    turned = PriceRules((AT,), order=PriceOrder(tuple(reversed(PriceOrder().kinds))), decimals=2)
    assert shown(turned, *prices) == [(1, "10")]


def test_lists_of_one_kind_count_as_the_route_names_them_and_a_kind_may_be_declared():
    at = ChannelList("7", ("was", "list"), "GBP")
    prices = [price("list", entry("10")), price("was", entry("12"))]
    assert shown(RULES, *prices, at=at) == [(1, "12")]
    declared = PriceRules((at,), kinds={"list": PriceKind.PROMOTIONAL}, decimals=2)
    assert shown(declared, *prices, at=at) == [(1, "10")]


def test_a_list_without_a_price_for_so_few_leaves_them_to_the_next():
    prices = [price("contract", entry("8", 10)), price("list", entry("10"), entry("9", 5), entry("7", 100))]
    assert shown(RULES, *prices) == [(1, "10"), (5, "9"), (10, "8")]
    assert shown(LOWEST, *prices) == [(1, "10"), (5, "9"), (10, "8"), (100, "7")]


def test_breaks_that_change_nothing_are_left_out_and_no_quantity_is_below_one():
    assert shown(RULES, price("list", entry("10", 0), entry("10", 5), entry("9.004", 7), entry("9", 9))) == [
        (1, "10"),
        (7, "9"),
    ]


def test_a_price_holds_from_its_moment_on_and_ends_before_the_other():
    promo = price("promo", entry("8", starts_ms=NOW, ends_ms=NOW + 100))
    prices = [promo, price("list", entry("10"))]
    for now_ms, amount, turned_ms, next_ms in (
        (NOW - 1, "10", 0, NOW),
        (NOW, "8", NOW, NOW + 100),
        (NOW + 99, "8", NOW, NOW + 100),
        (NOW + 100, "10", NOW + 100, 0),
    ):
        found = reckon(AT, RULES, prices, now_ms)
        assert [str(one.amount) for one in found.tag.breaks] == [amount]
        assert (found.turned_ms, found.next_ms) == (turned_ms, next_ms)


def test_of_two_that_hold_in_one_list_the_one_that_began_last_counts():
    both = price("list", entry("10", starts_ms=1), entry("11", starts_ms=NOW - 5))
    assert shown(RULES, both) == [(1, "11")]
    assert shown(LOWEST, both) == [(1, "10")]


def test_only_the_right_currency_and_unit_count_and_another_currency_is_named():
    wrong = price("list", entry("10", currency="USD"))
    found = reckon(AT, RULES, [wrong], NOW)
    assert (found.tag.breaks, found.foreign, found.partial) == ((), "USD", False)
    assert reckon(AT, RULES, [wrong, price("group", entry("9"))], NOW).foreign == ""
    assert shown(RULES, price("list", entry("10", currency=""))) == [(1, "10")]
    box = ChannelList(OWN, ("list",), "GBP", unit="BOX")
    assert shown(RULES, price("list", entry("10"), entry("90", unit="BOX")), at=box) == [(1, "90")]
    assert shown(RULES, price("list", entry("90", unit="BOX"))) == []


def test_a_price_for_many_and_none_for_one_is_no_tag_and_is_said():
    found = reckon(AT, RULES, [price("list", entry("9", 10))], NOW)
    assert (found.tag.breaks, found.partial, found.base) == ((), True, None)


def test_the_price_before_is_shown_only_where_it_is_higher():
    at = ChannelList(OWN, ("list",), "GBP", compare_at="was")
    for was, compared in (("12.005", Decimal("12.01")), ("10", None), ("8", None)):
        tag = reckon(at, RULES, [price("list", entry("10")), price("was", entry(was))], NOW).tag
        assert tag.compare_at == compared
    assert reckon(at, RULES, [price("was", entry("12"))], NOW).tag == PriceTag("GBP", ())


def test_amounts_are_rounded_away_from_nothing_and_written_in_one_way():
    for text, decimals, expected in (
        ("1.005", 2, "1.01"), ("10.00", 2, "10"), ("100", 2, "100"), ("0.004", 2, "0"), ("0.1234565", 6, "0.123457"),
    ):  # fmt: skip
        assert str(rounded(Decimal(text), decimals)) == expected


amounts = st.decimals(min_value="0.01", max_value="99.99", places=2)
moments = st.sampled_from([0, NOW - 10, NOW, NOW + 10])
entries = st.builds(
    PriceEntry,
    amounts,
    st.sampled_from(["GBP", "USD", ""]),
    st.sampled_from([Decimal(n) for n in (0, 1, 2, 5, 10)]),
    st.sampled_from(["", "BOX"]),
    moments,
    moments,
)
some = st.lists(
    st.builds(
        lambda name, its: price(name, *its),
        st.sampled_from(sorted(set(KINDS) - {"was"})),
        st.lists(entries, max_size=5),
    ),
    max_size=4,
    unique_by=lambda one: one.price_list,
)


@given(
    prices=some,
    lowest=st.booleans(),
    now_ms=st.sampled_from([NOW - 1, NOW, NOW + 10]),
    quantity=st.integers(1, 12),
)
def test_a_tag_says_for_every_quantity_what_is_chosen_for_it(prices, lowest, now_ms, quantity):
    rules = LOWEST if lowest else RULES
    found = reckon(AT, rules, prices, now_ms)
    chosen = choose(AT, rules, prices, Decimal(quantity), now_ms)
    if not found.tag.breaks:
        assert chosen is None or found.partial
        return
    assert found.tag.breaks[0].minimum == ONE
    assert chosen is not None
    assert amount_at(found.tag, Decimal(quantity)) == rounded(chosen.amount, 2)
    minimums = [one.minimum for one in found.tag.breaks]
    assert minimums == sorted(set(minimums))
    assert all(a.amount != b.amount for a, b in zip(found.tag.breaks, found.tag.breaks[1:], strict=False))


@given(prices=some, lowest=st.booleans())
def test_nothing_changes_between_two_moments(prices, lowest):
    rules = LOWEST if lowest else RULES
    for now_ms in (NOW - 20, NOW - 10, NOW, NOW + 5):
        found = reckon(AT, rules, prices, now_ms)
        until_ms = (found.next_ms or NOW + 100) - 1
        assert reckon(AT, rules, prices, until_ms).tag == found.tag
        assert found.turned_ms <= now_ms < (found.next_ms or NOW + 100)


def tag(*amounts: str, currency: str = "GBP") -> PriceTag:
    return PriceTag(
        currency, tuple(PriceBreak(Decimal(1 + 9 * n), Decimal(a)) for n, a in enumerate(amounts))
    )


@pytest.mark.parametrize(
    ("now", "before", "reason"),
    [
        (("10",), None, ""),
        (("0",), None, "price_zero"),
        (("10", "0"), None, "price_zero"),
        (("-1",), None, "price_zero"),
        (("15",), tag("10"), ""),
        (("15.01",), tag("10"), "price_jump"),
        (("5",), tag("10"), ""),
        (("4.99",), tag("10"), "price_jump"),
        (("10", "4.99"), tag("10"), "price_jump"),
        (("10", "4.99"), tag("10", "6"), ""),
        (("1000",), tag("10", currency="USD"), ""),
        (("1000",), PriceTag("GBP", ()), ""),
    ],
)
def test_a_price_that_nobody_may_have_meant_waits(now, before, reason):
    prices = [price("list", *(entry(amount, 1 + 9 * n) for n, amount in enumerate(now)))]
    found = doubt("A", reckon(AT, RULES, prices, NOW), before, RULES)
    assert (found.reason if found else "") == reason


def test_the_first_price_of_a_list_is_held_against_the_items_own():
    for amount, reason in (("100", ""), ("100.01", "price_jump"), ("1", ""), ("0.99", "price_jump")):
        reckoned = reckon(AT, RULES, [price("list", entry(amount))], NOW)
        found = doubt("A", reckoned, None, RULES, beside=tag("10"))
        assert (found.reason if found else "") == reason
        assert doubt("A", reckoned, None, RULES, beside=tag("10", currency="EUR")) is None


def test_currencies_and_halves_wait_too():
    usd = reckon(AT, RULES, [price("list", entry("10", currency="USD"))], NOW)
    assert doubt("A", usd, None, RULES).reason == "price_currency"
    fine = reckon(AT, RULES, [price("list", entry("10"))], NOW)
    assert doubt("A", fine, None, RULES, shown_in="EUR").reason == "price_currency"
    assert doubt("A", fine, None, RULES, shown_in="GBP") is None
    half = reckon(AT, RULES, [price("list", entry("9", 10))], NOW)
    assert doubt("A", half, None, RULES).reason == "price_incomplete"
    assert doubt("A", reckon(AT, RULES, [], NOW), tag("10"), RULES) is None
