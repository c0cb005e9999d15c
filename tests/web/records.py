"""The made-up ERP and shop with prices, products, companies and credit between them, some of each in every state."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

from tests.web import support
from tests.web.support import MINUTE, FakeSink, FakeSource, make_site, record

from syncline.credit.rules import CreditRules
from syncline.engine.codec import encode, fingerprint
from syncline.engine.derive.prices import price_key, tag_key
from syncline.engine.routes import Route, Routes, customer_reference
from syncline.mapping.customers import CustomerRules
from syncline.model.change import Flow, Kind
from syncline.model.credit import Credit, CreditTag
from syncline.model.customers import Company, Contact, CustomerField, Site
from syncline.model.pricing import Price, PriceBreak, PriceEntry, PriceKind, PriceTag
from syncline.model.products import Goods, Product, ProductRules, Variant, Wording
from syncline.ports import PollStream, Write
from syncline.pricing.rules import OWN, ChannelList, PriceRules

D = Decimal
HOUR, DAY = 60 * MINUTE, 86_400_000
PRICES, CATALOG = "prices:erp->shop", "catalog:erp->shop"
CUSTOMERS, CREDIT = "customers:erp->shop", "credit:erp->shop"
PRICE_RULES = PriceRules(
    (
        ChannelList(OWN, ("level:5", "level:1"), "GBP"),
        ChannelList("24601", ("customer:107", "level:1"), "GBP"),
    ),
    decimals=2,
)
PRODUCT_RULES = ProductRules(frozenset({"title", "status", "images"}), {"fr": "fr"}, {"77": ("WEB",)})
CUSTOMER_RULES = CustomerRules(
    ours=tuple(one for one in CustomerField if one not in (CustomerField.PHONE, CustomerField.GROUP)),
    theirs=(CustomerField.PHONE,),
    roles={"buyer": "ordering"},
    terms={"net30": "NET30"},
    merged={"105": "107"},
)
STATE_OPERATIONS = (
    "set_price", "set_list_price", "set_product", "set_wording", "set_listing", "put_customer", "set_credit",
)  # fmt: skip
ACME = Company(
    "107", "Acme Tools Ltd", "C-1042", tax_id="GB123456789", terms="net30", currency="GBP", phone="+442071234567",
    contacts=(Contact("5", "Robin", "Vale", "robin.vale@example.com", role="buyer"),),
    sites=(Site("1", "Works", billing=True, line1="1 Mill Lane", city="Leeds", postcode="LS1 1AA", country="GB"),),
)  # fmt: skip


def make_routes() -> Routes:
    """The routes of every day, and one for each kind of record."""
    more = [
        Route(Flow.PRICES, "erp", "shop", HOUR, prices=PRICE_RULES, poll_interval_ms=15 * MINUTE),
        Route(Flow.CATALOG, "erp", "shop", HOUR, products=PRODUCT_RULES, put_back=False),
        Route(Flow.CUSTOMERS, "erp", "shop", HOUR, customers=CUSTOMER_RULES),
        Route(Flow.CREDIT, "erp", "shop", 5 * MINUTE, credit=CreditRules(currency="GBP")),
    ]
    return Routes([*USUAL_ROUTES().all, *more])


def make_systems(clock):
    """An ERP that tells of everything, and a shop that can be told everything."""
    erp, shop = USUAL_SYSTEMS(clock)
    streams = (
        *erp.source.streams,
        PollStream("prices", (Flow.PRICES,), snapshot=True),
        PollStream("products", (), snapshot=True, records=(Flow.CATALOG,)),
        PollStream("customers", (Flow.CUSTOMERS,), snapshot=True),
        PollStream("credit", (Flow.CREDIT,), snapshot=True),
    )
    sink = FakeSink((*shop.sink.operations, *STATE_OPERATIONS))
    return [replace(erp, source=FakeSource("erp", streams)), replace(shop, sink=sink)]


USUAL_ROUTES, USUAL_SYSTEMS = support.make_routes, support.make_systems


async def make_records_site(clock=None, **options):
    """A site of that world, whose store holds some of everything."""
    support.make_routes, support.make_systems = make_routes, make_systems
    try:
        site = await make_site(clock, **options)
    finally:
        support.make_routes, support.make_systems = USUAL_ROUTES, USUAL_SYSTEMS
    await fill(site.engine)
    return site


# --- what there is -------------------------------------------------------------------------------------


def price(sku: str, price_list: str, kind: PriceKind, *entries: PriceEntry) -> Price:
    return Price(sku, price_list, kind, entries)


def gbp(amount: str, minimum: str = "1", starts_ms: int = 0, ends_ms: int = 0) -> PriceEntry:
    return PriceEntry(D(amount), "GBP", D(minimum), "", starts_ms, ends_ms)


def tag(*amounts: tuple[str, str]) -> PriceTag:
    return PriceTag("GBP", tuple(PriceBreak(D(minimum), D(amount)) for minimum, amount in amounts))


def held(kind: Kind, key: str, content, now_ms: int, *, sure: bool = True) -> dict:
    return {
        "system": "shop", "kind": kind.value, "key": key, "hash": fingerprint(content) if sure else "",
        "body": encode(content), "now_ms": now_ms,
    }  # fmt: skip


def due(operation: str, key: str, route: str, by_ms: int, now_ms: int) -> dict:
    return {
        "system": "shop", "operation": operation, "key": key, "route": route, "changed_at_ms": by_ms - HOUR,
        "deliver_by_ms": by_ms, "not_before_ms": now_ms, "now_ms": now_ms,
    }  # fmt: skip


def bound(system: str, key: str, external_id: str, now_ms: int, kind: Kind = Kind.CUSTOMER) -> dict:
    return {
        "system": system, "kind": kind.value, "key": key, "external_id": external_id, "version": 0, "hash": "",
        "now_ms": now_ms,
    }  # fmt: skip


def difference(route: str, key: str, cause: str, detail: str, state: str, now_ms: int) -> dict:
    return {
        "route": route, "key": key, "cause": cause, "subject": key, "detail": detail, "units": 0, "state": state,
        "proof": "p1", "now_ms": now_ms,
    }  # fmt: skip


async def park(engine, operation: str, key: str, route: str, reason: str, detail: str, ago_ms: int) -> int:
    """A delivery that waits for a person."""
    now = engine.clock.now_ms()
    at = {"system": "shop", "operation": operation, "key": key, "now_ms": now - ago_ms}
    ended = {"state": "parked", "generation": 1, "not_before_ms": now, "reason": reason, "uncounted": 0}
    rows = await engine.store.write(
        Write("delivery_fact", [due(operation, key, route, now, now)]),
        Write("delivery_finish", [{**at, **ended}]),
        Write("parked_put", [{**at, "reason": reason, "detail": detail, "payload": "{}"}]),
    )
    return rows[2][0][0]


def prices(now: int) -> list[Price]:
    """What the ERP charges."""
    return [
        price("TEE-RED-M", "level:1", PriceKind.LIST, gbp("19")),
        price(
            "TEE-RED-M", "level:5", PriceKind.PROMOTIONAL, gbp("15", starts_ms=now - HOUR, ends_ms=now + DAY)
        ),
        price("TEE-RED-M", "customer:107", PriceKind.CONTRACT, gbp("16.50"), gbp("15.25", "10")),
        price("MUG-01", "level:1", PriceKind.LIST, gbp("0.80")),
        price("CAP-BLK", "level:1", PriceKind.LIST, gbp("12")),
        price("SOCK-42", "level:1", PriceKind.LIST, gbp("4.50")),
    ]


def products() -> list[Product]:
    """What the ERP sells."""
    tee = Product(
        "TEE", "Tee", (Variant("TEE-RED-M", ("M",)), Variant("TEE-RED-L", ("L",))), ("Size",), description="A tee.",
        images=("https://pictures.example.com/tee.jpg",), translations={"fr": Wording({"title": "Le tee"})},
        assortments=("WEB",),
    )  # fmt: skip
    return [
        tee,
        Product("MUG-01", "Mug", (Variant("MUG-01"),)),
        Product("CAP-BLK", "Cap", (Variant("CAP-BLK"),)),
    ]


async def fill(engine) -> None:
    """Some of everything: right, on its way, late, parked, changed at the channel, and not there."""
    now, store = engine.clock.now_ms(), engine.store
    customer = replace_person()
    credit = Credit("107", "GBP", D(1000), D(300), D(50), days_past_due=3, read_began_ms=now - MINUTE)
    blocked = Credit("108", "GBP", D(500), D(100), on_hold=True, read_began_ms=now - MINUTE)
    records = [
        *(
            record("erp", Kind.PRICE, price_key(one.sku, one.price_list), one, now - HOUR)
            for one in prices(now)
        ),
        *(record("erp", Kind.PRODUCT, one.key, one, now - HOUR) for one in products()),
        *(record("erp", Kind.CUSTOMER, one.key, one, now - HOUR) for one in (ACME, customer)),
        *(
            {**record("erp", Kind.CREDIT, one.account, one, now - MINUTE), "version": now - MINUTE}
            for one in (credit, blocked)
        ),
    ]
    tee = Goods(
        products()[0].variants, ("Size",), products()[0].status, title="Tea", images=products()[0].images
    )
    await store.write(
        Write("record_put", records),
        Write(
            "content_put",
            [
                held(Kind.PRICE, tag_key(OWN, "TEE-RED-M"), tag(("1", "19")), now - DAY),
                held(Kind.PRICE, tag_key("24601", "TEE-RED-M"), tag(("1", "16.5"), ("10", "15.25")), now - DAY),
                held(Kind.PRICE, tag_key(OWN, "MUG-01"), tag(("1", "8")), now - DAY),
                held(Kind.PRICE, tag_key("24601", "MUG-01"), tag(("1", "0.8")), now - DAY),
                held(Kind.PRICE, tag_key(OWN, "CAP-BLK"), tag(("1", "12")), now - DAY),
                held(Kind.PRICE, tag_key("24601", "CAP-BLK"), tag(("1", "12")), now - DAY),
                held(Kind.PRICE, tag_key(OWN, "SOCK-42"), tag(("1", "4.5")), now - HOUR),
                held(Kind.PRICE, tag_key("24601", "SOCK-42"), tag(("1", "4.5")), now - HOUR),
                held(Kind.PRODUCT, "goods\x1fTEE", tee, now - DAY),
                held(Kind.CREDIT, "107", CreditTag("GBP", D(1000), D(650)), now - MINUTE),
            ],
        ),
        Write("binding_put", [bound("shop", "107", "gid://shopify/Company/9", now), bound("shop", "TEE", "p-77", now, Kind.PRODUCT),
                              bound("erp", customer_reference("shop", "9"), "107", now)]),
        Write("delivery_fact", [due("set_price", tag_key(OWN, "TEE-RED-M"), PRICES, now - 4 * MINUTE, now)]),
        Write("delivery_fact", [due("set_product", "goods\x1fMUG-01", CATALOG, now + 20 * MINUTE, now)]),
        Write("difference_put", [
            difference(PRICES, tag_key(OWN, "CAP-BLK"), "changed at the channel", "the channel shows 9 GBP, 12 GBP was written", "repairing", now - HOUR),
            difference(CATALOG, "goods\x1fTEE", "left as changed at the channel", "the channel shows another title, ours was written", "named", now - 2 * HOUR),
            difference(PRICES, tag_key(OWN, "SOCK-42"), "in flight", "something was under way", "named", now),
        ]),
    )  # fmt: skip
    detail = "MUG-01: the price would go from 8 to 0.8 GBP, by more than 50 %"
    await park(engine, "set_price", tag_key(OWN, "MUG-01"), PRICES, "price_jump", detail, 2 * HOUR)
    nameless = "customer 109 has no name: give it one at its source"
    await park(engine, "put_customer", "109", CUSTOMERS, "customer_nameless", nameless, HOUR)
    await engine.credit.check("cart-1", "shop", D(200), "GBP", account="107", by="till")
    intent = "0190aaaa-0000-7000-8000-000000000001"
    at = {"system": "shop", "operation": "set_list_price", "key": tag_key("24601", "TEE-RED-M")}
    await store.write(
        Write("intent_put", [{**at, "id": intent, "items": json.dumps({}), "now_ms": now - DAY}]),
        Write("attempt_put", [{**at, "intent": intent, "generation": 1, "result": "done", "message": "", "now_ms": now - DAY}]),
        Write("intent_finish", [{"id": intent, "result": "known", "now_ms": now - DAY + 400}]),
        Write("lag_put", [{"route": PRICES, "key": at["key"], "lag_ms": 95_000, "kept": 1, "now_ms": now - DAY + 400}]),
    )  # fmt: skip


def replace_person() -> Company:
    """A customer who is nobody's company."""
    return Company(
        "108", "Robin Quill", "P-7", person=True, email="quill@example.com", contacts=ACME.contacts
    )
