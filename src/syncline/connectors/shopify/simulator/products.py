"""Mutations of products, their publications and translations.

Names are those of the vendor's introspection of 2026-07, codes those that it lists; what `productSet` does with lists is
contract section 6. Unsure, and so assumed: messages; that an error in a variant leaves the whole product as it was; that a
new variant is stocked where its quantities say and nowhere else; that images are fetched at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator.fields import number_of
from syncline.connectors.shopify.simulator.goods import digest_of, translatable, translations_of
from syncline.connectors.shopify.simulator.operation import FieldRefused, Resolver
from syncline.connectors.shopify.simulator.records import Product, Variant, to_minor

OPTIONS_MAX = 3
VARIANTS_MAX = 2048  # contract section 3
NEW_VARIANTS_MAX = 250  # an input array
TITLE_MAX = 255
KEYS_MAX = 100  # of one registration
_HANDLE = re.compile(r"[a-z0-9][a-z0-9-]{0,254}")
_METAFIELD = re.compile(r"[A-Za-z0-9_-]{2,64}")

Errors = list[dict[str, Any]]


class Products:
    """What people do to products in the admin; mixed into the simulator."""

    if TYPE_CHECKING:
        state: Any
        clock: Any

    locales: set[str]

    def add_publication(self, name: str) -> int:
        """A sales channel, or what a catalog of companies publishes."""
        number: int = self.state.new_id()
        self.state.publications[number] = name
        return number

    def retitle(self, sku: str, title: str) -> None:
        """Somebody edits a product's title by hand."""
        product = self.product_of(sku)
        product.title = title
        product.updated_ms = self.clock.now_ms()

    # -- truth

    def product_of(self, sku: str) -> Product:
        """The product that a SKU belongs to."""
        found: Product = self.state.product(self.state.skus[sku].product_id)
        return found

    def variants_of(self, product_id: int) -> list[Variant]:
        """The variants of a product, in the order of their making."""
        return list(self.state.products[product_id])


def _error(errors: Errors, code: str, message: str, *path: str) -> None:
    errors.append({"field": list(path) or None, "message": message, "code": code})


def _log(shop: ShopifySimulator, product: Product) -> None:
    product.updated_ms = shop.clock.now_ms()
    priced = all(variant.price_minor > 0 for variant in shop.state.products[product.id])
    shop.state.product_log.append((product.updated_ms, product.id, product.title, product.status, priced))
    shop.applied(1)


def _metafields(given: Sequence[Mapping[str, Any]], errors: Errors) -> dict[tuple[str, str], tuple[str, str]]:
    found = {}
    for n, one in enumerate(given):
        key, namespace = one.get("key") or "", one.get("namespace") or ""
        if not _METAFIELD.fullmatch(key) or not _METAFIELD.fullmatch(namespace) or not one.get("type"):
            _error(errors, "INVALID_METAFIELD", "Metafield is invalid", "metafields", str(n))
        elif not (one.get("value") or "").strip():
            _error(errors, "INVALID_METAFIELD", "Value can't be blank", "metafields", str(n), "value")
        else:
            found[namespace, key] = (one["type"], one["value"])
    return found


def _fill(product: Product, given: Mapping[str, Any], errors: Errors) -> None:
    """Scalars are a patch: what is not named stays."""
    title = given.get("title")
    if title is not None and (not title.strip() or len(title) > TITLE_MAX):
        _error(errors, "INVALID_INPUT", "Title can't be blank or longer than 255 characters", "title")
        return
    product.title = product.title if title is None else title
    for name, field in (
        ("descriptionHtml", "description"),
        ("productType", "product_type"),
        ("status", "status"),
    ):
        if given.get(name) is not None:
            setattr(product, field, given[name])


def product_update(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`productUpdate`: metafields and media are added to those that there are."""
    given = arguments["product"] or {}
    errors: Errors = []
    number = number_of(given.get("id") or "", "Product")
    if number not in shop.state.products:
        return {"product": None, "userErrors": [{"field": ["id"], "message": "Product does not exist"}]}
    product = shop.state.product(number)
    metafields = _metafields(given.get("metafields") or (), errors)
    title = product.title
    _fill(product, given, errors)
    if errors:
        product.title = title
        return {"product": None, "userErrors": errors}
    product.metafields |= metafields
    product.images += [one["originalSource"] for one in arguments.get("media") or ()]
    for variant in shop.state.products[number]:
        variant.title, variant.product_type = product.title, product.product_type
        variant.updated_ms = shop.clock.now_ms()
    _log(shop, product)
    return {"product": product, "userErrors": []}


def product_set(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`productSet`: what is named of lists replaces them."""
    given = arguments["input"]
    errors: Errors = []
    identifier = arguments.get("identifier") or {}
    handle = identifier.get("handle") or given.get("handle") or ""
    number = (
        number_of(identifier["id"], "Product") if identifier.get("id") else shop.state.handles.get(handle, -1)
    )
    if identifier.get("id") and number not in shop.state.products:
        _error(errors, "PRODUCT_DOES_NOT_EXIST", "Product does not exist", "input")
        return {"product": None, "userErrors": errors}
    if given.get("variants") is not None and given.get("productOptions") is None:
        _error(errors, "PRODUCT_OPTIONS_INPUT_MISSING", "Options are required with variants", "input")
    if given.get("productOptions") is not None and given.get("variants") is None:
        _error(errors, "VARIANTS_INPUT_MISSING", "Variants are required with options", "input")
    there = number in shop.state.products
    now = shop.clock.now_ms()
    if there:
        product = shop.state.product(number)
    else:
        if not given.get("title"):
            _error(errors, "MISSING_FIELD_REQUIRED", "Title can't be blank", "input", "title")
        if handle and not _HANDLE.fullmatch(handle):
            _error(errors, "INVALID_INPUT", "Handle is invalid", "input", "handle")
        product = Product(0, "", handle, now, now)
    metafields = _metafields(given.get("metafields") or (), errors)
    variants = _set_variants(shop, product, given, errors)
    if not errors:
        _fill(product, given, errors)
    if errors:
        return {"product": None, "userErrors": errors}
    if not there:
        product.id = shop.state.new_id()
        product.handle = handle or f"product-{product.id}"
        shop.state.put_product(product)
        shop.state.products[product.id] = []
    if given.get("metafields") is not None:
        product.metafields = metafields
    if given.get("files") is not None:
        product.images = [one["originalSource"] for one in given["files"]]
    if variants is not None or not there:
        if given.get("productOptions") is not None:
            product.options = tuple(one["name"] for one in given["productOptions"])
            if product.options == ("Title",):
                product.options = ()
        _replace_variants(shop, product, variants or [_default(shop, product)])
    for variant in shop.state.products[product.id]:
        variant.title, variant.product_type, variant.updated_ms = product.title, product.product_type, now
    _log(shop, product)
    return {"product": product, "userErrors": []}


def _values(options: Sequence[str], given: Sequence[Mapping[str, Any]]) -> tuple[str, ...] | None:
    """What a variant is called by each option; ``None`` where one is missing or unknown."""
    named = {one.get("optionName"): one.get("name") for one in given}
    if set(named) != set(options) or not all(named.values()):
        return None
    return tuple(str(named[name]) for name in options)


def _set_variants(
    shop: ShopifySimulator, product: Product, given: Mapping[str, Any], errors: Errors
) -> list[Variant] | None:
    if given.get("variants") is None or given.get("productOptions") is None:
        return None
    options = [one.get("name") or "" for one in given["productOptions"]]
    if len(options) > OPTIONS_MAX or not all(options):
        _error(errors, "OPTIONS_OVER_LIMIT", "Too many options", "input", "productOptions")
    if len(given["variants"]) > VARIANTS_MAX:
        _error(errors, "VARIANTS_OVER_LIMIT", "Too many variants", "input", "variants")
    mine = {v.variant_id: v for v in shop.state.products.get(product.id, ())}
    by_values = {v.values: v for v in mine.values()}
    found: list[Variant] = []
    seen: set[tuple[str, ...]] = set()
    for n, one in enumerate(given["variants"]):
        values = _values(options, one["optionValues"])
        if values is None or values in seen:
            _error(
                errors, "INVALID_VARIANT", "The variant's options are not valid", "input", "variants", str(n)
            )
            continue
        seen.add(values)
        plain = () if options == ["Title"] else values
        variant = mine.get(number_of(one["id"], "ProductVariant")) if one.get("id") else by_values.get(plain)
        if one.get("id") and variant is None:
            _error(
                errors,
                "PRODUCT_VARIANT_DOES_NOT_EXIST",
                "Variant does not exist",
                "input",
                "variants",
                str(n),
            )
            continue
        if variant is None:
            places = one.get("inventoryQuantities") or ()
            variant = _fresh(shop, product, plain, [(at["locationId"], at["quantity"]) for at in places])
        _dress(variant, one)
        found.append(variant)
    return found


def _fresh(
    shop: ShopifySimulator, product: Product, values: tuple[str, ...], places: Sequence[tuple[str, int]]
) -> Variant:
    now = shop.clock.now_ms()
    variant = Variant(
        shop.state.new_id(), shop.state.new_id(), product.id, "", product.title, 0, now, now, values=values
    )
    variant.tracked = False
    for place, quantity in places:
        location = shop.state.locations.get(number_of(place, "Location"))
        if location is None:
            raise FieldRefused("invalid id", "RESOURCE_NOT_FOUND")
        shop.state.activate(variant, location).available = quantity
    return variant


def _dress(variant: Variant, given: Mapping[str, Any]) -> None:
    stock = given.get("inventoryItem") or {}
    sku = stock.get("sku") if given.get("sku") is None else given["sku"]
    variant.sku = variant.sku if sku is None else sku
    variant.tracked = variant.tracked if stock.get("tracked") is None else stock["tracked"]
    variant.barcode = variant.barcode if given.get("barcode") is None else given["barcode"]
    if given.get("price") is not None:
        variant.price_minor = to_minor(Decimal(given["price"]))


def _default(shop: ShopifySimulator, product: Product) -> Variant:
    return _fresh(shop, product, (), [])


def _replace_variants(shop: ShopifySimulator, product: Product, variants: Sequence[Variant]) -> None:
    """Those that are not named any more are deleted, which is what makes this call dangerous."""
    kept = {v.variant_id for v in variants}
    for variant in shop.state.products[product.id]:
        if variant.variant_id not in kept:
            shop.ledger.effects["variant_deleted"] += 1
            shop.state.drop_variant(variant)
    shop.state.products[product.id] = []
    for variant in variants:
        variant.product_id = product.id
        shop.state.put_variant(variant)


def variants_create(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`productVariantsBulkCreate`; the standalone variant stays with `PRESERVE_STANDALONE_VARIANT` only."""
    errors: Errors = []
    number = number_of(arguments["productId"], "Product")
    nothing = {"product": None, "productVariants": None, "userErrors": errors}
    if number not in shop.state.products:
        _error(errors, "PRODUCT_DOES_NOT_EXIST", "Product does not exist", "productId")
        return nothing
    product = shop.state.product(number)
    taken = {v.values for v in shop.state.products[number]}
    made: list[Variant] = []
    for n, one in enumerate(arguments["variants"]):
        values = _values(product.options, one.get("optionValues") or ())
        if values is None or not product.options:
            _error(
                errors, "NEED_TO_ADD_OPTION_VALUES", "Options do not fit", "variants", str(n), "optionValues"
            )
            continue
        if values in taken:
            message = f"The variant '{' / '.join(values)}' already exists."
            _error(errors, "VARIANT_ALREADY_EXISTS", message, "variants", str(n))
            continue
        taken.add(values)
        places = one.get("inventoryQuantities") or ()
        variant = _fresh(
            shop, product, values, [(at["locationId"], at["availableQuantity"] or 0) for at in places]
        )
        _dress(variant, one)
        made.append(variant)
    if errors or len(taken) > VARIANTS_MAX:
        return nothing
    for variant in made:
        shop.state.put_variant(variant)
    _log(shop, product)
    return {"product": product, "productVariants": made, "userErrors": []}


# -- publications


def _publish(shop: ShopifySimulator, arguments: dict[str, Any], *, shown: bool) -> dict[str, Any]:
    number = number_of(arguments["id"], "Product")
    at = [number_of(one.get("publicationId") or "", "Publication") for one in arguments["input"]]
    if number not in shop.state.products:
        return {"shop": shop, "userErrors": [{"field": ["id"], "message": "Resource does not exist"}]}
    if not all(one in shop.state.publications for one in at):
        message = "Publication does not exist or is not publishable"
        return {"shop": shop, "userErrors": [{"field": ["input"], "message": message}]}
    product = shop.state.product(number)
    product.publications = product.publications | set(at) if shown else product.publications - set(at)
    shop.applied(1)
    return {"shop": shop, "userErrors": []}


def publish(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`publishablePublish`, of products."""
    return _publish(shop, arguments, shown=True)


def unpublish(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`publishableUnpublish`, of products."""
    return _publish(shop, arguments, shown=False)


# -- translations


def translations_register(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`translationsRegister`: each says by its digest which text it translates."""
    errors: Errors = []
    number = number_of(arguments["resourceId"], "Product")
    if number not in shop.state.products:
        _error(errors, "RESOURCE_NOT_FOUND", "Resource does not exist", "resourceId")
        return {"translations": None, "userErrors": errors}
    product = shop.state.product(number)
    texts = translatable(product)
    given = arguments["translations"]
    if len(given) > KEYS_MAX:
        _error(errors, "TOO_MANY_KEYS_FOR_RESOURCE", "Too many translation keys", "translations")
    for n, one in enumerate(given):
        at = ("translations", str(n))
        if one["locale"] not in shop.locales:
            _error(errors, "INVALID_LOCALE_FOR_SHOP", f"Locale {one['locale']} is not enabled", *at, "locale")
        elif not texts.get(one["key"]):
            _error(errors, "INVALID_KEY_FOR_MODEL", f"Key {one['key']} is not translatable", *at, "key")
        elif not one["value"].strip():
            _error(errors, "BLANK", "Value can't be blank", *at, "value")
        elif one["translatableContentDigest"] != digest_of(texts[one["key"]]):
            message = "Translatable content hash is invalid"
            _error(errors, "INVALID_TRANSLATABLE_CONTENT", message, *at, "translatableContentDigest")
    if errors:
        return {"translations": None, "userErrors": errors}
    for one in given:
        product.translations[one["locale"], one["key"]] = one["value"], one["translatableContentDigest"]
    shop.applied(1)
    locales = {one["locale"] for one in given}
    return {
        "translations": [x for at in sorted(locales) for x in translations_of(product, at)],
        "userErrors": [],
    }


def translations_remove(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`translationsRemove`; what is not there is no error."""
    number = number_of(arguments["resourceId"], "Product")
    if number not in shop.state.products:
        errors: Errors = []
        _error(errors, "RESOURCE_NOT_FOUND", "Resource does not exist", "resourceId")
        return {"translations": None, "userErrors": errors}
    product = shop.state.product(number)
    for locale in arguments["locales"]:
        for key in arguments["translationKeys"]:
            product.translations.pop((locale, key), None)
    shop.applied(1)
    return {"translations": [], "userErrors": []}


PRODUCT_MUTATIONS: dict[str, Resolver] = {
    "productSet": product_set,
    "productUpdate": product_update,
    "productVariantsBulkCreate": variants_create,
    "publishablePublish": publish,
    "publishableUnpublish": unpublish,
    "translationsRegister": translations_register,
    "translationsRemove": translations_remove,
}
