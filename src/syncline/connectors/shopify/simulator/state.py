"""The shop's state and its invariants: ids, stock, the order index, and the digest of it all."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from syncline.connectors.shopify.simulator.companies import CompanyBook
from syncline.connectors.shopify.simulator.records import (
    ON_HAND_PARTS,
    QUANTITY_NAMES,
    BulkOperation,
    Customer,
    Fulfillment,
    FulfillmentOrder,
    Level,
    Location,
    OrderRecord,
    PriceList,
    Product,
    Refund,
    Subscription,
    Variant,
    to_minor,
)
from syncline.ports import Clock


class ShopState:
    """Everything the shop remembers. Dicts keep insertion order, which is the order of ids."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._last_id = 1_000_000
        self.locations: dict[int, Location] = {}
        self.variants: dict[int, Variant] = {}  # by variant id
        self.items: dict[int, Variant] = {}  # by inventory item id
        self.skus: dict[str, Variant] = {}
        self.products: dict[int, list[Variant]] = {}
        self._shared: dict[int, Product] = {}  # what variants share, once anybody asked for it
        self.handles: dict[str, int] = {}
        self.publications: dict[int, str] = {}
        self.bulk: dict[int, BulkOperation] = {}
        # Every product that was written through the API: when, which, its title, its status, whether all have a price.
        self.product_log: list[tuple[int, int, str, str, bool]] = []
        self.price_lists: dict[int, PriceList] = {}
        self.metafields: dict[
            tuple[str, str, str], tuple[str, str]
        ] = {}  # owner, namespace, key: type, value
        # Every price that was written through the API: when, in which list (0: the variant's own), of what, how much.
        self.price_log: list[tuple[int, int, int, int]] = []
        self.customers: dict[int, Customer] = {}
        self.customer_ids: dict[str, int] = {}
        self.book = CompanyBook()
        self.orders: dict[int, OrderRecord] = {}
        self.fulfillment_orders: dict[int, FulfillmentOrder] = {}
        self.fulfillments: dict[int, Fulfillment] = {}
        self.refunds: dict[int, Refund] = {}
        self.subscriptions: dict[int, Subscription] = {}
        self.movements: Counter[str] = Counter()
        self.lines_told: dict[int, tuple[tuple[object, ...], msgspec.Raw]] = {}  # rendered last, by line
        self._next_order_number = 1001
        # The search index lags behind the records (contract section 4): changes wait in a queue
        # until they are old enough, and the dict then holds orders in the order of their update.
        self._unindexed: deque[tuple[int, int, int]] = deque()
        self._index: dict[int, int] = {}

    def new_id(self) -> int:
        """The next id; one sequence for all records, as ids carry no meaning."""
        self._last_id += 1
        return self._last_id

    def new_order_number(self) -> int:
        """The next order number, from 1001."""
        number = self._next_order_number
        self._next_order_number += 1
        return number

    # -- catalogue

    def add_location(self, name: str) -> Location:
        """A new place that holds stock, last in priority."""
        location = Location(self.new_id(), name, self.clock.now_ms())
        self.locations[location.id] = location
        return location

    def add_variant(
        self,
        sku: str,
        title: str,
        price: Decimal,
        quantities: Mapping[int, int],
        *,
        product_type: str = "",
        barcode: str = "",
        careless: bool = False,
    ) -> Variant:
        """A new product with one variant, stocked at the given locations.

        Shopify lets a SKU be empty or used twice. Here only who is ``careless`` may do that, and then
        no cart finds the variant by its SKU.
        """
        known = not sku or sku in self.skus
        if known and not careless:
            raise ValueError(f"SKU {sku!r} is empty or exists already")
        now = self.clock.now_ms()
        variant = Variant(
            variant_id=self.new_id(),
            inventory_item_id=self.new_id(),
            product_id=self.new_id(),
            sku=sku,
            title=title,
            price_minor=to_minor(price),
            created_ms=now,
            updated_ms=now,
            product_type=product_type,
            barcode=barcode,
        )
        for location_id, quantity in quantities.items():
            level = self.activate(variant, self.locations[location_id])
            level.available = quantity
        self.variants[variant.variant_id] = variant
        self.products[variant.product_id] = [variant]
        self.items[variant.inventory_item_id] = variant
        if not known:
            self.skus[sku] = variant
        return variant

    def product(self, product_id: int) -> Product:
        """What the variants of a product have in common."""
        found = self._shared.get(product_id)
        if found is None:
            first = self.products[product_id][0]
            handle = f"product-{product_id}"
            found = Product(
                product_id,
                first.title,
                handle,
                first.created_ms,
                first.created_ms,
                product_type=first.product_type,
            )
            self.put_product(found)
        return found

    def put_product(self, product: Product) -> None:
        """Keep what variants share."""
        self._shared[product.id] = product
        self.handles[product.handle] = product.id

    def put_variant(self, variant: Variant) -> None:
        """Keep a variant of a product; of several with a SKU the first is found by it."""
        self.variants[variant.variant_id] = variant
        self.products.setdefault(variant.product_id, []).append(variant)
        self.items[variant.inventory_item_id] = variant
        self.skus.setdefault(variant.sku, variant)

    def drop_variant(self, variant: Variant) -> None:
        """Forget a variant that was deleted."""
        self.variants.pop(variant.variant_id, None)
        self.items.pop(variant.inventory_item_id, None)
        if self.skus.get(variant.sku) is variant:
            del self.skus[variant.sku]

    def activate(self, variant: Variant, location: Location) -> Level:
        """Stock an item at a location, with nothing there yet."""
        now = self.clock.now_ms()
        level = Level(variant, location, now, now)
        variant.levels[location.id] = level
        return level

    # -- orders

    def touch(self, order: OrderRecord) -> None:
        """Note that an order changed now."""
        now = self.clock.now_ms()
        order.updated_ms = now
        self._unindexed.append((now, order.id, now))

    def indexed(self, lag_ms: int) -> dict[int, int]:
        """Order id to update time as the search index has it, oldest update first."""
        if self._unindexed:
            seen_until = self.clock.now_ms() - lag_ms
            while self._unindexed and self._unindexed[0][0] <= seen_until:
                _, order_id, updated_ms = self._unindexed.popleft()
                self._index.pop(order_id, None)
                self._index[order_id] = updated_ms
        return self._index

    # -- truth

    def levels(self) -> Iterable[Level]:
        """Every stock level, by variant and by the order of activation."""
        for variant in self.variants.values():
            yield from variant.levels.values()

    def digest(self, extra: Iterable[str]) -> str:
        """SHA-256 over the complete state; equal digests mean equal histories."""
        h = hashlib.sha256()

        def add(*parts: object) -> None:
            h.update(repr(parts).encode())

        add(self._last_id, self._next_order_number, sorted(self.movements.items()))
        for location in self.locations.values():
            add("L", location.id, location.name)
        for variant in self.variants.values():
            add("V", variant.variant_id, variant.inventory_item_id, variant.sku, variant.price_minor)
            if variant.compare_at_minor is not None:
                add(variant.compare_at_minor)
            for level in variant.levels.values():
                add(level.location.id, level.updated_ms, [getattr(level, n) for n in QUANTITY_NAMES])
        for at, value in sorted(self.metafields.items()):
            add("M", at, value)
        for prices in self.price_lists.values():
            add("P", prices.id, prices.name, prices.currency, sorted(prices.fixed.items()))
            add([(at, sorted(breaks.items())) for at, breaks in sorted(prices.breaks.items())])
        for product in self._shared.values():
            add("G", product)
        for operation in self.bulk.values():
            add("B", operation)
        for customer in self.customers.values():
            add("C", customer.id, customer.buyer)
        for part in self.book.parts():
            add("B", part)
        for order in self.orders.values():
            self._digest_order(add, order)
        for sub in self.subscriptions.values():
            add("W", sub.id, sub.topic, sub.uri, sub.updated_ms, sub.last_success_ms)
        for part in extra:
            h.update(part.encode())
        return h.hexdigest()

    @staticmethod
    def _digest_order(add: object, order: OrderRecord) -> None:
        assert callable(add)
        add(
            "O",
            order.id,
            order.number,
            order.created_ms,
            order.updated_ms,
            order.customer.id if order.customer else None,
            (order.shipping_minor, str(order.tax_rate), order.po_number, order.source_reference, order.note),
            (order.cancelled_ms, order.cancel_reason, order.closed_ms, order.edited, order.tags),
        )
        for line in order.lines:
            add(line.id, line.variant.variant_id, line.quantity, line.current_quantity)
            add(line.open_quantity, line.fulfilled_quantity, line.unit_minor, line.discount_minor)
        for t in order.transactions:
            add(t.id, t.kind, t.status, t.amount_minor, t.processed_ms)
        for fo in order.fulfillment_orders:
            add(fo.id, fo.location.id, fo.status, [(x.id, x.line.id, x.total, x.remaining) for x in fo.lines])
        for f in order.fulfillments:
            add(f.id, f.location.id, f.status, f.tracking, [(x.id, x.line.id, x.quantity) for x in f.lines])
        for r in order.refunds:
            add(r.id, r.created_ms, [(x.line.id, x.quantity, x.restock_type) for x in r.lines])

    def check(self) -> list[str]:
        """Every broken invariant of stock against orders, in words; empty when all is well."""
        wrong: list[str] = []
        committed: Counter[tuple[int, int]] = Counter()
        for fo in self.fulfillment_orders.values():
            for line in fo.lines:
                committed[line.line.variant.variant_id, fo.location.id] += line.remaining
        for level in self.levels():
            key = level.variant.variant_id, level.location.id
            if level.on_hand != sum(getattr(level, name) for name in ON_HAND_PARTS):
                wrong.append(f"{level.variant.sku}@{level.location.name}: on_hand is not its parts' sum")
            if level.committed != committed[key]:
                wrong.append(
                    f"{level.variant.sku}@{level.location.name}: committed {level.committed}, "
                    f"open orders {committed[key]}",
                )
        return wrong
