"""Commerce Webhooks: what the shop's checkout asks before it goes on.

Contract sheet section 10. The signature is RSA-SHA256 over the **base64 of the raw body**, in base64, in
``x-adobe-commerce-webhook-signature``. It is off by default, and without a key here no question is answered. Which fields a
question carries is configured with the hook in the shop; what is asked of an order is under ``order``, of a cart under ``quote``
or ``cart``. An answer is one operation or a list of them.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from syncline.connectors.adobe_commerce import wire
from syncline.connectors.adobe_commerce.keys import load_keys
from syncline.connectors.adobe_commerce.manifest import AdobeCommerceSettings
from syncline.model.errors import Forged, Rejected
from syncline.ports import Cart, CartLine, WebhookRequest

SIGNATURE = "x-adobe-commerce-webhook-signature"
HEADER_CHARS_MAX = 2048
BODY_BYTES_MAX = 256 * 1024
LINES_MAX = 100
REFERENCE_CHARS_MAX = 64
ROOTS = ("order", "quote", "cart")
# The quote item's field that the shop takes instead of the catalog's price. An assumption: not tried on the product.
PRICE_FIELD = "custom_price"
CONFIGURABLE = "configurable"
STOP = "Magento\\Framework\\Exception\\LocalizedException"
_encode = msgspec.json.Encoder(decimal_format="number").encode
Number = Decimal | None


class _Payment(msgspec.Struct, frozen=True):
    method: str = ""


class _Line(msgspec.Struct, frozen=True):
    sku: str
    qty_ordered: Number = None
    qty: Number = None
    parent_item_id: int | str | None = None
    product_type: str | None = None


class _Asked(msgspec.Struct, frozen=True):
    """An order or a cart, with the fields that the hook is configured to send."""

    increment_id: str | None = None
    reserved_order_id: str | None = None
    quote_id: int | str | None = None
    entity_id: int | str | None = None
    customer_id: int | str | None = None
    base_grand_total: Number = None
    base_currency_code: str | None = None
    payment: _Payment | None = None
    items: tuple[_Line, ...] = ()


class AdobeCommerceGate:
    """The hooks of one shop."""

    def __init__(self, name: str, settings: AdobeCommerceSettings) -> None:
        self._name = name
        self._settings = settings
        self._keys = load_keys(settings.webhook_public_keys, "webhook_public_keys")

    @property
    def deadline_ms(self) -> int:
        return self._settings.webhook_deadline_ms

    @property
    def passes_review(self) -> bool:
        return self._settings.webhook_review == "pass"

    def read(self, request: WebhookRequest) -> Cart:
        try:
            self._verify(request)
            return self._cart(request.body)
        except Rejected:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the bytes are, the answer is a refusal
            raise Rejected(f"the question cannot be understood ({type(error).__name__})") from None

    def _verify(self, request: WebhookRequest) -> None:
        if len(request.body) > BODY_BYTES_MAX:
            raise Forged(f"body: {len(request.body)} bytes are more than {BODY_BYTES_MAX}")
        try:
            signature = base64.b64decode(
                request.headers.get(SIGNATURE, "")[:HEADER_CHARS_MAX].encode("ascii"), validate=True
            )
        except (ValueError, binascii.Error):
            signature = b""
        signed = base64.b64encode(request.body)
        held = False
        for key in self._keys:
            try:
                key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
            except InvalidSignature:
                continue
            held = True
        if not held:
            raise Forged(
                "X-Adobe-Commerce-Webhook-Signature: no signature holds; compare webhook_public_keys with the shop's "
                "Stores > Configuration > Webhooks, and make sure that no proxy alters the body"
            )

    def _cart(self, body: bytes) -> Cart:
        told = wire.decode(body, dict[str, msgspec.Raw], "question")
        root = next((name for name in ROOTS if name in told), None)
        if root is None:
            raise Rejected("the question has no order, quote or cart: add one to the hook's fields")
        asked = wire.decode(bytes(told[root]), _Asked, root)
        order = asked.increment_id or asked.reserved_order_id or ""
        cart = str(asked.quote_id or asked.entity_id or "")
        if not (order or cart):
            raise Rejected(
                f"{root}: send increment_id, reserved_order_id or quote_id, so that it can be told apart"
            )
        if len(asked.items) > LINES_MAX:
            raise Rejected(f"{root}.items: more than {LINES_MAX}")
        lines = tuple(
            CartLine(
                line.sku,
                wire.amount(line.qty_ordered if line.qty_ordered is not None else line.qty, "items.qty"),
                f"{root}/items/{place}",
            )
            for place, line in _sold(asked.items)
        )
        total = asked.base_grand_total
        return Cart(
            _safe(order or f"q{cart}"),
            order,
            str(asked.customer_id or ""),
            asked.base_currency_code or "",
            None if total is None else wire.amount(total, f"{root}.base_grand_total"),
            lines,
            asked.payment is None or asked.payment.method in self._settings.webhook_credit_methods,
        )

    def passed(self) -> bytes:
        return b'{"op":"success"}'

    def stopped(self, message: str) -> bytes:
        return _encode({"op": "exception", "type": STOP, "message": message})

    def priced(self, prices: Sequence[tuple[CartLine, Decimal]]) -> bytes:
        if not prices:
            return self.passed()
        operations: list[dict[str, Any]] = [
            {"op": "replace", "path": f"{line.place}/{PRICE_FIELD}", "value": price} for line, price in prices
        ]
        return _encode(operations)


def _sold(lines: Sequence[_Line]) -> Iterator[tuple[int, _Line]]:
    """The lines that are bought, with their places, without the variants under configurable lines, which have their SKU.

    An order that is not saved yet has no ids, so a variant does not name its parent: then the kind of the line tells.
    """
    chosen: Counter[str] = Counter()  # by SKU, configurable lines whose variant did not come yet
    for place, line in enumerate(lines):
        if line.product_type == CONFIGURABLE:
            chosen[line.sku] += 1
        elif line.parent_item_id:
            chosen[line.sku] -= chosen[line.sku] > 0
            continue
        elif chosen[line.sku]:
            chosen[line.sku] -= 1
            continue
        yield place, line


def _safe(text: str) -> str:
    """A name as references may be: anything else than letters, digits and a few marks is written as a number."""
    name = "".join(
        one if one.isascii() and (one.isalnum() or one in "._-") else f"~{ord(one):x}" for one in text
    )
    if len(name) > REFERENCE_CHARS_MAX:  # cut off, two orders could share one approval
        raise Rejected(f"{text[:40]!r}…: such a long name of an order cannot be told apart; shorten it")
    return name
