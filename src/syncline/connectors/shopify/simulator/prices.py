"""Mutations of prices: variants' own product by product, price lists' fixed prices and quantity breaks.

Names are those of the vendor's introspection of 2026-07, codes those that it lists, messages and their fields those of live
answers of 2026-04 as far as there are any. Unsure, and so assumed: other messages; that a list's mutation with any error changes nothing; that breaks of a variant are deleted before others are added,
and go with its fixed price.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator.fields import number_of
from syncline.connectors.shopify.simulator.operation import Resolver
from syncline.connectors.shopify.simulator.records import PriceList, Variant, to_minor

BREAKS_OF_VARIANT_MAX = 10  # contract section 7; the number is unsure there

Errors = list[dict[str, Any]]


class Pricing:
    """What people do to prices in the admin; mixed into the simulator."""

    if TYPE_CHECKING:
        state: Any
        clock: Any
        currency: str

    def add_price_list(self, name: str, currency: str = "") -> PriceList:
        """A price list of a catalog, without prices of its own."""
        prices = PriceList(self.state.new_id(), name, currency or self.currency)
        self.state.price_lists[prices.id] = prices
        return prices

    def set_price(self, sku: str, price: Decimal | str) -> None:
        """Somebody changes a variant's price by hand."""
        variant = self.state.skus[sku]
        variant.price_minor = to_minor(Decimal(price))
        variant.updated_ms = self.clock.now_ms()


FOREIGN = "The specified currency does not match the price list's currency."
NO_VARIANT = "Product variant ID does not exist."


def _error(errors: Errors, code: str, message: str, *path: str) -> None:
    errors.append({"field": list(path) or None, "message": message, "code": code})


def variants_update(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`productVariantsBulkUpdate`, prices only."""
    errors: Errors = []
    members = shop.state.products.get(number_of(arguments["productId"], "Product"))
    if members is None:
        _error(errors, "PRODUCT_DOES_NOT_EXIST", "Product does not exist", "productId")
        return {"productVariants": None, "userErrors": errors}
    changes: list[tuple[Variant, dict[str, Any]]] = []
    for place, given in enumerate(arguments["variants"]):
        problem = _variant_problem(shop, members, given)
        if problem is not None:
            code, message, field = problem
            _error(errors, code, message, "variants", str(place), field)
        else:
            changes.append((shop.state.variants[number_of(given["id"], "ProductVariant")], given))
    if errors and not arguments["allowPartialUpdates"]:
        return {"productVariants": None, "userErrors": errors}
    for variant, given in changes:
        if given.get("price") is not None:
            variant.price_minor = to_minor(given["price"])
        if "compareAtPrice" in given:
            compare_at = given["compareAtPrice"]
            variant.compare_at_minor = None if compare_at is None else to_minor(compare_at)
        if "barcode" in given:
            variant.barcode = given["barcode"] or ""
        if given.get("price") is None and "compareAtPrice" not in given:
            variant.updated_ms = shop.clock.now_ms()
            continue
        variant.updated_ms = shop.clock.now_ms()
        shop.state.price_log.append((variant.updated_ms, 0, variant.variant_id, variant.price_minor))
    shop.applied(len(changes))
    return {"productVariants": [variant for variant, _ in changes], "userErrors": errors}


def _variant_problem(
    shop: ShopifySimulator, members: list[Variant], given: Mapping[str, Any]
) -> tuple[str, str, str] | None:
    if not given.get("id"):
        return "PRODUCT_VARIANT_ID_MISSING", "Product variant is missing ID attribute", "id"
    variant = shop.state.variants.get(number_of(given["id"], "ProductVariant"))
    if variant is None:
        return "PRODUCT_VARIANT_DOES_NOT_EXIST", "Product variant does not exist", "id"
    if variant not in members:
        return "MUST_BE_FOR_THIS_PRODUCT", "Variant is not of this product", "id"
    if given.get("price") is not None and given["price"] < 0:
        return "NEGATIVE_PRICE_VALUE", "Price must be greater than or equal to 0", "price"
    if given.get("compareAtPrice") is not None and given["compareAtPrice"] < 0:
        return (
            "GREATER_THAN_OR_EQUAL_TO",
            "Compare at price must be greater than or equal to 0",
            "compareAtPrice",
        )
    return None


def _check_prices(
    shop: ShopifySimulator, prices: PriceList, given: list[dict[str, Any]], say: Callable[..., None]
) -> dict[int, tuple[int, int | None]]:
    found: dict[int, tuple[int, int | None]] = {}
    for place, one in enumerate(given):
        variant = shop.state.variants.get(number_of(one["variantId"], "ProductVariant"))
        compare_at = one.get("compareAtPrice")
        foreign = [
            name
            for name in ("price", "compareAtPrice")
            if one.get(name) and one[name]["currencyCode"] != prices.currency
        ]
        if variant is None:
            say("VARIANT_NOT_FOUND", place, "variantId")
        for name in foreign:
            say("CURRENCY_MISMATCH", place, name, "currencyCode")
        if variant is not None and not foreign:
            compared = None if compare_at is None else to_minor(compare_at["amount"])
            found[variant.variant_id] = (to_minor(one["price"]["amount"]), compared)
    return found


def _add(shop: ShopifySimulator, prices: PriceList, added: Mapping[int, tuple[int, int | None]]) -> None:
    prices.fixed.update(added)
    now_ms = shop.clock.now_ms()
    shop.state.price_log += [
        (now_ms, prices.id, variant_id, price) for variant_id, (price, _) in added.items()
    ]


def fixed_update(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`priceListFixedPricesUpdate`."""
    errors: Errors = []
    payload = "deletedFixedPriceVariantIds"
    prices = shop.state.price_lists.get(number_of(arguments["priceListId"], "PriceList"))
    if prices is None:
        _error(errors, "PRICE_LIST_NOT_FOUND", "Price list does not exist.", "priceListId")
        return {payload: None, "userErrors": errors}

    def say(code: str, place: int, *field: str) -> None:
        foreign = code == "CURRENCY_MISMATCH"
        message = FOREIGN if foreign else NO_VARIANT
        _error(errors, f"PRICE_LIST_{code}" if foreign else code, message, "pricesToAdd", str(place), *field)

    added = _check_prices(shop, prices, arguments["pricesToAdd"], say)
    deleted = [number_of(text, "ProductVariant") for text in arguments["variantIdsToDelete"]]
    for place, variant_id in enumerate(deleted):
        if variant_id not in shop.state.variants:
            _error(errors, "VARIANT_NOT_FOUND", NO_VARIANT, "variantIdsToDelete", str(place))
        elif variant_id not in prices.fixed:
            _error(
                errors,
                "PRICE_NOT_FIXED",
                "Only fixed prices can be deleted.",
                "variantIdsToDelete",
                str(place),
            )
    if errors:
        return {payload: None, "userErrors": errors}
    _add(shop, prices, added)
    for variant_id in deleted:
        prices.fixed.pop(variant_id)
        prices.breaks.pop(variant_id, None)
    shop.applied(len(added) + len(deleted))
    return {payload: arguments["variantIdsToDelete"], "userErrors": []}


def quantity_pricing(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`quantityPricingByVariantUpdate`, without quantity rules."""
    errors: Errors = []
    given = arguments["input"]
    prices = shop.state.price_lists.get(number_of(arguments["priceListId"], "PriceList"))
    if prices is None:
        _error(errors, "PRICE_LIST_NOT_FOUND", "Price list not found.", "priceListId")
        return {"productVariants": None, "userErrors": errors}

    def say(code: str, place: int, *_field: str) -> None:
        message = "Currency mismatch." if code == "CURRENCY_MISMATCH" else "Variant not found."
        _error(errors, f"PRICE_ADD_{code}", message, "input", "pricesToAdd", str(place))

    named = Counter(one["variantId"] for one in given["pricesToAdd"])
    for place, one in enumerate(given["pricesToAdd"]):
        if named[one["variantId"]] > 1:
            code, message = (
                "PRICE_ADD_DUPLICATE_INPUT_FOR_VARIANT",
                "Prices to add inputs must be unique by variant id.",
            )
            _error(errors, code, message, "input", "pricesToAdd", str(place))
    added = _check_prices(shop, prices, given["pricesToAdd"], say)
    deleted = [number_of(text, "ProductVariant") for text in given["pricesToDeleteByVariantId"]]
    for place, variant_id in enumerate(deleted):
        at = ("input", "pricesToDeleteByVariantId", str(place))
        if variant_id not in shop.state.variants:
            _error(errors, "PRICE_DELETE_VARIANT_NOT_FOUND", "Variant not found.", *at)
        elif variant_id not in prices.fixed:
            _error(errors, "PRICE_DELETE_PRICE_NOT_FIXED", "Only fixed prices can be deleted.", *at)
    unbroken = [
        number_of(text, "ProductVariant")
        for text in given.get("quantityPriceBreaksToDeleteByVariantId") or ()
    ]
    for place, variant_id in enumerate(unbroken):
        if variant_id not in shop.state.variants:
            code = "QUANTITY_PRICE_BREAK_DELETE_BY_VARIANT_ID_VARIANT_NOT_FOUND"
            at = ("input", "quantityPriceBreaksToDeleteByVariantId", str(place))
            _error(errors, code, "Variant to delete by is not found.", *at)
    breaks = {at: dict(one) for at, one in prices.breaks.items() if at not in unbroken and at not in deleted}
    fixed = (prices.fixed.keys() | added.keys()) - set(deleted)
    for place, one in enumerate(given["quantityPriceBreaksToAdd"]):
        at = ("input", "quantityPriceBreaksToAdd", str(place))
        variant_id = number_of(one["variantId"], "ProductVariant")
        its = breaks.setdefault(variant_id, {})
        if variant_id not in shop.state.variants:
            _error(errors, "QUANTITY_PRICE_BREAK_ADD_VARIANT_NOT_FOUND", "Variant not found.", *at)
        elif one["price"]["currencyCode"] != prices.currency:
            _error(errors, "QUANTITY_PRICE_BREAK_ADD_CURRENCY_MISMATCH", "The currency does not match.", *at)
        elif variant_id not in fixed:
            code = "QUANTITY_PRICE_BREAK_ADD_PRICE_LIST_PRICE_NOT_FOUND"
            _error(errors, code, "The variant has no fixed price on this price list.", *at)
        elif len(its) >= BREAKS_OF_VARIANT_MAX and one["minimumQuantity"] not in its:
            _error(errors, "QUANTITY_PRICE_BREAK_ADD_LIMIT_EXCEEDED", "Too many quantity price breaks.", *at)
        else:
            its[one["minimumQuantity"]] = to_minor(one["price"]["amount"])
    if errors:
        return {"productVariants": None, "userErrors": errors}
    _add(shop, prices, added)
    for variant_id in deleted:
        prices.fixed.pop(variant_id, None)
    prices.breaks = {at: one for at, one in breaks.items() if one}
    changed = [*added, *deleted, *unbroken]
    shop.applied(len(changed))
    return {"productVariants": [shop.state.variants[at] for at in added], "userErrors": []}


PRICE_MUTATIONS: dict[str, Resolver] = {
    "priceListFixedPricesUpdate": fixed_update,
    "productVariantsBulkUpdate": variants_update,
    "quantityPricingByVariantUpdate": quantity_pricing,
}
