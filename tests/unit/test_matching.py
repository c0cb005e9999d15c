"""What is the same on both sides: exactly, perhaps, twice, or not at all."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from syncline.engine.adopt.matching import (
    OURS,
    Decision,
    Matches,
    match_customers,
    match_items,
    match_places,
    plain,
    suggestion_id,
)
from syncline.model.census import ListedCustomer, ListedItem, ListedPlace


def item(id_: str, sku: str = "", *, title: str = "", barcode: str = "", **fields: str) -> ListedItem:
    return ListedItem(id_, sku, title, barcode, Decimal(1), fields)


def pairs(found: Matches) -> set[tuple[str, str, str]]:
    return {(pair.ours, pair.theirs, pair.by) for pair in found.exact}


def test_keys_are_tried_in_the_order_in_which_they_are_declared():
    ours = [item("1", "A", barcode="50"), item("2", "B", barcode="51"), item("3", "OLD-7")]
    theirs = [
        item("a", "A", barcode="51"),
        item("b", "X", barcode="50"),
        item("c", "Y", custitem_old="OLD-7"),
    ]
    found = match_items("shop", ours, theirs, ("sku", "barcode", "custitem_old"), {})
    assert pairs(found) == {("1", "a", "sku"), ("3", "c", "custitem_old")}
    found = match_items("shop", ours, theirs, ("barcode", "sku"), {})
    assert pairs(found) == {("1", "b", "barcode"), ("2", "a", "barcode")}
    assert found.unmatched == ["3"]
    assert found.unmatched_there == ["c"]


def test_blanks_and_what_is_there_twice_are_listed_and_not_guessed():
    ours = [
        item("1", " "),
        item("2", "A"),
        item("3", "A"),
        item("4", "B", barcode="50"),
        item("5", "C", barcode="50"),
        item("6", "D", barcode="60"),
    ]
    theirs = [
        item("a", "A"),
        item("b", "Q", barcode="50"),
        item("c", "R", barcode="60"),
        item("d", "S", barcode="60"),
    ]
    found = match_items("shop", ours, theirs, ("sku", "barcode"), {})
    assert pairs(found) == {("2", "a", "sku")}
    assert found.blank == ["1"]
    assert found.doubled == {"sku A": ["2", "3"], "barcode 50": ["4", "5"]}
    assert found.doubled_there == {"barcode 60": ["c", "d"]}


def test_what_differs_in_spelling_only_is_suggested_once_with_its_reason():
    ours = [
        item("1", "mug-007"),
        item("2", "KETTLE-BLUE"),
        item("3", "X1", title="Amber lantern with a handle"),
        item("4", "Z9", title="Red"),
    ]
    theirs = [
        item("a", "MUG 7"),
        item("b", "KETTLEBLU"),
        item("c", "L-1000", title="Amber lantern with handle"),
        item("d", "L-2000", title="Amber basket"),
    ]
    found = match_items("shop", ours, theirs, ("sku",), {})
    assert {(one.ours, one.theirs, one.by.partition(" by ")[0]) for one in found.suggested} == {
        ("1", "a", "the same but for case, spaces, punctuation or zeros"),
        ("2", "b", "one sign apart"),
        ("3", "c", "titles alike"),
    }
    assert found.exact == []
    assert found.unmatched == ["1", "2", "3", "4"]


def test_a_decision_holds_and_is_not_asked_for_again():
    ours, theirs = [item("1", "mug-7"), item("2", "cup-7")], [item("a", "MUG 7"), item("b", "CUP 7")]
    decided = {
        suggestion_id("shop", "1", "a"): Decision("1", "a", "why", confirmed=True),
        suggestion_id("shop", "2", "b"): Decision("2", "b", "why", confirmed=False),
    }
    found = match_items("shop", ours, theirs, ("sku",), decided)
    assert pairs(found) == {("1", "a", "confirmed: why")}
    assert found.suggested == []
    assert found.unmatched == ["2"]
    # What is confirmed gives way to what is exact by now.
    found = match_items("shop", [item("1", "MUG 7")], [item("a", "X"), item("c", "MUG 7")], ("sku",), decided)
    assert pairs(found) == {("1", "c", "sku")}


def test_large_blocks_are_not_looked_into():
    """As many alike as nobody would read; each with each would be sixteen million comparisons."""
    ours = [item(f"o{n}", f"AA-{n:05}", title="The same title") for n in range(4_000)]
    theirs = [item(f"t{n}", f"BB-{n:05}", title="The same title") for n in range(4_000)]
    found = match_items("shop", ours, theirs, ("sku",), {})
    assert found.suggested == []
    assert len(found.unmatched) == 4_000


@given(st.lists(st.sampled_from(["A", "a", "A-1", "a1", "01", "1", "", " "]), max_size=6), st.data())
def test_everything_of_the_channel_is_told_once(skus, data):
    ours = [item(f"o{n}", sku) for n, sku in enumerate(skus)]
    there = data.draw(st.lists(st.sampled_from(["A", "a 1", "1", "001"]), max_size=4))
    theirs = [item(f"t{n}", sku) for n, sku in enumerate(there)]
    found = match_items("shop", ours, theirs, ("sku",), {})
    later = [id_ for key, ids in found.doubled.items() if key.startswith("sku ") for id_ in ids[1:]]
    told = [pair.ours for pair in found.exact] + found.blank + found.unmatched + later
    assert sorted(told) == sorted(one.id for one in ours)
    assert len({pair.theirs for pair in found.exact}) == len(found.exact)


def test_a_plain_key_has_no_case_spaces_punctuation_or_leading_zeros():
    assert plain("ab-007_X") == plain("AB 7x") == "ab7x"
    assert plain("000") == "0"
    assert plain("A10") != plain("A1")


def test_locations_go_by_the_map_then_by_their_names():
    ours = [ListedPlace("70", "Main"), ListedPlace("71", "north depot"), ListedPlace("72", "Shop floor")]
    theirs = [ListedPlace("1", "Main"), ListedPlace("2", "North Depot"), ListedPlace("3", "Transit")]
    known, near, wrong = match_places(ours, theirs, {"1": "70", "9": "72", "3": "99"})
    assert [(pair.theirs, pair.ours) for pair in known] == [("1", "70")]
    assert [(pair.theirs, pair.ours) for pair in near] == [("2", "71")]
    assert wrong == ["location 9 of the ERP does not exist", "location 99 of the channel does not exist"]


def test_customers_go_by_what_was_written_and_an_e_mail_is_only_suggested():
    ours = [
        ListedCustomer("1", "Ada", "ada@example.com"),
        ListedCustomer("2", "Ben", "ben@example.com"),
        ListedCustomer("3", "Cem", "cem@example.com"),
        ListedCustomer("4", "Dee", "Dee@example.com "),
        ListedCustomer("5", "Eve", "eve@example.com"),
    ]
    theirs = [
        ListedCustomer("a", "Ada", fields={"externalid": "SHOPIFY-1"}),
        ListedCustomer("b", "Ben", reference="SHOP-C-2"),
        ListedCustomer("c", "Cem", "cem@example.com"),
        ListedCustomer("d", "Cem again", "cem@example.com"),
        ListedCustomer("e", "D.", "dee@example.com"),
    ]
    by = (("externalid", "Shopify-{id}"),)
    found = match_customers("shop", ours, theirs, by, {})
    assert pairs(found) == {("1", "a", "externalid"), ("2", "b", OURS)}
    assert [(one.ours, one.theirs) for one in found.suggested] == [("4", "e")]
    assert found.doubled_there == {"e-mail cem@example.com": ["c", "d"]}
    (suggested,) = found.suggested
    for confirmed in (True, False):
        decided = {suggested.id: Decision("4", "e", "the same e-mail", confirmed, "customer")}
        found = match_customers("shop", ours, theirs, by, decided)
        assert found.suggested == []
        assert (("4", "e") in {(pair.ours, pair.theirs) for pair in found.exact}) is confirmed
