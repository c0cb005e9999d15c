"""What of a record tells who somebody is: taken out of it, and looked for elsewhere. Pure functions.

What stays is what exactly-once, sums and the audit need: ids, references, SKUs, quantities, amounts, moments.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from syncline.model.copying import replace
from syncline.model.customers import Company, CustomerCard
from syncline.model.payloads import Payload, PutCustomer, PutOrder
from syncline.model.records import Address, Customer, Order

ERASED = "[erased]"  # in place of a text that may have told of somebody
WORD_CHARS_MIN = 5  # shorter ones stand in texts that have nothing to do with the person
NUMBER_DIGITS_MIN = 7
# Codes of signs in JSON, but for those of quotes, backslashes and controls, which stay escaped; pairs of them are one sign.
_CODES = re.compile(rb"(?:\\u(?!00[01]|0022|005c)[0-9a-f]{4})+", re.IGNORECASE)


def _unescaped(body: bytes) -> bytes:
    """JSON in which signs are written as they are. Some escape ``+``, others ``/`` or whatever is not ASCII, each its own way."""
    if b"\\" not in body:
        return body
    plain = _CODES.sub(lambda found: json.loads(b'"%s"' % found[0]).encode(errors="replace"), body)
    return plain.replace(b"\\/", b"/")


def order_without(order: Order) -> Order:
    """The order without its buyer, of whom the channel's id is left; the buyer's own purchase-order number stays."""
    customer = None if order.customer is None else Customer(order.customer.key)
    return replace(order, customer=customer, billing=None, shipping_to=None, note="")


def company_without(company: Company) -> Company:
    """The customer without names, addresses and people. It counts as a private one, which no channel is told of."""
    return Company(
        key=company.key,
        name="",
        number=company.number,
        active=company.active,
        external_id=company.external_id,
        terms=company.terms,
        group=company.group,
        currency=company.currency,
        person=True,
    )


def payload_without(payload: Payload) -> Payload:
    """What a call carried, without the person. Fields of an account's own may hold anything, so they go too."""
    if isinstance(payload, PutOrder):
        return replace(payload, order=order_without(payload.order), fields=())
    if isinstance(payload, PutCustomer):
        return replace(payload, content=CustomerCard(), before=None)
    return payload


def words_of_order(order: Order) -> list[str]:
    """Every text of an order by which its buyer would be known."""
    found = [order.note]
    if order.customer is not None:
        found += [order.customer.name, order.customer.email, order.customer.phone]
    for address in (order.billing, order.shipping_to):
        if address is not None:
            found += _words_of_address(address)
    return found


def words_of_company(company: Company) -> list[str]:
    """The same of a customer of an ERP: its people and places, and itself where it is a person."""
    found = [company.email, company.phone]
    if company.person:
        found += [company.name, company.tax_id]
    for contact in company.contacts:
        full = f"{contact.first_name} {contact.last_name}".strip()
        found += [full, contact.email, contact.phone]
    for site in company.sites:
        found += [site.name, site.line1, site.line2, site.phone]
    return found


def _words_of_address(address: Address) -> list[str]:
    return [address.name, address.line1, address.line2, address.phone]


class Words:
    """Texts that tell of somebody, and whether other texts contain one.

    Case does not matter, as far as it is that of ASCII letters. ``sure`` are those that nobody else has: e-mail addresses and
    telephone numbers. By a name or a street a message may be taken for somebody else's, which costs its body only.
    """

    def __init__(self) -> None:
        self._all: dict[bytes, None] = {}
        self._sure: dict[bytes, None] = {}

    def add(self, words: Iterable[str]) -> None:
        """Look for these too. Those too short to say anything are left out."""
        for word in words:
            text = word.strip()
            digits = sum(sign.isdecimal() for sign in text)
            sure = "@" in text or (digits >= NUMBER_DIGITS_MIN and not any(sign.isalpha() for sign in text))
            if len(text) < WORD_CHARS_MIN:
                continue
            for form in (text, json.dumps(text, ensure_ascii=False)[1:-1]):
                self._all[form.encode(errors="replace").lower()] = None
                if sure:
                    self._sure[form.encode(errors="replace").lower()] = None

    def in_body(self, body: bytes) -> bool:
        """Whether a message contains any of them."""
        lowered = _unescaped(body).lower()
        return any(word in lowered for word in self._all)

    def in_text(self, text: str) -> bool:
        """Whether a text that is nobody's message contains one that is sure, or several of the others."""
        lowered = _unescaped(text.encode(errors="replace")).lower()
        if any(word in lowered for word in self._sure):
            return True
        return sum(word in lowered for word in self._all) > 1
