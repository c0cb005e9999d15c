"""Customers: what a channel should hold of them, who owns what of it, and who found whom."""

from __future__ import annotations

import pytest

from syncline.engine.derive.customers import (
    GONE,
    MERGED,
    NEVER_ACTIVE,
    NOBODY_ABLE,
    OWN_BUYER,
    PRIVATE,
    CustomerFlow,
)
from syncline.engine.routes import Route
from syncline.mapping.customers import (
    CustomerRules,
    carded,
    described,
    differing,
    owned,
    phone,
    retired,
    seen,
)
from syncline.model.capabilities import Capabilities
from syncline.model.change import Flow
from syncline.model.copying import replace
from syncline.model.customers import Company, Contact, CustomerCard, CustomerField, MatchKey, Site
from syncline.model.errors import Misconfigured
from syncline.model.records import Item
from syncline.runtime.config import parse
from syncline.runtime.customers import CustomersConfig
from syncline.sdk.ownership import resolved

ANNA = Contact("7", "Anna", "Smith", "Anna@Example.com", "+44 20 7946 0001", "Buyer", "-10")
BEN = Contact("8", "Ben", "Jones", "ben@example.com")
HOME = Site("1", "", billing=True, shipping=True, line1="1 High Street", city="Reading", country="gb")
COMPANY = Company(
    "107", " Acme ", "CUST107", tax_id="GB1", terms="2", group="5", contacts=(BEN, ANNA), sites=(HOME,)
)
RULES = CustomerRules(roles={"-10": "admin", "*": "buyer"}, terms={"2": "t2"}, groups={"*": "g"})
CARD = carded(COMPANY, RULES).card
FLOW = CustomerFlow()


def route(**more):
    return Route(
        Flow.CUSTOMERS, "erp", "shop", 1_000, customers=replace(RULES, **more.pop("rules", {})), **more
    )


def wanted(company, before=None, bound="", key="107", **more):
    records = {} if company is None else {key: company}
    return FLOW.wanted(route(**more), key, records, Item(key, bound), before, 0)


def test_a_card_is_in_the_channels_words_and_in_the_order_of_keys():
    assert CARD.name == "Acme"
    assert (CARD.terms, CARD.group, CARD.tax_id, CARD.active) == ("t2", "g", "GB1", True)
    assert [(one.key, one.email, one.role) for one in CARD.contacts] == [
        ("7", "anna@example.com", "admin"),
        ("8", "ben@example.com", "buyer"),
    ]
    assert CARD.contacts[0].phone == "+442079460001"
    assert CARD.sites[0].country == "GB"
    assert CARD.keys == (("external_id", "107"),)


def test_nobody_is_sent_who_may_do_nothing_or_has_no_usable_e_mail():
    odd = tuple(
        Contact(str(n), email=email) for n, email in enumerate(("", "no at", "a@b", "x y@example.com"))
    )
    assert carded(replace(COMPANY, contacts=odd), RULES).card.contacts == ()
    only = CustomerRules(roles={"-10": "admin"})
    assert [one.key for one in carded(COMPANY, only).card.contacts] == ["7"]
    assert carded(replace(COMPANY, active=False), RULES).card.contacts == ()


def test_two_contacts_with_one_e_mail_an_unknown_term_and_no_name_wait_for_a_person():
    twice = replace(COMPANY, contacts=(ANNA, replace(BEN, email="ANNA@example.com ")))
    found = carded(twice, RULES)
    assert found.doubt[0] == "customer_contact_twice"
    assert "anna" not in found.doubt[1].lower()  # what is parked names contacts by their keys
    assert carded(replace(COMPANY, terms="9"), RULES).doubt == (
        "customer_terms",
        "customer 107: no terms of the channel is named for '9'",
    )
    assert carded(replace(COMPANY, terms=""), RULES).doubt is None
    assert carded(replace(COMPANY, name=" "), RULES).doubt[0] == "customer_nameless"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+44 (0)20 7946", "+440207946"),
        ("020 7946 0001", ""),
        ("+1", ""),
        ("+1234567890123456", ""),
        ("", ""),
        (" +49-30-123456 ", "+4930123456"),
    ],
)
def test_a_phone_number_counts_with_its_country_only(text, number):
    assert phone(text) == number


def test_who_is_gone_inactive_private_our_own_or_merged():
    assert wanted(None).why == GONE
    assert wanted(None, CARD, "gid").content == retired(CARD)
    assert retired(CARD).contacts == ()
    assert retired(CARD).active is False
    assert wanted(replace(COMPANY, active=False)).why == NEVER_ACTIVE
    assert wanted(replace(COMPANY, active=False), bound="gid").content.contacts == ()
    assert wanted(replace(COMPANY, person=True)).why == PRIVATE
    assert wanted(replace(COMPANY, contacts=())).why == NOBODY_ABLE
    assert wanted(replace(COMPANY, contacts=()), CARD).content.contacts == ()
    assert wanted(replace(COMPANY, external_id="SHOP-c-55")).why == OWN_BUYER
    assert wanted(replace(COMPANY, external_id="other-c-55")).content is not None
    merged = {"rules": {"merged": {"107": "108", "108": "109"}}}
    assert wanted(COMPANY, **merged).why == MERGED
    assert wanted(COMPANY, CARD, "gid", **merged).content == retired(CARD)
    assert wanted(replace(COMPANY, key="109"), key="109", **merged).content.keys == (
        ("external_id", "109"),
        ("merged", "107"),
        ("merged", "108"),
    )


def test_what_the_channel_owns_is_given_once_and_left_alone_afterwards():
    ours = tuple(one for one in CustomerField if one is not CustomerField.NAME)
    rules = {"rules": {"ours": ours, "theirs": (CustomerField.NAME,)}}
    first = wanted(COMPANY, **rules).content
    assert first.name is None
    assert first.first.name == "Acme"
    later = wanted(COMPANY, CARD, "gid", **rules).content
    assert (later.name, later.first) == (None, None)
    assert later.contacts == CARD.contacts
    assert wanted(replace(COMPANY, name="Other"), CARD, "gid", **rules).content == later


def test_the_rules_have_a_fingerprint_of_their_own():
    said = {
        FLOW.fingerprint(one)
        for one in (
            route(),
            route(put_back=False),
            route(rules={"ours": (CustomerField.NAME,)}),
            route(rules={"theirs": (CustomerField.NAME,)}),
            route(rules={"roles": {}}),
            route(rules={"terms": {}}),
            route(rules={"groups": {}}),
            route(rules={"match": (MatchKey.TAX_ID,)}),
            route(rules={"merged": {"1": "2"}}),
        )
    }
    assert len(said) == 9


# --- what a channel shows ---------------------------------------------------------------------------------

SHOWN = replace(
    CARD,
    active=None,
    group=None,
    phone=None,
    contacts=tuple(replace(one, key="") for one in reversed(CARD.contacts)),
    sites=(replace(CARD.sites[0], billing=False, shipping=False, label="1 High Street"),),
    keys=(),
)
OURS = replace(CARD, active=None, group=None, phone=None)


def test_what_a_channel_shows_is_compared_as_far_as_it_can_be():
    assert seen(SHOWN, OURS) == OURS
    stranger = Contact("", email="x@example.com")
    more = replace(SHOWN, contacts=(*SHOWN.contacts, stranger), sites=(*SHOWN.sites, Site("", "their own")))
    assert seen(more, OURS) == OURS
    may_buy = replace(SHOWN, contacts=(*SHOWN.contacts, replace(stranger, role="buyer")))
    assert differing(seen(may_buy, OURS), OURS) == [CustomerField.CONTACTS]
    further = replace(SHOWN, sites=(*SHOWN.sites, Site("2", line1="2 Low Road")))
    assert differing(seen(further, OURS), OURS) == [CustomerField.ADDRESSES]
    assert differing(OURS, replace(OURS, name="Other", tax_id=None)) == [CustomerField.NAME]


def test_a_label_of_ours_counts_and_marks_of_the_channel_do():
    labelled = replace(OURS, sites=(replace(OURS.sites[0], label="Depot"),))
    assert seen(SHOWN, labelled) != labelled
    marked = replace(SHOWN, sites=(replace(SHOWN.sites[0], billing=True),))
    assert seen(marked, OURS).sites[0].shipping is False


def test_nothing_of_anybody_is_said_where_differences_are_told():
    said = FLOW.contrasted(replace(SHOWN, name="Other"), OURS) + described(CARD)
    assert said.startswith("name: ")
    assert not any(word in said for word in ("Acme", "Anna", "anna@", "High Street", "Other"))


# --- ownership --------------------------------------------------------------------------------------------


def test_what_others_changed_is_put_back_or_left_and_the_owner_wins_where_both_did():
    renamed = replace(SHOWN, name="By hand")
    assert resolved(OURS, renamed, OURS) == (OURS, ())
    left, overwritten = resolved(OURS, renamed, replace(OURS, put_back=False))
    assert (left.name, left.tax_id, overwritten) == (None, "GB1", ())
    both = replace(OURS, name="By its owner", put_back=False)
    assert resolved(OURS, renamed, both) == (both, (CustomerField.NAME,))
    assert resolved(OURS, replace(SHOWN, name="By its owner"), both) == (both, ())
    assert resolved(None, renamed, both) == (both, ())
    assert resolved(OURS, renamed, replace(OURS, name=None)) == (replace(OURS, name=None), ())
    assert owned(CARD, CustomerRules(ours=(CustomerField.NAME,))) == CustomerCard(name="Acme", keys=CARD.keys)


# --- configuration ----------------------------------------------------------------------------------------

HOLDS = Capabilities(customer_fields=(CustomerField.NAME, CustomerField.CONTACTS))


def rules_of(owner=None, **more):
    return CustomersConfig(**{"roles": {"*": "buyer"}, **more}).rules(
        "routes[0]", owner or {}, ("erp", "shop"), HOLDS
    )


def test_configuration_becomes_rules():
    found = rules_of({"name": "shop", "contacts": "erp"}, match=["tax_id", "number"], merged={"1": "2"})
    assert found.ours == (CustomerField.CONTACTS,)
    assert found.theirs == (CustomerField.NAME,)
    assert found.match == (MatchKey.TAX_ID, MatchKey.NUMBER)
    assert found.heir("1") == "2"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"owner": {"name": "pos"}}, "owner.name: 'pos' is neither erp nor shop"),
        ({"owner": {"colour": "erp"}}, "owner.colour: no such field; there are name, active"),
        ({"match": []}, "customers.match"),
        ({"match": ["number", "number"]}, "customers.match"),
        ({"roles": {}}, "customers.roles: say what contacts may do"),
        ({"roles": {"*": ""}}, "an empty word"),
        ({"terms": {"1": "2"}}, "customers.terms: this channel keeps no terms"),
        ({"groups": {"1": "2"}}, "customers.groups: this channel keeps no group"),
        ({"merged": {"1": "2", "2": "1"}}, "customers.merged.1: it ends nowhere"),
        ({"merged": {"1": ""}}, "customers.merged.1: it ends nowhere"),
    ],
)
def test_configuration_that_makes_no_sense_names_the_field(more, said):
    with pytest.raises(Misconfigured, match=said.replace("[", r"\[").replace(".", r"\.")):
        rules_of(**more)


FILE = """
[systems.erp]
connector = "business_central"
environment = "production"
tenant = "t"
company_id = "66666666-2222-4333-8444-555555555555"
client_id = "c"
client_secret = "s"
web_customer = "WEB"
{systems}
[[routes]]
flow = "{flow}"
from = "erp"
to = "shop"
{more}
"""
SHOP = """
[systems.shop]
connector = "shopify"
shop = "s.myshopify.com"
access_token = "shpat_x"
"""


def configured(more, flow="customers"):
    text = FILE.format(systems=SHOP, flow=flow, more=more)
    return parse(text, variables={}).routes.of(Flow(flow))[0]


def test_a_route_of_customers_is_configured_with_owners_and_with_what_is_done_about_changes():
    found = configured(
        'when_changed_at_channel = "report"\n[routes.owner]\nname = "shop"\n[routes.customers]\nroles = {"*" = "Ordering only"}'
    )
    assert found.put_back is False
    assert found.customers.theirs == (CustomerField.NAME,)
    assert CustomerField.ACTIVE not in found.customers.ours  # Shopify has no state of a company
    assert CustomerField.CONTACTS in found.customers.ours
    assert found.tolerance_ms == 3_600_000


@pytest.mark.parametrize(
    ("flow", "more", "said"),
    [
        ("orders", "[routes.customers]", "only a route of customers"),
        ("orders", '[routes.owner]\nname = "shop"', "only the fields of customers"),
        ("orders", 'when_changed_at_channel = "report"', "are put back or reported"),
        ("customers", "", "say what contacts may do"),
    ],
)
def test_what_belongs_to_customers_is_refused_elsewhere(flow, more, said):
    with pytest.raises(Misconfigured, match=said):
        configured(more, flow)
