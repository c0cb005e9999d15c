"""Customers of a distributor: as a system of record states them, and as a channel holds them.

A company, its contacts and its addresses are one record, so that nobody sees half of a change. Ids are the systems' own.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class CustomerField(StrEnum):
    """What of a customer has an owner of its own on each route."""

    NAME = "name"
    ACTIVE = "active"
    TAX_ID = "tax_id"
    TERMS = "terms"
    GROUP = "group"
    PHONE = "phone"
    CONTACTS = "contacts"
    ADDRESSES = "addresses"


class MatchKey(StrEnum):
    """By what a customer is found that the channel had before us; a person's e-mail is none of them."""

    EXTERNAL_ID = "external_id"
    NUMBER = "number"
    TAX_ID = "tax_id"


MERGED = "merged"  # beside those among a card's keys: a customer whose place this one took


class Contact(Struct, frozen=True):
    """Somebody who acts for a company. ``role`` is what they may do, by the word of whoever states it; "": nothing."""

    key: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    phone: str = ""
    title: str = ""
    role: str = ""


class Site(Struct, frozen=True):
    """An address of a company; ``billing`` and ``shipping`` mark the usual ones. ``country`` is ISO 3166-1 alpha-2."""

    key: str
    label: str = ""
    billing: bool = False
    shipping: bool = False
    name: str = ""
    line1: str = ""
    line2: str = ""
    city: str = ""
    region: str = ""
    postcode: str = ""
    country: str = ""
    phone: str = ""


class Company(Struct, frozen=True):
    """A customer as its source states it.

    ``key`` is the source's id, ``number`` the account number that people use, ``external_id`` the reference that
    somebody else gave it. ``terms`` and ``group`` are the source's own ids of them; ``currency`` is ISO 4217, "" the only
    one of a source that has no other. ``person``: it is a private one, without a company.
    """

    key: str
    name: str
    number: str = ""
    active: bool = True
    external_id: str = ""
    tax_id: str = ""
    terms: str = ""
    group: str = ""
    currency: str = ""
    email: str = ""
    phone: str = ""
    person: bool = False
    contacts: tuple[Contact, ...] = ()
    sites: tuple[Site, ...] = ()


class CustomerCard(Struct, frozen=True):
    """What a channel holds of a customer, in the channel's own ids. A field of ``None`` is none of ours there.

    Contacts are those who may do anything there. They and the sites stand in the order of their keys; a contact whom we
    did not put there has none. ``keys`` are what it
    is found by if the channel has it already, in order. ``first`` is what it begins with where it is not there yet: what
    the channel owns has to begin with something. What others changed there is overwritten if ``put_back``; if not, only
    where the source has changed it as well.
    """

    name: str | None = None
    active: bool | None = None
    tax_id: str | None = None
    terms: str | None = None
    group: str | None = None
    phone: str | None = None
    contacts: tuple[Contact, ...] | None = None
    sites: tuple[Site, ...] | None = None
    keys: tuple[tuple[str, str], ...] = ()
    first: CustomerCard | None = None
    put_back: bool = True


# Where the card keeps each field.
CARD_FIELDS: dict[CustomerField, str] = {
    one: "sites" if one is CustomerField.ADDRESSES else one.value for one in CustomerField
}
