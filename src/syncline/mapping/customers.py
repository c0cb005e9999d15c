"""From a customer of a source to what a channel holds of it: roles, terms and groups by the channel's own ids."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from syncline.model.copying import replace
from syncline.model.customers import CARD_FIELDS, MERGED, Company, CustomerCard, CustomerField, MatchKey, Site

ANY = "*"  # every role, or none, that is not named
_PHONE_DIGITS = range(8, 16)  # E.164 has 15 at most
_EMAIL = re.compile(r"[^\s@<>]+@[^\s@<>][^\s@<>.]*\.[^\s@<>]+")  # one way to match: buyers choose it
_EVERYTHING: tuple[CustomerField, ...] = tuple(CustomerField)


@dataclass(frozen=True, slots=True)
class CustomerRules:
    """The customers of one route.

    ``ours`` are the fields that the source owns and the channel can hold; ``theirs`` those that the channel owns. ``roles``
    gives for a role of the source what it may do at the channel (``ANY`` for all others, nothing where it is missing);
    ``terms`` and ``groups`` are the channel's ids for the source's. ``match`` is by what a customer is found that is there
    already, in order. ``merged`` has for a customer that was merged into
    another the one that took its place.
    """

    ours: tuple[CustomerField, ...] = _EVERYTHING
    theirs: tuple[CustomerField, ...] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    terms: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    match: tuple[MatchKey, ...] = (MatchKey.EXTERNAL_ID,)
    merged: Mapping[str, str] = field(default_factory=dict)

    def heir(self, key: str) -> str:
        """Who took a customer's place, at the end of however many merges; the customer itself if nobody did."""
        for _ in range(len(self.merged)):
            if key not in self.merged:
                break
            key = self.merged[key]
        return key

    def role(self, of: str) -> str:
        """What somebody with a role of the source may do at the channel; "": nothing."""
        return self.roles.get(of, self.roles.get(ANY, ""))


@dataclass(frozen=True, slots=True)
class Carded:
    """A customer's card, and why a person has to look first: a reason and a sentence."""

    card: CustomerCard
    doubt: tuple[str, str] | None = None


NO_CUSTOMERS = CustomerRules()


def carded(company: Company, rules: CustomerRules) -> Carded:
    """Everything that the channel should begin with, in its own ids."""
    doubt: tuple[str, str] | None = None
    found: dict[str, str] = {}
    for what, value, known in (("terms", company.terms, rules.terms), ("group", company.group, rules.groups)):
        found[what] = known.get(value, known.get(ANY, ""))
        if known and value and not found[what]:
            doubt = (
                f"customer_{what}",
                f"customer {company.key}: no {what} of the channel is named for {value!r}",
            )
    contacts = []
    emails: set[str] = set()
    for contact in sorted(company.contacts, key=lambda one: one.key):
        email = contact.email.strip().lower()
        if not _EMAIL.fullmatch(email):
            continue  # a channel knows people by their e-mail: without one nobody can sign in
        if email in emails:
            detail = f"customer {company.key}: contact {contact.key} has the e-mail of another contact of it"
            doubt = ("customer_contact_twice", detail)
            continue
        emails.add(email)
        if role := rules.role(contact.role) if company.active else "":
            contacts.append(replace(contact, email=email, phone=phone(contact.phone), role=role))
    sites = [
        replace(site, phone=phone(site.phone), country=site.country.strip().upper())
        for site in sorted(company.sites, key=lambda one: one.key)
    ]
    card = CustomerCard(
        name=company.name.strip(),
        active=company.active,
        tax_id=company.tax_id.strip(),
        terms=found["terms"] if rules.terms else None,
        group=found["group"] if rules.groups else None,
        phone=phone(company.phone),
        contacts=tuple(contacts),
        sites=tuple(sites),
        keys=_keys(company, rules),
    )
    if not card.name:
        doubt = ("customer_nameless", f"customer {company.key} has no name: give it one at its source")
    return Carded(card, doubt)


def owned(card: CustomerCard, rules: CustomerRules) -> CustomerCard:
    """A card without what is none of ours."""
    kept = {CARD_FIELDS[one] for one in rules.ours}
    return replace(card, **{name: None for name in CARD_FIELDS.values() if name not in kept})


def retired(card: CustomerCard) -> CustomerCard:
    """The same customer, who may do nothing any more."""
    return replace(
        card,
        active=None if card.active is None else False,
        contacts=None if card.contacts is None else (),
        first=None,
    )


def seen(shown: CustomerCard, ours: CustomerCard) -> CustomerCard:
    """What a channel shows, as far as it can be compared with a card of ours.

    Its contacts are ours where the e-mail is, and count if they may do anything; ``ANY`` as their role says no more. An address counts if it is one of ours;
    a channel that marks no usual ones has no such marks.
    """
    fields = {
        name: None if getattr(ours, name) is None else getattr(shown, name) for name in CARD_FIELDS.values()
    }
    card = replace(shown, **fields, keys=ours.keys, first=ours.first, put_back=ours.put_back)
    if card.contacts is not None and ours.contacts is not None:
        mine = {one.email: one.key for one in ours.contacts}
        roles = {one.email: one.role for one in ours.contacts}
        able = [
            replace(
                one,
                key=mine.get(one.email, ""),
                role=roles.get(one.email, ANY) if one.role == ANY else one.role,
            )
            for one in card.contacts
            if one.role
        ]
        card = replace(card, contacts=tuple(sorted(able, key=lambda one: (one.key, one.email))))
    if card.sites is not None and ours.sites is not None:
        at = {one.key: one for one in ours.sites}
        marks = any(one.billing or one.shipping for one in card.sites)
        known = sorted((one for one in card.sites if one.key), key=lambda one: one.key)
        card = replace(card, sites=tuple(_site(one, at.get(one.key), marks=marks) for one in known))
    return card


def _site(shown: Site, ours: Site | None, *, marks: bool) -> Site:
    """An address without what ours says nothing of."""
    if ours is None:
        return shown
    return replace(
        shown,
        label=shown.label if ours.label else "",
        billing=shown.billing if marks else ours.billing,
        shipping=shown.shipping if marks else ours.shipping,
    )


def differing(one: CustomerCard, other: CustomerCard) -> list[CustomerField]:
    """The fields in which two cards differ, of those that both have."""
    return [
        which
        for which, name in CARD_FIELDS.items()
        if getattr(one, name) is not None
        and getattr(other, name) is not None
        and getattr(one, name) != getattr(other, name)
    ]


def phone(text: str) -> str:
    """A number with its country, as E.164 writes it; "" for one without: nobody can tell which country is meant."""
    digits = "".join(sign for sign in text if sign.isascii() and sign.isdigit())
    return f"+{digits}" if text.strip().startswith("+") and len(digits) in _PHONE_DIGITS else ""


def described(card: CustomerCard) -> str:
    """A card in a few words, without anybody's name or address."""
    parts = [] if card.active is None else ["active" if card.active else "inactive"]
    if card.contacts is not None:
        parts.append(f"{len(card.contacts)} contacts")
    if card.sites is not None:
        parts.append(f"{len(card.sites)} addresses")
    return f"a customer: {', '.join(parts)}" if parts else "a customer"


def _keys(company: Company, rules: CustomerRules) -> tuple[tuple[str, str], ...]:
    values = {
        MatchKey.EXTERNAL_ID: company.key,
        MatchKey.NUMBER: company.number,
        MatchKey.TAX_ID: company.tax_id,
    }
    declared = [(one.value, values[one].strip()) for one in rules.match if values[one].strip()]
    former = [(MERGED, old) for old in sorted(rules.merged) if rules.heir(old) == company.key]
    return (*declared, *former)
