"""The REST services that are simulated: what each takes, what it does, what it answers.

Names and addresses from admin-schema-2.4.9.yaml and from InventoryApi/etc/webapi.xml (contract sections 5, 8 and 12).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from syncline.connectors.adobe_commerce.simulator import (
    catalog,
    companies,
    companycredits,
    merchandise,
    prices,
    reads,
    render,
    sharedcatalogs,
    specialprices,
    stockitems,
)
from syncline.connectors.adobe_commerce.simulator.errors import ApiError, no_such_entity
from syncline.connectors.adobe_commerce.simulator.fields import taken
from syncline.connectors.adobe_commerce.simulator.search import Criteria
from syncline.connectors.adobe_commerce.simulator.state import (
    Creditmemo,
    Invoice,
    Order,
    Shipment,
    SourceItem,
    stamp,
)

if TYPE_CHECKING:
    from syncline.connectors.adobe_commerce.simulator import AdobeCommerceSimulator


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a service: its path's parameters, its query, and its parameters from the body."""

    path: Mapping[str, str]
    query: Sequence[tuple[str, str]]
    given: Mapping[str, Any]
    store: str = "all"
    kind: str = ""  # the first word of the address

    def number(self, name: str) -> int:
        """A path parameter that is an id."""
        text = self.path[name]
        if not text.isascii() or not text.isdigit():
            raise ApiError(
                400,
                'The "%value" value\'s type is invalid. The "%type" type was expected. Verify and try again.',
                {"value": text, "type": "int"},
            )
        return int(text)


T = TypeVar("T")
Handler = Callable[["Services", Call], Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One service: method, address below ``V1/``, the parameters that it takes, and what it does."""

    method: str
    template: str
    service: str
    handle: Handler

    @property
    def name(self) -> str:
        """As the ledger names it."""
        return f"{self.method} {self.template}"

    @property
    def parts(self) -> list[str]:
        """The address in its segments."""
        return self.template.split("/")


class Services:
    """The services of one shop."""

    def __init__(self, shop: AdobeCommerceSimulator) -> None:
        self._shop = shop
        self._state = shop.state
        self._sales = shop.sales
        self._rendered: dict[int, tuple[int, dict[str, Any]]] = {}

    def parameters(self, route: Route, body: Any, *, asynchronous: bool) -> dict[str, Any]:
        """What a body gives for a service, checked."""
        limits = self._shop.input_limits
        limit = (self._shop.async_items_max if asynchronous else self._shop.items_max) if limits else None
        return taken(route.service, body, self._shop.ledger.breach, items_max=limit)

    @property
    def shop(self) -> AdobeCommerceSimulator:
        """The shop whose services these are."""
        return self._shop

    # --- searches ---------------------------------------------------------------------------------

    def search(
        self,
        call: Call,
        rows: Iterable[Mapping[str, Any]],
        *,
        needed: bool = True,
        also: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
        empty: frozenset[str] = frozenset(),
    ) -> dict[str, Any]:
        """The answer to a search over some rows.

        ``needed``: the service has no default for its criteria. ``also``: its records have attributes, where others have columns;
        those that a search knows besides what is told of a record. ``empty``: columns that a record may have no value in.
        """
        note, limited = self._shop.ledger.breach, self._shop.input_limits
        criteria = Criteria(call.query, limited=limited, note=note, needed=needed, also=also, empty=empty)
        found, total = criteria.apply(rows)
        return {"items": found, "search_criteria": criteria.told(), "total_count": total}

    def orders(self, call: Call) -> Any:
        # The read replica, where there is one, lags behind; without a lag this is what is there.
        rows = (self._told(one) for one in self._state.orders.values() if self._shop.visible(one))
        return self.search(call, rows, empty=render.ORDER_COLUMNS)

    def _told(self, order: Order) -> dict[str, Any]:
        known = self._rendered.get(order.entity_id)
        if known is None or known[0] != order.saved:
            known = self._rendered[order.entity_id] = order.saved, self._shop.rendered(order)
        return known[1]

    def invoices(self, call: Call) -> Any:
        return self.search(call, map(render.invoice, self._state.invoices.values()))

    def shipments(self, call: Call) -> Any:
        return self.search(call, map(render.shipment, self._state.shipments.values()))

    def creditmemos(self, call: Call) -> Any:
        return self.search(call, map(render.creditmemo, self._state.creditmemos.values()))

    def products(self, call: Call) -> Any:
        rows = (render.product(one, call.store) for one in self._state.products.values())
        return self.search(call, rows, also=self._attributes)

    def _attributes(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What products are searched by besides what is told of them: a category holds, a custom attribute has a value."""
        held = {one["attribute_code"]: one["value"] for one in row["custom_attributes"]}
        known = dict.fromkeys([*self._shop.attributes, *self._state.selects])
        links = row["extension_attributes"]["category_links"]
        return {
            **known,
            **held,
            "entity_id": row["id"],
            "category_id": tuple(int(link["category_id"]) for link in links),
            "website_id": 1,
            "store_id": 1,
        }

    def shared_products(self, call: Call) -> Any:
        return catalog.listed(self._state, call.number("id"))

    def source_items(self, call: Call) -> Any:
        return self.search(call, map(render.source_item, self._state.source_items.values()))

    def sources(self, call: Call) -> Any:
        return self.search(call, map(render.source, self._state.sources.values()), needed=False)

    def stocks(self, call: Call) -> Any:
        return self.search(call, map(render.stock, self._state.stocks.values()), needed=False)

    def stock_links(self, call: Call) -> Any:
        rows = (
            {"stock_id": stock.id, "source_code": code, "priority": place}
            for stock in self._state.stocks.values()
            for place, code in enumerate(stock.sources, 1)
        )
        return self.search(call, rows)

    def customers(self, call: Call) -> Any:
        rows = map(companies.customer, self._state.customers.values())
        return self.search(call, rows, also=lambda row: {"entity_id": row["id"]})

    # --- single records ---------------------------------------------------------------------------

    def order_of(self, call: Call, name: str) -> Order:
        """The order that an address names."""
        return _there(self._state.orders, call.number(name))

    def document_of(self, call: Call) -> Invoice | Shipment | Creditmemo:
        """The document whose comments an address names."""
        tables: dict[str, Mapping[int, Any]] = {
            "invoices": self._state.invoices,
            "shipment": self._state.shipments,
            "creditmemo": self._state.creditmemos,
        }
        found: Invoice | Shipment | Creditmemo = _there(tables[call.kind], call.number("id"))
        return found

    def status(self, call: Call) -> Any:
        return self.order_of(call, "id").status

    def one_invoice(self, call: Call) -> Any:
        return render.invoice(_there(self._state.invoices, call.number("id")))

    def one_shipment(self, call: Call) -> Any:
        return render.shipment(_there(self._state.shipments, call.number("id")))

    def one_creditmemo(self, call: Call) -> Any:
        return render.creditmemo(_there(self._state.creditmemos, call.number("id")))

    def groups(self, call: Call) -> Any:
        return self.search(call, render.groups(self._state.groups))

    def group(self, call: Call) -> Any:
        number = call.number("id")
        found = next((one for one in render.groups(self._state.groups) if one["id"] == number), None)
        if found is None:
            raise no_such_entity("id", number)
        return found

    def store_views(self, _: Call) -> Any:
        named = sorted(self._shop.stores - {"all", "default"})
        return [render.store_view(0, "admin"), *map(render.store_view, range(1, 99), ["default", *named])]

    def websites(self, _: Call) -> Any:
        return [
            {"id": 0, "code": "admin", "name": "Admin", "default_group_id": 0},
            {"id": 1, "code": "base", "name": "Main Website", "default_group_id": 1},
        ]

    def order(self, call: Call) -> Any:
        return self._shop.rendered(self.order_of(call, "id"))

    def product(self, call: Call) -> Any:
        found = self._state.products.get(call.path["sku"])
        if found is None:
            raise ApiError(
                404, "The product that was requested doesn't exist. Verify the product and try again."
            )
        return stockitems.with_stock(self._state, found, render.product(found))

    def customer(self, call: Call) -> Any:
        number = call.number("customerId")
        if number not in self._state.customers:
            raise no_such_entity("customerId", number)
        return companies.customer(self._state.customers[number])

    def create_customer(self, call: Call) -> Any:
        return companies.customer(companies.create_customer(self._state, call.given["customer"]))

    def replace_customer(self, call: Call) -> Any:
        number = call.number("customerId")
        return companies.customer(companies.replace_customer(self._state, number, call.given["customer"]))

    def find_companies(self, call: Call) -> Any:
        return self.search(call, map(companies.company, self._state.companies.values()))

    def company(self, call: Call) -> Any:
        found = self._state.companies.get(call.number("companyId"))
        if found is None:
            raise no_such_entity("companyId", call.path["companyId"])
        return companies.company(found)

    def create_company(self, call: Call) -> Any:
        made = companies.create(self._state, call.given["company"])
        self._shop.add_company_credit(made["id"])
        return made

    def update_company(self, call: Call) -> Any:
        return companies.update(self._state, call.number("companyId"), call.given["company"])

    def hierarchy(self, call: Call) -> Any:
        return companies.hierarchy(self._state, call.number("id"))

    def one_credit(self, call: Call) -> Any:
        return companycredits.credit(companycredits.found(self._state, call.number("creditId")))

    def increase_balance(self, call: Call) -> Any:
        return self._book(call, 1)

    def decrease_balance(self, call: Call) -> Any:
        return self._book(call, -1)

    def _book(self, call: Call, sign: int) -> bool:
        at = stamp(self._shop.clock.now_ms())
        return companycredits.book(self._state, call.number("creditId"), call.given, sign=sign, at=at)

    def credit_history(self, call: Call) -> Any:
        return self.search(call, companycredits.history(self._state))

    def company_credit(self, call: Call) -> Any:
        return companycredits.of_company(self._state, call.number("companyId"))

    def save_company_credit(self, call: Call) -> Any:
        return companycredits.save(self._state, call.number("id"), call.given["creditLimit"])

    def store_configs(self, _: Call) -> Any:
        currency = self._shop.currency
        return [
            {
                "id": 1,
                "code": "default",
                "website_id": 1,
                "locale": "en_GB",
                "base_currency_code": currency,
                "default_display_currency_code": currency,
                "timezone": "Europe/London",
                "weight_unit": "kgs",
                **{
                    f"{kind}base_{part}url": f"{self._shop.origin}/{path}"
                    for kind in ("", "secure_")
                    for part, path in (("", ""), ("link_", ""), ("static_", "static/"), ("media_", "media/"))
                },
            }
        ]

    def salable(self, call: Call) -> Any:
        sku, stock_id = call.path["sku"], call.number("stockId")
        if stock_id not in self._state.stocks:
            raise no_such_entity("stockId", stock_id)
        if not any((sku, code) in self._state.source_items for code in self._state.stocks[stock_id].sources):
            raise ApiError(400, "The requested sku is not assigned to given stock.")
        return self._state.salable(sku, stock_id)

    def is_salable(self, call: Call) -> Any:
        return self._state.salable(call.path["sku"], call.number("stockId")) > 0

    def salable_for(self, call: Call) -> Any:
        wanted = Decimal(call.path["requestedQty"])
        return {
            "salable": self._state.salable(call.path["sku"], call.number("stockId")) >= wanted,
            "errors": [],
        }

    # --- writes -----------------------------------------------------------------------------------

    def admin_token(self, call: Call) -> Any:
        return self._shop.issue_admin_token(call.given["username"], call.given["password"])

    def save_source_items(self, call: Call) -> Any:
        """Absolute numbers; all of them or none (Inventory/Model/SourceItem/Command/SourceItemsSave)."""
        rows = call.given["sourceItems"]
        if not rows:
            raise ApiError(400, "Input data is empty")
        errors: list[dict[str, Any]] = []
        for row in rows:
            errors += _invalid(row)
        if errors:
            raise ApiError(400, "Validation Failed", errors=errors)
        self._locked("Could not save Source Item")
        for row in rows:
            if row["source_code"] not in self._state.sources:
                # The database's foreign key says so; SourceItemsSave turns every failure into these words.
                raise ApiError(400, "Could not save Source Item")
        for row in rows:
            self._shop.write_source_item(
                SourceItem(row["sku"], row["source_code"], int(row["quantity"]), row.get("status", 0))
            )
        return []

    def _locked(self, words: str) -> None:
        """A save that found its rows locked is undone, and says so in the words of its service."""
        if self._shop.lock_waits > 0:
            self._shop.lock_waits -= 1
            raise ApiError(400, words)

    def delete_source_items(self, call: Call) -> Any:
        """What was there is forgotten; reservations stay (Inventory/Model/SourceItem/Command/SourceItemsDelete)."""
        rows = call.given["sourceItems"]
        if not rows:
            raise ApiError(400, "Input data is empty")
        for row in rows:
            self._state.source_items.pop((row.get("sku", ""), row.get("source_code", "")), None)
        return []

    def save_product(self, call: Call) -> Any:
        self._locked("Database lock wait timeout exceeded")
        return catalog.save(self._shop, call.given["product"], call.path.get("sku", ""), call.store)

    def assign_products(self, call: Call) -> Any:
        return catalog.assign(self._state, call.number("id"), call.given["products"], into=True)

    def unassign_products(self, call: Call) -> Any:
        return catalog.assign(self._state, call.number("id"), call.given["products"], into=False)

    def save_base_prices(self, call: Call) -> Any:
        self._locked("Could not save Prices.")
        return prices.save_base(self._state, call.given["prices"])

    def save_tier_prices(self, call: Call) -> Any:
        return prices.save_tiers(self._state, call.given["prices"])

    def delete_tier_prices(self, call: Call) -> Any:
        return prices.delete_tiers(self._state, call.given["prices"])

    def replace_tier_prices(self, call: Call) -> Any:
        return prices.replace_tiers(self._state, call.given["prices"])

    def save_special_prices(self, call: Call) -> Any:
        self._locked("Could not save Prices.")
        return specialprices.save(self._state, call.given["prices"])

    def special_prices(self, call: Call) -> Any:
        return specialprices.told(self._state, call.given["skus"])

    def delete_special_prices(self, call: Call) -> Any:
        self._locked("Could not delete Prices")
        return specialprices.delete(self._state, call.given["prices"])

    def base_prices(self, call: Call) -> Any:
        return prices.base_of(self._state, call.given["skus"])

    def tier_prices(self, call: Call) -> Any:
        return prices.tiers_of(self._state, call.given["skus"])

    def cancel(self, call: Call) -> Any:
        return self._sales.cancel(self.order_of(call, "id"))

    def hold(self, call: Call) -> Any:
        return self._sales.hold(self.order_of(call, "id"))

    def unhold(self, call: Call) -> Any:
        return self._sales.unhold(self.order_of(call, "id"))

    def comment(self, call: Call) -> Any:
        history = call.given["statusHistory"]
        return self._sales.comment(
            self.order_of(call, "id"), history.get("comment", ""), history.get("status", "")
        )

    def save_order(self, call: Call) -> Any:
        entity = call.given["entity"]
        order = self._state.orders.get(entity.get("entity_id", 0))
        if order is None:
            raise ApiError(400, "Orders are created by a checkout; a partial entity is not.")
        if "ext_order_id" in entity:
            self._sales.external(order, entity["ext_order_id"])
        return self._shop.rendered(order)

    def invoice(self, call: Call) -> Any:
        order = self.order_of(call, "orderId")
        self._locked("Could not save an invoice, see error log for details")
        made = self._sales.invoice(order, _units(call.given), capture=call.given.get("capture", False))
        made.comment = call.given.get("comment", {}).get("comment", "")
        return str(made.entity_id)

    def ship(self, call: Call) -> Any:
        order = self.order_of(call, "orderId")
        arguments = call.given.get("arguments", {}).get("extension_attributes", {})
        tracks = [
            (one.get("track_number", ""), one.get("title", ""), one.get("carrier_code", ""))
            for one in call.given.get("tracks", ())
        ]
        # Without a source the default one is lowered, whether or not the goods lie there.
        source = arguments.get("source_code", "default")
        made = self._sales.ship(order, _units(call.given), tracks, source)
        made.comment = call.given.get("comment", {}).get("comment", "")
        return str(made.entity_id)

    def add_track(self, call: Call) -> Any:
        entity = call.given["entity"]
        shipment = self._state.shipments.get(entity.get("parent_id", 0))
        if shipment is None:
            raise no_such_entity("parent_id", entity.get("parent_id", 0))
        made = self._sales.add_track(
            shipment, entity.get("track_number", ""), entity.get("title", ""), entity.get("carrier_code", "")
        )
        return render.track(made, shipment)

    def refund(self, call: Call) -> Any:
        order = self.order_of(call, "orderId")
        self._locked("Could not save a Creditmemo, see error log for details")
        arguments = call.given.get("arguments", {})
        back = arguments.get("extension_attributes", {}).get("return_to_stock_items", ())
        shipping = arguments.get("shipping_amount")
        made = self._sales.refund(
            order,
            _units(call.given),
            back_to_stock=back,
            shipping_minor=None if shipping is None else round(shipping * 100),
            adjustments=(
                round(arguments.get("adjustment_positive", 0) * 100),
                round(arguments.get("adjustment_negative", 0) * 100),
            ),
        )
        made.comment = call.given.get("comment", {}).get("comment", "")
        return str(made.entity_id)

    # --- bulk -------------------------------------------------------------------------------------

    def bulk_operations(self, call: Call) -> Any:
        found = self.search(call, self._shop.bulk.rows())
        for row in found["items"]:
            row["extension_attributes"] = {"start_time": row.pop("start_time")}
        return found

    def bulk_status(self, call: Call) -> Any:
        return self._shop.bulk.status(call.path["bulkUuid"], detailed=False)

    def bulk_detailed(self, call: Call) -> Any:
        return self._shop.bulk.status(call.path["bulkUuid"], detailed=True)

    def bulk_count(self, call: Call) -> Any:
        return self._shop.bulk.count(call.path["bulkUuid"], call.number("status"))


def _there(table: Mapping[int, T], number: int) -> T:
    if number not in table:
        raise ApiError(404, "The entity that was requested doesn't exist. Verify the entity and try again.")
    return table[number]


def _invalid(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Magento/Inventory/Model/SourceItem/Validator: what is said names the field, never the row."""
    errors: list[dict[str, Any]] = [
        {"message": '"%field" can not be empty.', "parameters": {"field": field}}
        for field in ("sku", "source_code")
        if not str(row.get(field, "")).strip()
    ]
    if " " in str(row.get("source_code", "")).strip():
        errors.append(
            {"message": '"%field" can not contain whitespaces.', "parameters": {"field": "source_code"}}
        )
    if "quantity" not in row:
        errors.append({"message": '"%field" should be numeric.', "parameters": {"field": "quantity"}})
    if "status" not in row:
        errors.append({"message": '"%field" should be numeric.', "parameters": {"field": "status"}})
    elif row["status"] not in (0, 1):
        errors.append({"message": '"%field" should a known status.', "parameters": {"field": "status"}})
    return errors


def _units(given: Mapping[str, Any]) -> dict[int, int] | None:
    """Quantities by order item id; nothing named means everything that is left."""
    items = given.get("items")
    if not items:
        return None
    found: dict[int, int] = {}
    for item in items:
        number = item.get("order_item_id", 0)
        found[number] = found.get(number, 0) + int(item.get("qty", 0))
    return found


ROUTES: tuple[Route, ...] = (
    Route("POST", "integration/admin/token", "admin_token", Services.admin_token),
    Route("GET", "orders", "none", Services.orders),
    Route("POST", "orders", "save_order", Services.save_order),
    Route("GET", "orders/items", "none", reads.order_items),
    Route("GET", "orders/items/{id}", "none", reads.order_item),
    Route("GET", "orders/{id}", "none", Services.order),
    Route("POST", "orders/{id}/cancel", "none", Services.cancel),
    Route("POST", "orders/{id}/hold", "none", Services.hold),
    Route("POST", "orders/{id}/unhold", "none", Services.unhold),
    Route("POST", "orders/{id}/comments", "comment", Services.comment),
    Route("GET", "orders/{id}/comments", "none", reads.order_comments),
    Route("GET", "invoices/{id}/comments", "none", reads.comments),
    Route("GET", "shipment/{id}/comments", "none", reads.comments),
    Route("GET", "creditmemo/{id}/comments", "none", reads.comments),
    Route("POST", "order/{orderId}/invoice", "invoice", Services.invoice),
    Route("POST", "order/{orderId}/ship", "ship", Services.ship),
    Route("POST", "order/{orderId}/refund", "refund", Services.refund),
    Route("GET", "orders/{id}/statuses", "none", Services.status),
    Route("GET", "invoices", "none", Services.invoices),
    Route("GET", "invoices/{id}", "none", Services.one_invoice),
    Route("GET", "shipments", "none", Services.shipments),
    Route("GET", "shipment/{id}", "none", Services.one_shipment),
    Route("GET", "creditmemo/{id}", "none", Services.one_creditmemo),
    Route("POST", "shipment/track", "add_track", Services.add_track),
    Route("GET", "creditmemos", "none", Services.creditmemos),
    Route("POST", "products/base-prices", "base_prices", Services.save_base_prices),
    Route("POST", "products/base-prices-information", "price_information", Services.base_prices),
    Route("POST", "products/special-price", "special_prices", Services.save_special_prices),
    Route("POST", "products/special-price-information", "price_information", Services.special_prices),
    Route("POST", "products/special-price-delete", "special_prices", Services.delete_special_prices),
    Route("POST", "products/tier-prices", "tier_prices", Services.save_tier_prices),
    Route("PUT", "products/tier-prices", "tier_prices", Services.replace_tier_prices),
    Route("POST", "products/tier-prices-delete", "tier_prices", Services.delete_tier_prices),
    Route("POST", "products/tier-prices-information", "price_information", Services.tier_prices),
    Route("GET", "products", "none", Services.products),
    Route("GET", "products/types", "none", reads.product_types),
    Route("GET", "products/attributes", "none", merchandise.attributes),
    Route("GET", "products/attributes/{attributeCode}", "none", reads.attribute),
    Route("GET", "products/attributes/{attributeCode}/options", "none", reads.attribute_options),
    Route("GET", "products/{sku}/media", "none", reads.media),
    Route("DELETE", "products/{sku}", "none", reads.delete_product),
    Route("POST", "products/attributes/{attributeCode}/options", "save_option", merchandise.add_option),
    Route("POST", "products/{sku}/media", "save_media", merchandise.add_media),
    Route("GET", "configurable-products/{sku}/options/all", "none", merchandise.options),
    Route("POST", "configurable-products/{sku}/options", "save_configurable_option", merchandise.save_option),
    Route("POST", "configurable-products/{sku}/child", "add_child", merchandise.add_child),
    Route("GET", "configurable-products/{sku}/children", "none", merchandise.children),
    Route("GET", "categories", "none", merchandise.tree),
    Route("GET", "categories/list", "none", reads.categories),
    Route("GET", "categories/{categoryId}", "none", reads.category),
    Route("GET", "categories/{categoryId}/products", "none", reads.category_products),
    Route("POST", "categories", "save_category", merchandise.save_category),
    Route("POST", "categories/{categoryId}/products", "link_product", merchandise.link_product),
    Route("DELETE", "categories/{categoryId}/products/{sku}", "none", merchandise.unlink_product),
    Route("POST", "products", "save_product", Services.save_product),
    Route("PUT", "products/{sku}", "save_product", Services.save_product),
    Route("GET", "stockItems/{productSku}", "none", stockitems.read),
    Route("PUT", "products/{productSku}/stockItems/{itemId}", "save_stock_item", stockitems.update),
    *(Route(*row) for row in sharedcatalogs.SERVICES),
    Route("GET", "sharedCatalog/{id}/products", "none", Services.shared_products),
    Route("POST", "sharedCatalog/{id}/assignProducts", "assign_products", Services.assign_products),
    Route("POST", "sharedCatalog/{id}/unassignProducts", "assign_products", Services.unassign_products),
    Route("GET", "products/{sku}", "none", Services.product),
    Route("POST", "customers", "save_customer", Services.create_customer),
    Route("PUT", "customers/{customerId}", "save_customer", Services.replace_customer),
    Route("GET", "company", "none", Services.find_companies),
    Route("POST", "company", "save_company", Services.create_company),
    Route("GET", "company/{companyId}", "none", Services.company),
    Route("PUT", "company/{companyId}", "save_company", Services.update_company),
    Route("GET", "hierarchy/{id}", "none", Services.hierarchy),
    Route("GET", "customers/search", "none", Services.customers),
    Route("GET", "customers/{customerId}", "none", Services.customer),
    Route("GET", "customerGroups/search", "none", Services.groups),
    Route("GET", "customerGroups/{id}", "none", Services.group),
    Route("GET", "companyCredits/company/{companyId}", "none", Services.company_credit),
    Route("GET", "companyCredits/history", "none", Services.credit_history),
    Route("GET", "companyCredits/{creditId}", "none", Services.one_credit),
    Route("POST", "companyCredits/{creditId}/increaseBalance", "change_balance", Services.increase_balance),
    Route("POST", "companyCredits/{creditId}/decreaseBalance", "change_balance", Services.decrease_balance),
    Route("PUT", "companyCredits/{id}", "save_company_credit", Services.save_company_credit),
    Route("GET", "store/storeConfigs", "none", Services.store_configs),
    Route("GET", "store/storeGroups", "none", reads.store_groups),
    Route("GET", "store/storeViews", "none", Services.store_views),
    Route("GET", "store/websites", "none", Services.websites),
    Route("GET", "inventory/source-items", "none", Services.source_items),
    Route("POST", "inventory/source-items", "save_source_items", Services.save_source_items),
    Route("POST", "inventory/source-items-delete", "save_source_items", Services.delete_source_items),
    Route("GET", "inventory/sources", "none", Services.sources),
    Route("GET", "inventory/sources/{sourceCode}", "none", reads.source),
    Route("GET", "inventory/stocks", "none", Services.stocks),
    Route("GET", "inventory/stocks/{stockId}", "none", reads.stock),
    Route("GET", "inventory/stock-source-links", "none", Services.stock_links),
    Route("GET", "inventory/is-product-salable/{sku}/{stockId}", "none", Services.is_salable),
    Route("GET", "inventory/get-product-salable-quantity/{sku}/{stockId}", "none", Services.salable),
    Route(
        "GET",
        "inventory/is-product-salable-for-requested-qty/{sku}/{stockId}/{requestedQty}",
        "none",
        Services.salable_for,
    ),
    Route("GET", "bulk", "none", Services.bulk_operations),
    Route("GET", "bulk/{bulkUuid}/status", "none", Services.bulk_status),
    Route("GET", "bulk/{bulkUuid}/detailed-status", "none", Services.bulk_detailed),
    Route("GET", "bulk/{bulkUuid}/operation-status/{status}", "none", Services.bulk_count),
)


def route_of(method: str, parts: Sequence[str]) -> tuple[Route, dict[str, str]] | None:
    """The service at an address, and the parameters that the address carries."""
    for route in ROUTES:
        if route.method != method or len(route.parts) != len(parts):
            continue
        found: dict[str, str] = {}
        for wanted, given in zip(route.parts, parts, strict=True):
            if wanted.startswith("{"):
                found[wanted[1:-1]] = given
            elif wanted != given:
                break
        else:
            return route, found
    return None


def bulk_route_of(method: str, parts: Sequence[str]) -> Route | None:
    """The service at a bulk address, where a parameter ``{sku}`` is written ``bySku``."""
    for route in ROUTES:
        written = [
            f"by{part[1].upper()}{part[2:-1]}" if part.startswith("{") else part for part in route.parts
        ]
        if route.method == method and method != "GET" and written == list(parts):
            return route
    return None
