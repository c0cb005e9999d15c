"""The GraphQL texts that we send, each valid against the official 2026-07 schema, and what they cost.

Sizes are literals, so that the cost of a document is known before it is sent. A single query may ask
for 1000 points at most (https://shopify.dev/docs/api/usage/limits#rate-limits).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

COST_MAX = 1000
MUTATIONS_MAX = 50  # of one request: each costs ten points, and its errors a few more by our bound
# What the first part of an order holds, by how many orders share the call: all of most orders, if one is alone.
LINES_FIRST = {1: 45, 2: 22, 3: 15}
FULFILLMENT_LINES_FIRST = {1: 50, 2: 22, 3: 12}
LINES_PAGE = 75
FULFILLMENT_ORDERS_FIRST = 3
FULFILLMENT_LINES_PAGE = 150
SHIPMENT_LINES_FIRST = 50
REFUNDS_FIRST = 2
REFUND_LINES_FIRST = 4
REFUND_LINES_PAGE = 90
TRANSACTIONS_FIRST = 5
LIST_MAX = 100  # refunds and transactions are plain lists without a cursor


@dataclass(frozen=True, slots=True)
class Document:
    """One operation: ``writes`` says whether a lost answer leaves its outcome unknown."""

    name: str
    text: str
    writes: bool = False


_MONEY = "{ shopMoney { amount currencyCode } }"
_PAID_IN = "{ presentmentMoney { amount currencyCode } }"  # in the currency in which the buyer paid
_ADDRESS = "{ name company address1 address2 city province provinceCode zip countryCodeV2 phone }"
_PAGE = "pageInfo { hasNextPage endCursor }"
_LINE = f"""{{
  id sku title quantity currentQuantity
  originalUnitPriceSet {_MONEY}
  discountAllocations {{ allocatedAmountSet {_MONEY} }}
  taxLines {{ priceSet {_MONEY} }}
}}"""
_FO_LINE = "{ id sku totalQuantity remainingQuantity lineItem { id } }"
_REFUND_LINE = f"""{{
  quantity restocked restockType lineItem {{ id }} location {{ id }}
  subtotalSet {_MONEY} totalTaxSet {_MONEY}
}}"""
_TRANSACTION = f"{{ id kind status gateway formattedGateway createdAt processedAt amountSet {_MONEY} }}"


def _fulfillment_orders(lines: int) -> str:
    return f"""{{
  id status requestStatus updatedAt assignedLocation {{ location {{ id }} }} deliveryMethod {{ methodType }}
  lineItems(first: {lines}) {{ nodes {_FO_LINE} {_PAGE} }}
}}"""


def _refund(lines: int) -> str:
    return f"""{{
  id note createdAt processedAt totalRefundedSet {_MONEY}
  refundLineItems(first: {lines}) {{ nodes {_REFUND_LINE} {_PAGE} }}
}}"""


def _order_core(lines: int, fulfillment_lines: int) -> str:
    return f"""fragment OrderCore on Order {{
  id name createdAt processedAt updatedAt cancelledAt currencyCode taxesIncluded poNumber note email phone
  customer {{ id displayName defaultEmailAddress {{ emailAddress }} defaultPhoneNumber {{ phoneNumber }} }}
  billingAddress {_ADDRESS}
  shippingAddress {_ADDRESS}
  currentTotalPriceSet {_MONEY}
  currentTotalTaxSet {_MONEY}
  currentShippingPriceSet {_MONEY}
  totalReceivedSet {_MONEY}
  lineItems(first: {lines}) {{ nodes {_LINE} {_PAGE} }}
  fulfillmentOrders(first: {FULFILLMENT_ORDERS_FIRST}) {{
    nodes {_fulfillment_orders(fulfillment_lines)} {_PAGE}
  }}
  transactions(first: {TRANSACTIONS_FIRST}) {_TRANSACTION}
  refunds(first: {REFUNDS_FIRST}) {_refund(REFUND_LINES_FIRST)}
}}"""


@lru_cache(maxsize=8)
def read_orders(count: int) -> Document:
    """Up to three whole orders at once: variables ``o0`` ... are their ids, aliases are the same."""
    variables = ", ".join(f"$o{i}: ID!" for i in range(count))
    fields = " ".join(f"o{i}: order(id: $o{i}) {{ ...OrderCore }}" for i in range(count))
    core = _order_core(LINES_FIRST[count], FULFILLMENT_LINES_FIRST[count])
    return Document("ReadOrders", f"query ReadOrders({variables}) {{ {fields} }}\n{core}")


@lru_cache(maxsize=64)
def read_levels(count: int) -> Document:
    """Several stock levels at once: variables ``i0``/``l0`` ... are inventory items and locations."""
    variables = ", ".join(f"$i{i}: ID!, $l{i}: ID!" for i in range(count))
    fields = " ".join(
        f"s{i}: inventoryItem(id: $i{i}) {{ id inventoryLevel(locationId: $l{i}) "
        '{ quantities(names: ["available", "reserved"]) { name quantity updatedAt } } }'
        for i in range(count)
    )
    return Document("ReadLevels", f"query ReadLevels({variables}) {{ {fields} }}")


def shown_page(locations: int) -> int:
    """How many variants fit into one reading of their stock at so many locations."""
    return min(250, (COST_MAX - 2) // (2 + 2 * locations))


@lru_cache(maxsize=16)
def shown(locations: int) -> Document:
    """Variants in the order of their ids with what they show; variables ``l0`` ... are locations."""
    variables = ", ".join(f"$l{i}: ID!" for i in range(locations))
    levels = " ".join(f"l{i}: {_level(f'$l{i}')}" for i in range(locations))
    return Document(
        "Shown",
        f"query Shown($query: String, $after: String, {variables}) {{ "
        f"productVariants(first: {shown_page(locations)}, after: $after, sortKey: ID, query: $query) {{ "
        f"nodes {{ id sku inventoryItem {{ id tracked {levels} }} }} {_PAGE} }} }}",
    )


@lru_cache(maxsize=64)
def shown_of(variants: int, locations: int) -> Document:
    """The same of some variants: variables ``v0`` ... are their ids."""
    variables = ", ".join(
        [f"$l{i}: ID!" for i in range(locations)] + [f"$v{i}: ID!" for i in range(variants)]
    )
    levels = " ".join(f"l{i}: {_level(f'$l{i}')}" for i in range(locations))
    fields = " ".join(
        f"v{i}: productVariant(id: $v{i}) {{ id sku inventoryItem {{ id tracked {levels} }} }}"
        for i in range(variants)
    )
    return Document("ShownOf", f"query ShownOf({variables}) {{ {fields} }}")


def _level(location: str) -> str:
    return (
        f'inventoryLevel(locationId: {location}) {{ quantities(names: ["available"]) {{ name quantity }} }}'
    )


_PLACED = f"{{ id name createdAt updatedAt cancelledAt currentTotalPriceSet {_MONEY} }}"
PLACED = Document(
    "Placed",
    f"""query Placed($query: String!, $after: String) {{
  orders(first: 100, after: $after, sortKey: ID, query: $query) {{ nodes {_PLACED} {_PAGE} }}
}}""",
)


@lru_cache(maxsize=64)
def placed_of(count: int) -> Document:
    """Several orders as they are listed: variables ``o0`` ... are their ids."""
    variables = ", ".join(f"$o{i}: ID!" for i in range(count))
    fields = " ".join(f"o{i}: order(id: $o{i}) {_PLACED}" for i in range(count))
    return Document("PlacedOf", f"query PlacedOf({variables}) {{ {fields} }}")


ORDER_LINES = Document(
    "OrderLines",
    f"""query OrderLines($id: ID!, $after: String) {{
  order(id: $id) {{ updatedAt lineItems(first: {LINES_PAGE}, after: $after) {{ nodes {_LINE} {_PAGE} }} }}
}}""",
)
ORDER_FULFILLMENT_ORDERS = Document(
    "OrderFulfillmentOrders",
    f"""query OrderFulfillmentOrders($id: ID!, $after: String) {{
  order(id: $id) {{
    updatedAt
    fulfillmentOrders(first: 10, after: $after) {{ nodes {_fulfillment_orders(30)} {_PAGE} }}
  }}
}}""",
)
FULFILLMENT_ORDER_LINES = Document(
    "FulfillmentOrderLines",
    f"""query FulfillmentOrderLines($id: ID!, $after: String) {{
  node(id: $id) {{
    ... on FulfillmentOrder {{
      lineItems(first: {FULFILLMENT_LINES_PAGE}, after: $after) {{ nodes {_FO_LINE} {_PAGE} }}
    }}
  }}
}}""",
)
ORDER_MONEY = Document(
    "OrderMoney",
    f"""query OrderMoney($id: ID!) {{
  order(id: $id) {{
    updatedAt
    transactions(first: {LIST_MAX}) {_TRANSACTION}
    refunds(first: {LIST_MAX}) {{ id }}
  }}
}}""",
)
REFUND = Document(
    "ReadRefund",
    f"query ReadRefund($id: ID!) {{ node(id: $id) {{ ... on Refund {_refund(REFUND_LINES_PAGE)} }} }}",
)
REFUND_LINES = Document(
    "RefundLines",
    f"""query RefundLines($id: ID!, $after: String) {{
  node(id: $id) {{
    ... on Refund {{ refundLineItems(first: {REFUND_LINES_PAGE}, after: $after) {{ nodes {_REFUND_LINE} {_PAGE} }} }}
  }}
}}""",
)
ORDERS_CHANGED = Document(
    "OrdersChanged",
    f"""query OrdersChanged($query: String!, $after: String) {{
  orders(first: 250, after: $after, sortKey: UPDATED_AT, query: $query) {{ nodes {{ id updatedAt }} {_PAGE} }}
}}""",
)
ORDERS_NEWEST = Document(
    "OrdersNewest",
    "query OrdersNewest { orders(first: 1, sortKey: UPDATED_AT, reverse: true) { nodes { id updatedAt } } }",
)
ITEMS = Document(
    "Items",
    f"""query Items($query: String, $after: String) {{
  productVariants(first: 250, after: $after, sortKey: ID, query: $query) {{
    nodes {{ id sku displayName updatedAt price product {{ id productType }} inventoryItem {{ id }} }} {_PAGE}
  }}
  shop {{ currencyCode }}
}}""",
)
# For an adoption: everything there is, with what tells it apart.
LISTED_ITEMS = Document(
    "ListedItems",
    f"""query ListedItems($query: String, $after: String) {{
  productVariants(first: 250, after: $after, sortKey: ID, query: $query) {{
    nodes {{ id sku displayName barcode inventoryQuantity }} {_PAGE}
  }}
}}""",
)
LISTED_ORDERS = Document(
    "ListedOrders",
    f"""query ListedOrders($query: String, $after: String) {{
  orders(first: 250, after: $after, sortKey: UPDATED_AT, query: $query) {{
    nodes {{
      id name createdAt processedAt updatedAt cancelledAt displayFulfillmentStatus
      currentTotalPriceSet {_MONEY}
    }} {_PAGE}
  }}
}}""",
)
LISTED_CUSTOMERS = Document(
    "ListedCustomers",
    f"""query ListedCustomers($query: String, $after: String) {{
  customers(first: 250, after: $after, sortKey: ID, query: $query) {{
    nodes {{ id displayName defaultEmailAddress {{ emailAddress }} }} {_PAGE}
  }}
}}""",
)
LOCATIONS = Document(
    "Locations", f"query Locations {{ locations(first: 250) {{ nodes {{ id name }} {_PAGE} }} }}"
)
SET_STOCK = Document(
    "SetStock",
    """mutation SetStock($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { createdAt }
    userErrors { code field message }
  }
}""",
    writes=True,
)


@lru_cache(maxsize=256)
def own_prices(variants: int) -> Document:
    """What some variants cost: variables ``v0`` ... are their ids."""
    variables = ", ".join(f"$v{i}: ID!" for i in range(variants))
    fields = " ".join(
        f"v{i}: productVariant(id: $v{i}) {{ id price compareAtPrice }}" for i in range(variants)
    )
    return Document("OwnPrices", f"query OwnPrices({variables}) {{ {fields} shop {{ currencyCode }} }}")


LIST_PRICES_PAGE = 15
BREAKS_READ_MAX = 25  # of one price
LIST_PRICES = Document(
    "ListPrices",
    f"""query ListPrices($list: ID!, $query: String!, $after: String) {{
  priceList(id: $list) {{
    currency
    prices(first: {LIST_PRICES_PAGE}, after: $after, originType: FIXED, query: $query) {{
      nodes {{
        variant {{ id }} price {{ amount }} compareAtPrice {{ amount }}
        quantityPriceBreaks(first: {BREAKS_READ_MAX}) {{
          nodes {{ minimumQuantity price {{ amount }} }} {_PAGE}
        }}
      }}
      {_PAGE}
    }}
  }}
}}""",
)
SET_FIXED, SET_BREAKS = "fixed", "breaks"
_ERRORS = "{ userErrors { code field message } }"


@lru_cache(maxsize=MUTATIONS_MAX)
def set_prices(products: int) -> Document:
    """Variants' own prices, product by product: variables ``p0``/``v0`` ... are products and their variants."""
    variables = ", ".join(f"$p{i}: ID!, $v{i}: [ProductVariantsBulkInput!]!" for i in range(products))
    fields = " ".join(
        f"m{i}: productVariantsBulkUpdate(productId: $p{i}, variants: $v{i}, allowPartialUpdates: true) {_ERRORS}"
        for i in range(products)
    )
    return Document("SetPrices", f"mutation SetPrices({variables}) {{ {fields} }}", writes=True)


@lru_cache(maxsize=256)
def set_lists(kinds: tuple[str, ...]) -> Document:
    """Prices of price lists, by list: variables ``l0`` ... are the lists, the others what is added and deleted."""
    variables, fields = [], []
    for i, kind in enumerate(kinds):
        if kind == SET_FIXED:
            variables.append(f"$l{i}: ID!, $a{i}: [PriceListPriceInput!]!, $d{i}: [ID!]!")
            fields.append(
                f"m{i}: priceListFixedPricesUpdate(priceListId: $l{i}, pricesToAdd: $a{i}, variantIdsToDelete: $d{i}) "
                f"{_ERRORS}"
            )
        else:
            variables.append(f"$l{i}: ID!, $i{i}: QuantityPricingByVariantUpdateInput!")
            fields.append(f"m{i}: quantityPricingByVariantUpdate(priceListId: $l{i}, input: $i{i}) {_ERRORS}")
    text = f"mutation SetListPrices({', '.join(variables)}) {{ {' '.join(fields)} }}"
    return Document("SetListPrices", text, writes=True)


SET_METAFIELDS = Document(
    "SetMetafields",
    f"mutation SetMetafields($metafields: [MetafieldsSetInput!]!) {{ metafieldsSet(metafields: $metafields) {_ERRORS} }}",
    writes=True,
)


def metafields_of(owners: int, namespace: str, key: str) -> Document:
    """One metafield of several owners: variables ``o0`` ... are their ids."""
    variables = ", ".join(f"$o{i}: ID!" for i in range(owners))
    shown = f'{{ metafield(namespace: "{namespace}", key: "{key}") {{ value }} }}'
    of = " ".join(f"... on {kind} {shown}" for kind in ("Company", "CompanyLocation", "Customer"))
    fields = " ".join(f"o{i}: node(id: $o{i}) {{ id {of} }}" for i in range(owners))
    return Document("MetafieldsOf", f"query MetafieldsOf({variables}) {{ {fields} }}")


# What left already and what is left to send, as of one moment.
ORDER_SHIPMENTS = Document(
    "OrderShipments",
    f"""query OrderShipments($id: ID!) {{
  order(id: $id) {{
    fulfillments(first: 50) {{ id status totalQuantity location {{ id }} trackingInfo(first: 5) {{ number }} }}
    fulfillmentOrders(first: {FULFILLMENT_ORDERS_FIRST}) {{
      nodes {_fulfillment_orders(SHIPMENT_LINES_FIRST)} {_PAGE}
    }}
  }}
}}""",
)
FULFILLMENT_LINES = Document(
    "FulfillmentLines",
    """query FulfillmentLines($id: ID!) {
  fulfillment(id: $id) { fulfillmentLineItems(first: 250) { nodes { quantity lineItem { sku } } } }
}""",
)
CREATE_FULFILLMENT = Document(
    "CreateFulfillment",
    """mutation CreateFulfillment($fulfillment: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $fulfillment) { fulfillment { id status } userErrors { field message } }
}""",
    writes=True,
)
# Where what is still to be sent is expected to be sent from.
ORDER_PLACES = Document(
    "OrderPlaces",
    f"""query OrderPlaces($id: ID!) {{
  order(id: $id) {{
    fulfillmentOrders(first: {FULFILLMENT_ORDERS_FIRST}) {{
      nodes {_fulfillment_orders(SHIPMENT_LINES_FIRST)} {_PAGE}
    }}
  }}
}}""",
)
MOVE = Document(
    "Move",
    """mutation Move($id: ID!, $at: ID!, $lines: [FulfillmentOrderLineItemInput!]) {
  fulfillmentOrderMove(id: $id, newLocationId: $at, fulfillmentOrderLineItems: $lines) {
    movedFulfillmentOrder { id } userErrors { field message }
  }
}""",
    writes=True,
)
_PAID = f"""{{
  cancelledAt currencyCode presentmentCurrencyCode totalOutstandingSet {_MONEY}
  transactions(first: {LIST_MAX}) {{ id kind status gateway formattedGateway amountSet {_MONEY} }}
}}"""
ORDER_PAID = Document("OrderPaid", f"query OrderPaid($id: ID!) {{ order(id: $id) {_PAID} }}")
RECORD_PAYMENT = Document(
    "RecordPayment",
    f"""mutation RecordPayment($id: ID!, $amount: MoneyInput, $name: String!, $at: DateTime) {{
  orderCreateManualPayment(id: $id, amount: $amount, paymentMethodName: $name, processedAt: $at) {{
    order {_PAID} userErrors {{ code field message }}
  }}
}}""",
    writes=True,
)
# What of an order may still be given back, and what was.
ORDER_REFUNDS = Document(
    "OrderRefunds",
    f"""query OrderRefunds($id: ID!, $after: String) {{
  order(id: $id) {{
    cancelledAt
    refunds(first: {LIST_MAX}) {{ id note }}
    lineItems(first: {LINES_PAGE}, after: $after) {{
      nodes {{ id sku quantity currentQuantity refundableQuantity unfulfilledQuantity }} {_PAGE}
    }}
  }}
}}""",
)
SUGGESTED_REFUND = Document(
    "SuggestedRefund",
    f"""query SuggestedRefund($id: ID!, $lines: [RefundLineItemInput!]!) {{
  order(id: $id) {{
    presentmentCurrencyCode
    suggestedRefund(refundLineItems: $lines) {{
      suggestedTransactions {{ amountSet {_PAID_IN} gateway parentTransaction {{ id }} }}
    }}
  }}
}}""",
)
CREATE_REFUND = Document(
    "CreateRefund",
    """mutation CreateRefund($input: RefundInput!, $key: String!) {
  refundCreate(input: $input) @idempotent(key: $key) { refund { id } userErrors { field message } }
}""",
    writes=True,
)
ORDER_STATE = Document("OrderState", "query OrderState($id: ID!) { order(id: $id) { id cancelledAt } }")
CANCEL_ORDER = Document(
    "CancelOrder",
    """mutation CancelOrder($id: ID!, $restock: Boolean!, $refund: OrderCancelRefundMethodInput!, $note: String) {
  orderCancel(
    orderId: $id, reason: OTHER, restock: $restock, refundMethod: $refund, notifyCustomer: false, staffNote: $note
  ) {
    job { id }
    orderCancelUserErrors { field message }
  }
}""",
    writes=True,
)
SHOP = Document("Shop", "query Shop { shop { name currencyCode myshopifyDomain ianaTimezone } }")
SCOPES_GRANTED = Document(
    "ScopesGranted", "query ScopesGranted { currentAppInstallation { accessScopes { handle } } }"
)
SUBSCRIPTIONS = Document(
    "Subscriptions",
    "query Subscriptions($after: String) "
    f"{{ webhookSubscriptions(first: 100, after: $after) {{ nodes {{ id topic uri filter includeFields }} {_PAGE} }} }}",
)
SUBSCRIBE = Document(
    "Subscribe",
    """mutation Subscribe($topic: WebhookSubscriptionTopic!, $subscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $subscription) {
    webhookSubscription { id }
    userErrors { field message }
  }
}""",
    writes=True,
)
RESUBSCRIBE = Document(
    "Resubscribe",
    """mutation Resubscribe($id: ID!, $subscription: WebhookSubscriptionInput!) {
  webhookSubscriptionUpdate(id: $id, webhookSubscription: $subscription) {
    webhookSubscription { id }
    userErrors { field message }
  }
}""",
    writes=True,
)


def quoted(text: str) -> str:
    """A text as a search takes it whole (https://shopify.dev/docs/api/usage/search-syntax)."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


_TOKEN = re.compile(r'\.\.\.|[A-Za-z_][A-Za-z0-9_]*|-?[0-9]+|"[^"]*"|[{}()\[\]:$!@=]')


@lru_cache(maxsize=256)
def requested_cost(text: str) -> int:
    """The most points that a document can be charged for: an upper bound, not the vendor's own sum.

    Scalars are free, an object is 1, a connection 2 and ``first`` times what one node holds, a
    mutation 10 (https://shopify.dev/docs/api/usage/limits#cost-calculation). What Shopify really asks
    is less for long lists; the client replaces this bound by the answer's ``requestedQueryCost``.
    """
    return _Pricer(_TOKEN.findall(text)).document()


class _Pricer:
    """Reads just enough GraphQL to add up a document of ours."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._fragments: dict[str, int] = {}

    def document(self) -> int:
        bodies: dict[str, int] = {}
        index = 0
        while index < len(self._tokens):  # fragments first, wherever they stand
            if self._tokens[index] == "fragment":
                bodies[self._tokens[index + 1]] = self._tokens.index("{", index)
            index += 1
        for name, start in bodies.items():
            self._at = start
            self._fragments[name] = self._selection()[0]
        starts = [i for i, token in enumerate(self._tokens) if token in {"query", "mutation"}]
        self._at = starts[0]
        mutation = self._tokens[self._at] == "mutation"
        while self._tokens[self._at] != "{":
            if self._tokens[self._at] == "(":
                self._arguments()
            else:
                self._at += 1
        cost, names = self._selection()
        return cost + (9 * len(names) if mutation else 0)

    def _arguments(self) -> int:
        """Skip an argument list; its ``first``, or 0."""
        first, depth = 0, 0
        while True:
            word = self._tokens[self._at]
            depth += (word == "(") - (word == ")")
            if word == "first" and self._tokens[self._at + 1] == ":":
                first = int(self._tokens[self._at + 2])
            self._at += 1
            if depth == 0:
                return first

    def _selection(self) -> tuple[int, list[str]]:
        """Price what stands between two braces: its cost, and the names of its fields."""
        cost = 0
        names: list[str] = []
        self._at += 1
        while self._tokens[self._at] != "}":
            if self._tokens[self._at] == "...":
                if self._tokens[self._at + 1] == "on":
                    self._at += 3
                    cost += self._selection()[0]
                else:
                    cost += self._fragments[self._tokens[self._at + 1]]
                    self._at += 2
                continue
            price, name = self._field()
            cost += price
            names.append(name)
        self._at += 1
        return cost, names

    def _field(self) -> tuple[int, str]:
        if self._tokens[self._at + 1] == ":":
            self._at += 2
        name = self._tokens[self._at]
        self._at += 1
        first = 0
        while self._tokens[self._at] in {"(", "@"}:
            if self._tokens[self._at] == "@":
                self._at += 2
            else:
                first = self._arguments() or first
        if self._tokens[self._at] != "{":
            return 0, name
        inner, names = self._selection()
        if name == "pageInfo":
            return 0, name
        if not first:
            return 1 + inner, name
        # In a connection `nodes` is priced as one object; a plain list holds its objects itself.
        return 2 + first * (inner if "nodes" in names else 1 + inner), name
