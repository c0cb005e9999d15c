"""How records stand, in words: verdicts over several channels, why a price won, what a checkout would hear."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from syncline.credit.rules import CreditPolicy, Decision
from syncline.engine.credit import CreditAnswer
from syncline.engine.records.checkout import asked_for, checkout
from syncline.engine.records.kinds import title_of
from syncline.engine.records.prices import why
from syncline.engine.records.standing import GRAVITY, Finding, Standing, Word, phrase, tone, verdict
from syncline.engine.routes import Route
from syncline.model.change import Flow
from syncline.model.customers import Company, Contact, CustomerCard
from syncline.model.pricing import Price, PriceEntry, PriceKind, PriceOrder
from syncline.model.products import Goods, Listing, Product, ProductStatus, Variant, Wording
from syncline.pricing.rules import OWN, ChannelList, PriceRules
from syncline.pricing.tags import choose

D = Decimal
NOW_MS = 1_795_000_000_000


def stands(word: Word, sink: str = "shop", says: str = "") -> Standing:
    route = Route(Flow.PRICES, "erp", sink, 60_000)
    return Standing(route, "own\x1fA", word, says or f"{sink} says {word}.", "", "")


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([], (Word.ABSENT, "No channel is told of it.")),
        ([stands(Word.RIGHT, says="shop shows 8 GBP.")], (Word.RIGHT, "shop shows 8 GBP.")),
        ([stands(Word.RIGHT)] * 3, (Word.RIGHT, "shop says in agreement. 2 other values agree, too.")),
        ([stands(Word.RIGHT), stands(Word.RIGHT, "till")], (Word.RIGHT, "shop and till show what erp says.")),
        (
            [stands(Word.ALONE), stands(Word.RIGHT), stands(Word.ABSENT)],
            (Word.RIGHT, "shop says in agreement. 2 values are left as they are."),
        ),
        ([stands(Word.COMING), stands(Word.RIGHT)], (Word.COMING, "shop says on its way.")),
        (
            [stands(Word.DIFFERS), stands(Word.LATE, "till"), stands(Word.COMING)],
            (Word.LATE, "till says late. 1 other value of it needs a look, too."),
        ),
    ],
)
def test_the_gravest_speaks_for_a_record(found, told):
    assert verdict(found) == told


def test_every_word_has_a_place_a_shape_and_nothing_grave_looks_well():
    assert list(GRAVITY) == list(Word)
    assert {word for word in Word if tone(word) == "ok"} == {Word.RIGHT, Word.BUYS}
    assert {word for word in Word if tone(word) == "late"} == {Word.LATE, Word.DENIED}


def test_a_finding_needs_a_look_until_it_is_answered_or_left_by_a_person():
    found = Finding("changed at the channel", "", "", "", "named", 1, answered=False)
    assert found.open
    assert not replace(found, answered=True).open
    assert not replace(found, state="declined").open


def test_contents_are_told_without_anybodys_name():
    card = CustomerCard(name="Robin Vale", active=True, contacts=(Contact("1", "Robin", "Vale"),))
    assert phrase(card) == "the company (active, 1 contact)"
    assert phrase(CustomerCard(name="Robin Vale")) == "the company"
    goods = Goods((Variant("A"), Variant("B")), ("Size",), ProductStatus.DRAFT)
    assert phrase(goods) == "the product (2 variants, draft)"
    assert [phrase(one) for one in (Wording({"title": "t"}), Listing(True), Listing(False), None)] == [
        "1 text",
        "its listing",
        "no listing",
        "",
    ]


# --- prices --------------------------------------------------------------------------------------------

AT = ChannelList(OWN, ("customer:1", "level:5", "level:2", "level:1"), "GBP")
BY_LIST = {
    "customer:1": Price("A", "customer:1", PriceKind.CONTRACT, (PriceEntry(D(7), "GBP"),)),
    "level:5": Price("A", "level:5", PriceKind.LIST, (PriceEntry(D(5), "GBP"),)),
    "level:2": Price("A", "level:2", PriceKind.LIST, (PriceEntry(D(6), "GBP"),)),
    "other": Price("A", "other", PriceKind.LIST, (PriceEntry(D(1), "GBP"),)),
    "euros": Price("A", "level:1", PriceKind.LIST, (PriceEntry(D(1), "EUR"),)),
}


def told(order: PriceOrder, *names: str) -> str:
    route = Route(Flow.PRICES, "erp", "shop", 60_000, prices=PriceRules((AT,), order))
    prices = [BY_LIST[name] for name in names]
    mine = [one for one in prices if one.price_list in AT.sources]
    return why(route, AT, choose(AT, route.prices, mine, D(1), NOW_MS), prices, NOW_MS)


@pytest.mark.parametrize(
    ("order", "names", "reason"),
    [
        (PriceOrder(), ("euros",), "No list of the source has a price of a single unit now."),
        (PriceOrder(), ("level:2", "euros", "other"), "level:2 is the only list that has a price now."),
        (
            PriceOrder(lowest=True),
            ("customer:1", "level:5"),
            "level:5 has the lowest price; beside it customer:1.",
        ),
        (
            PriceOrder(last=("level:5",)),
            ("level:2", "level:5"),
            "level:2 counts before level:5, which counts only where no other list has a price.",
        ),
        (
            PriceOrder(),
            ("level:2", "level:5"),
            "level:5 counts first: of the list lists the route names it before level:2.",
        ),
        (
            PriceOrder(),
            ("customer:1", "level:2", "level:5"),
            "customer:1 counts first: contract prices come before those of level:2, level:5.",
        ),
    ],
)
def test_why_a_price_won(order, names, reason):
    assert told(order, *names) == reason


# --- credit --------------------------------------------------------------------------------------------

ANSWER = CreditAnswer(
    "", "shop", "107", "approve", "within_limit", "", D(0), "GBP", limit=D(1000), available=D("450.5")
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "heard"),
    [
        ({}, (Word.BUYS, "Orders on credit at shop are approved up to 450.5 GBP of 1000 GBP.")),
        (
            {"limit": None, "available": None, "reason": "no_limit"},
            (
                Word.BUYS,
                "An order of any amount is approved at shop: no credit limit is set for this account.",
            ),
        ),
        (
            {"available": D(0)},
            (Word.DENIED, "An order on credit at shop is denied: nothing is left of its credit limit."),
        ),
        (
            {"decision": "hold", "reason": "old_figures"},
            (
                Word.REVIEWED,
                "An order on credit at shop is held for review: the figures of this account's credit are too old.",
            ),
        ),
        (
            {"decision": "deny", "reason": "on_hold"},
            (Word.DENIED, "An order on credit at shop is denied: this account is on hold."),
        ),
    ],
)
def test_what_a_checkout_would_hear(changes, heard):
    answer = CreditAnswer(**{name: getattr(ANSWER, name) for name in ANSWER.__struct_fields__} | changes)
    assert checkout(answer, CreditPolicy(), Word.COMING, "") == heard
    assert checkout(answer, CreditPolicy(), Word.PARKED, "Look.") == (Word.PARKED, "Look.")


def test_nothing_left_is_what_the_policy_makes_of_it():
    answer = CreditAnswer(
        **{name: getattr(ANSWER, name) for name in ANSWER.__struct_fields__} | {"available": D(0)}
    )
    word, _ = checkout(answer, CreditPolicy(over_limit=Decision.HOLD), Word.RIGHT, "")
    assert word is Word.REVIEWED


def test_an_amount_is_answered_in_a_sentence():
    for decision, reason, heard in (
        (
            "approve",
            "within_limit",
            "An order of 0 GBP would be approved. The amount is within the credit limit.",
        ),
        ("hold", "past_due", "An order of 0 GBP would be held for review. This account has invoices"),
        ("deny", "over_limit", "An order of 0 GBP would be denied. The amount exceeds"),
    ):
        answer = CreditAnswer("", "shop", "107", decision, reason, "", D(0), "GBP")
        assert asked_for(answer)[1].startswith(heard)


def test_records_are_called_by_what_people_know():
    assert title_of(Company("7", "Acme", "C-1")) == "Acme (C-1)"
    assert title_of(Company("7", "Acme")) == "Acme"
    assert title_of(Company("7", "Robin Vale", "P-1", person=True)) == "Private customer"
    assert title_of(Product("A", "Tee", ())) == "Tee"
