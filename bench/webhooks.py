"""Order webhooks as the shop sends them: from the simulator, with people and goods that differ."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import msgspec

SECRET = "a-client-secret-for-benchmarks-0123456789"
SHOP = "bench.myshopify.com"
_FIRST = "Amelia Noah Olivia Arthur Isla George Freya Leo Ava Oscar Lily Theo Mia Finley Grace Archie".split()
_LAST = "Okafor Smith Nowak Patel Jones Murphy Silva Evans Kaya Brown Lopez Walker Singh Wright Ito".split()
_STREET = "High Station Church Mill Park Victoria Green Manor Kings Queens North Grange".split()
_CITY = "Reading Leeds York Bath Derby Luton Hull Oxford Exeter Truro Perth Dundee".split()
_WORD = "brass striped vintage glass paper wooden painted lantern mug cushion clock tray basket candle bowl frame".split()


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook: what differs between two of them is its id and its body."""

    id: str
    headers: dict[str, str]
    body: bytes


def _words(rng: Random, count: int) -> str:
    return " ".join(rng.choice(_WORD) for _ in range(count))


def order_body(number: int, rng: Random, skus: list[str], *, lines: int = 3) -> bytes:
    """An ``orders/create`` body of about 2 kB: the fields that the connector subscribes to, for one order."""
    name = rng.choice(_FIRST), rng.choice(_LAST)
    city, email = rng.choice(_CITY), f"{name[0]}.{name[1]}{rng.randrange(10_000)}@example.com".lower()
    address = {
        "first_name": name[0], "last_name": name[1], "name": " ".join(name), "company": None,
        "address1": f"{rng.randrange(1, 300)} {rng.choice(_STREET)} Street", "address2": None, "city": city,
        "zip": f"{city[:2].upper()}{rng.randrange(1, 60)} {rng.randrange(10)}AB", "province": None, "country": "United Kingdom",
        "country_code": "GB", "phone": f"+44 7{rng.randrange(10**9):09d}",
    }  # fmt: skip
    total = 0
    items = []
    for line in range(lines):
        price, quantity = rng.randrange(99, 9_999), rng.randrange(1, 6)
        total += price * quantity
        items.append({
            "id": 13_000_000_000_000 + number * 100 + line, "sku": rng.choice(skus), "title": _words(rng, 4),
            "quantity": quantity, "current_quantity": quantity, "price": f"{price / 100:.2f}",
            "discount_allocations": [], "tax_lines": [],
        })  # fmt: skip
    stamp = f"2026-03-{1 + number % 28:02d}T{number % 24:02d}:{number % 60:02d}:{rng.randrange(60):02d}+00:00"
    amount = f"{total / 100:.2f}"
    bag = {"shop_money": {"amount": amount, "currency_code": "GBP"}}
    return msgspec.json.encode({
        "id": 5_000_000_000_000 + number, "admin_graphql_api_id": f"gid://shopify/Order/{5_000_000_000_000 + number}",
        "name": f"#{number}", "order_number": number, "created_at": stamp, "updated_at": stamp, "processed_at": stamp,
        "currency": "GBP", "email": email, "note": _words(rng, 9), "taxes_included": False, "cancelled_at": None,
        "customer": {"id": 7_000_000_000_000 + rng.randrange(10**9), "email": email, **{
            k: address[k] for k in ("first_name", "last_name", "phone")}},
        "billing_address": address, "shipping_address": address, "line_items": items, "shipping_lines": [],
        "current_total_price": amount, "total_price": amount, "current_total_tax": "0.00", "total_tax": "0.00",
        "current_total_discounts": "0.00", "total_discounts": "0.00", "total_shipping_price_set": {
            "shop_money": {"amount": "0.00", "currency_code": "GBP"}}, "current_total_price_set": bag,
        "total_price_set": bag, "token": f"{rng.getrandbits(128):032x}",
    })  # fmt: skip


def sign(body: bytes, secret: str = SECRET) -> str:
    """The signature header's value."""
    return base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


def hook(number: int, body: bytes, rng: Random) -> Hook:
    """A signed webhook."""
    id_ = f"{rng.getrandbits(128):032x}"
    return Hook(id_, {
        "Content-Type": "application/json", "User-Agent": "Shopify-Captain-Hook", "X-Shopify-Topic": "orders/create",
        "X-Shopify-Shop-Domain": SHOP, "X-Shopify-API-Version": "2026-07", "X-Shopify-Webhook-Id": id_,
        "X-Shopify-Triggered-At": "2026-03-02T08:00:00.000000000Z", "X-Shopify-Hmac-Sha256": sign(body),
    }, body)  # fmt: skip


def hooks(seed: int, count: int, *, skus: int = 2_000) -> list[Hook]:
    """So many different webhooks."""
    rng = Random(seed)
    names = [f"{10_000 + n * 7}" for n in range(skus)]
    return [hook(n, order_body(n, rng, names), rng) for n in range(count)]


def requests(path: str, made: list[Hook], seed: int) -> Iterator[bytes]:
    """The webhooks as requests, for ever; from the second round on under new ids, which are not signed."""
    rng = Random(seed)
    lines = [f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode() for _ in (0,)]
    prepared = []
    for one in made:
        head = "".join(f"{k}: {v}\r\n" for k, v in one.headers.items() if k != "X-Shopify-Webhook-Id")
        tail = f"Content-Length: {len(one.body)}\r\n\r\n".encode() + one.body
        prepared.append((lines[0] + head.encode() + b"X-Shopify-Webhook-Id: ", b"\r\n" + tail))
    while True:
        for head_, tail in prepared:
            yield head_ + b"%032x" % rng.getrandbits(128) + tail
