"""Customers as a flow of state records: what a channel holds of each customer of the source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from syncline.engine.codec import fingerprint
from syncline.engine.derive.bound import OfCustomers
from syncline.engine.routes import Route, customer_reference
from syncline.engine.states import Wanted
from syncline.mapping.customers import carded, described, differing, owned, retired, seen
from syncline.model.change import Flow, Kind
from syncline.model.copying import replace
from syncline.model.customers import Company, CustomerCard
from syncline.model.payloads import PutCustomer
from syncline.model.records import Item

MERGED = "it was merged into another customer, which has its place there"
NEVER_ACTIVE = "it was inactive before it was ever written"
OWN_BUYER = "it was made in the ERP from an order of this channel"
PRIVATE = "a private customer: companies travel"
NOBODY_ABLE = "nobody of it may do anything there, so it is not written before somebody may"
GONE = "the source has it no more, and it was never written"
NOBODY = CustomerCard(name="", active=False, tax_id="", terms="", group="", phone="", contacts=(), sites=())


class CustomerFlow(OfCustomers):
    """The declaration of customers. A content is known by the source's key of the customer."""

    flow = Flow.CUSTOMERS
    kind = Kind.CUSTOMER
    content = CustomerCard

    def fingerprint(self, route: Route) -> str:
        """Owners, roles, terms, groups and keys."""
        rules = route.customers
        tables = [sorted(table.items()) for table in (rules.roles, rules.terms, rules.groups)]
        switches = (rules.match, sorted(rules.merged.items()), route.put_back)
        return fingerprint(rules.ours, rules.theirs, tables, *switches)

    def operation(self, key: str) -> str:
        """There is one."""
        del key
        return "put_customer"

    def operations(self, route: Route) -> set[str]:
        """There is one."""
        del route
        return {"put_customer"}

    def of_record(self, route: Route, record: str) -> Iterable[str]:
        """One content for each customer."""
        del route
        return (record,)

    def wanted(
        self,
        route: Route,
        key: str,
        records: Mapping[str, Company],
        item: Item,
        before: CustomerCard | None,
        now_ms: int,
    ) -> Wanted:
        """The card of now; who is gone, inactive or merged keeps it, and may do nothing any more."""
        del now_ms
        company = records.get(key)
        if route.customers.heir(key) != key:
            if before is None or not item.external_id:
                return Wanted(None, MERGED)
            return Wanted(retired(before))
        if company is None:
            return Wanted(None, GONE) if before is None else Wanted(retired(before))
        if company.external_id.lower().startswith(customer_reference(route.sink, "")):
            return Wanted(None, OWN_BUYER)
        if company.person:
            return Wanted(None, PRIVATE)
        if not company.active and before is None and not item.external_id:
            return Wanted(None, NEVER_ACTIVE)
        found = carded(company, route.customers)
        card = replace(owned(found.card, route.customers), put_back=route.put_back)
        if before is None and not item.external_id and card.contacts == ():
            return Wanted(None, NOBODY_ABLE)
        if not item.external_id:
            card = replace(card, first=found.card)
        return Wanted(card, doubt=found.doubt)

    def nothing(self, route: Route, key: str) -> CustomerCard:
        """A customer who was deleted there shows nothing at all, and is made again."""
        del route, key
        return NOBODY

    def seen(self, shown: CustomerCard, ours: CustomerCard) -> CustomerCard:
        """What is ours of it."""
        return seen(shown, ours)

    def described(self, content: CustomerCard) -> str:
        """Without names and addresses."""
        return described(content)

    def contrasted(self, shown: CustomerCard, ours: CustomerCard) -> str:
        """The fields only: differences are kept longer than names and addresses should be."""
        fields = ", ".join(one.value for one in differing(seen(shown, ours), ours))
        return f"{fields}: the channel does not show what"

    def payload(
        self, key: str, content: CustomerCard, item: Item, before: CustomerCard | None
    ) -> PutCustomer:
        """By the channel's own id, where it has one. What it begins with is no part of what is remembered."""
        return PutCustomer(key, item.external_id, content, before)
