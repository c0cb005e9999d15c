"""Attributes with values to choose from, products with variants, categories, and images.

Contract section 12 and magento/magento2, read 2026-11: ConfigurableProduct/Model/{OptionRepository,LinkManagement} and
Product/SaveHandler, Plugin/ProductRepositorySave; Eav/Model/Entity/Attribute/OptionManagement; Catalog/Model/CategoryLinkRepository,
Category/Link/SaveHandler and Product/Gallery/GalleryManagement; Framework/Api/ImageContentValidator. Whoever saves a list with a product
takes away what it omits: that is counted. Assumed: that a search tells extension attributes; that a product's attributes do
not depend on its attribute set; messages where the sources do not have them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from syncline.connectors.adobe_commerce.simulator import render, stockitems
from syncline.connectors.adobe_commerce.simulator.catalogstate import DEFAULT, ROOT, Category
from syncline.connectors.adobe_commerce.simulator.errors import ApiError, no_such_entity

if TYPE_CHECKING:
    from syncline.connectors.adobe_commerce.simulator import AdobeCommerceSimulator
    from syncline.connectors.adobe_commerce.simulator.routes import Call, Services
    from syncline.connectors.adobe_commerce.simulator.state import Product, ShopState

Row = dict[str, Any]
CONFIGURABLE = "configurable"
KINDS = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n", "image/gif": b"GIF8"}
PRODUCTS = "4"  # the kind of entity whose attributes they are
FIRST_ID = 70  # of the attributes that are text


# --- attributes --------------------------------------------------------------------------------------------


def attributes(services: Services, call: Call) -> Any:
    """``GET /V1/products/attributes``."""
    return services.search(call, attribute_rows(services.shop))


def attribute_rows(shop: AdobeCommerceSimulator) -> list[Row]:
    """``catalog-data-product-attribute-interface``, of every attribute."""
    rows = [
        {
            "attribute_id": FIRST_ID + at,
            "attribute_code": code,
            "frontend_input": "textarea",
            "default_frontend_label": code,
            "entity_type_id": PRODUCTS,
            "frontend_labels": [],
            "is_required": False,
            "options": [],
        }
        for at, code in enumerate(sorted(shop.attributes))
    ]
    rows += [
        {
            "attribute_id": one.attribute_id,
            "attribute_code": one.code,
            "frontend_input": "select",
            "default_frontend_label": one.label,
            "entity_type_id": PRODUCTS,
            "frontend_labels": [],
            "is_required": False,
            "options": [
                {"label": " ", "value": ""},
                *({"label": label, "value": str(number)} for number, label in one.options.items()),
            ],
        }
        for one in shop.state.selects.values()
    ]
    return rows


def add_option(services: Services, call: Call) -> str:
    """``POST /V1/products/attributes/{code}/options``: the number of the new value."""
    shop, code = services.shop, call.path["attributeCode"]
    select = shop.state.selects.get(code)
    if select is None:
        if code in shop.attributes:
            raise ApiError(400, 'The "%1" attribute doesn\'t work with options.', [code])
        raise ApiError(
            404,
            'The attribute with a "%1" attributeCode doesn\'t exist. Verify the attribute and try again.',
            [code],
        )
    label = call.given["option"].get("label", "").strip()
    if not label:
        raise ApiError(400, "The attribute option label is empty. Enter the value and try again.")
    if any(label.upper() == one.upper() for one in select.options.values()):
        raise ApiError(400, 'Admin store attribute option label "%1" already exists.', [label])
    number = shop.state.new_id("option_value")
    select.options[number] = label
    return str(number)


# --- products with variants --------------------------------------------------------------------------------


def product_of(state: ShopState, sku: str) -> Product:
    """A product by its SKU, or the shop's words."""
    found = state.products.get(sku)
    if found is None:
        raise ApiError(404, "The product that was requested doesn't exist. Verify the product and try again.")
    return found


def priced(state: ShopState, product: Product) -> bool:
    """Whether nobody can buy it for nothing: of one with variants, any of those that are sold."""
    if product.type_id != CONFIGURABLE:
        return product.price_minor > 0
    return all(
        one.price_minor > 0
        for one in state.products.values()
        if one.entity_id in product.links and one.status == 1
    )


def options(services: Services, call: Call) -> list[Row]:
    """``GET /V1/configurable-products/{sku}/options/all``."""
    product = product_of(services.shop.state, call.path["sku"])
    if product.type_id != CONFIGURABLE:
        raise ApiError(400, "Only implemented for configurable product: %1", [product.sku])
    return render.choices(product)


def save_option(services: Services, call: Call) -> int:
    """``POST /V1/configurable-products/{sku}/options``."""
    state = services.shop.state
    product = product_of(state, call.path["sku"])
    return _choice(state, product, call.given["option"])


def _choice(state: ShopState, product: Product, given: Row) -> int:
    values = [one.get("value_index", 0) for one in given.get("values") or ()]
    for missing, words in (
        (not given.get("attribute_id"), "Option attribute ID is not specified."),
        (not given.get("label"), "Option label is not specified."),
        (not values, "Option values are not specified."),
        (not all(values), "Value index is not specified for an option."),
    ):
        if missing:
            raise ApiError(400, words)
    number = int(given["attribute_id"])
    select = next((one for one in state.selects.values() if one.attribute_id == number), None)
    if select is None:
        raise ApiError(
            404,
            'The attribute with a "%1" attributeCode doesn\'t exist. Verify the attribute and try again.',
            [number],
        )
    if any(one["attribute_id"] == number for one in product.choices):
        raise ApiError(400, "Product already has this option")
    product.type_id = CONFIGURABLE
    made = {
        "id": state.new_id("choice"),
        "attribute_id": number,
        "label": given["label"],
        "position": given.get("position", 0),
        "values": values,
    }
    product.choices.append(made)
    return int(made["id"])


def add_child(services: Services, call: Call) -> bool:
    """``POST /V1/configurable-products/{sku}/child``."""
    state = services.shop.state
    product, child = (
        product_of(state, call.path["sku"]),
        product_of(state, call.given["childSku"]),
    )
    if child.entity_id in product.links:
        raise ApiError(400, "The product is already attached.")
    if not product.choices:
        raise ApiError(400, "The parent product doesn't have configurable product options.")
    for code in _codes(state, product):
        if not child.attributes.get(code):
            raise ApiError(
                400,
                'The child product doesn\'t have the "%1" attribute value. Verify the value and try again.',
                [code],
            )
    _link(state, product, [*product.links, child.entity_id])
    product.updated_ms = state.clock.now_ms()
    return True


def children(services: Services, call: Call) -> list[Row]:
    """``GET /V1/configurable-products/{sku}/children``."""
    state = services.shop.state
    product = product_of(state, call.path["sku"])
    return [render.product(one) for one in state.products.values() if one.entity_id in product.links]


def _codes(state: ShopState, product: Product) -> list[str]:
    chosen = [one["attribute_id"] for one in product.choices]
    return [one.code for one in state.selects.values() if one.attribute_id in chosen]


def _link(state: ShopState, product: Product, numbers: Sequence[int]) -> None:
    """Have a configurable product hold these and no others."""
    by_number = {one.entity_id: one for one in state.products.values()}
    held: dict[tuple[Any, ...], str] = {}
    for number in numbers:
        child = by_number.get(number)
        if child is None:
            raise ApiError(400, 'Product with id "%1" does not exist.', [number])
        values = []
        for code in _codes(state, product):
            if not child.attributes.get(code):
                raise ApiError(
                    400, 'Product with id "%1" does not contain required attribute "%2".', [number, code]
                )
            values.append(str(child.attributes[code]))
        if other := held.get(tuple(values)):
            raise ApiError(
                400, 'Products "%1" and "%2" have the same set of attribute values.', [number, other]
            )
        held[tuple(values)] = str(number)
    product.links = list(dict.fromkeys(numbers))


def save_extension(shop: AdobeCommerceSimulator, product: Product, given: Mapping[str, Any]) -> None:
    """What is saved with a product besides its own fields: each list takes the place of the one that was there.

    All of it or nothing: a product is saved in one transaction.
    """
    before = dict(product.categories), list(product.choices), list(product.links)
    try:
        _save_extension(shop, product, given)
    except ApiError:
        product.categories, product.choices, product.links = before
        raise
    shop.ledger.effects["category_left"] += len(set(before[0]) - set(product.categories))
    shop.ledger.effects["variant_unlinked"] += len(set(before[2]) - set(product.links))


def _save_extension(shop: AdobeCommerceSimulator, product: Product, given: Mapping[str, Any]) -> None:
    state = shop.state
    if "stock_item" in given and product.type_id != CONFIGURABLE:
        stockitems.save(shop, product, given["stock_item"])
    if "category_links" in given:
        wanted = {int(one["category_id"]): one.get("position", 0) for one in given["category_links"]}
        for number in wanted:
            _category(state, number)
        product.categories = wanted
    if product.type_id != CONFIGURABLE:
        return
    if "configurable_product_options" in given:
        wanted_ids = [int(one.get("attribute_id") or 0) for one in given["configurable_product_options"]]
        there = [one["attribute_id"] for one in product.choices]
        if set(there) - set(wanted_ids):
            product.links = []
            product.choices = [one for one in product.choices if one["attribute_id"] in wanted_ids]
        for number, one in zip(wanted_ids, given["configurable_product_options"], strict=True):
            if number not in there:
                _choice(state, product, one)
    if "configurable_product_links" in given:
        _link(state, product, given["configurable_product_links"])


# --- images ------------------------------------------------------------------------------------------------


def add_media(services: Services, call: Call) -> str:
    """``POST /V1/products/{sku}/media``: the content of an image, never its address."""
    shop = services.shop
    product, entry = product_of(shop.state, call.path["sku"]), call.given["entry"]
    content = entry.get("content") or {}
    name = content.get("name", "")
    try:
        raw = base64.b64decode(content.get("base64_encoded_data", ""), validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    if not raw:
        raise ApiError(400, "The image content must be valid base64 encoded data.")
    begins = KINDS.get(content.get("type", ""))
    if begins is None or not raw.startswith(begins):
        raise ApiError(400, "The image MIME type is not valid or not supported.")
    if not name or any(letter in '/\\?*:";<>()|{}' for letter in name):
        raise ApiError(400, "Provided image name contains forbidden characters.")
    shop.state.new_id("media")
    number = shop.state.next_id("media") - 1
    stem, _, ending = name.rpartition(".")
    folder = f"/{name[0]}/{name[1]}/"
    taken = {one["file"] for other in shop.state.products.values() for one in other.media}
    file, at = f"{folder}{name}", 0
    while file in taken:
        at += 1
        file = f"{folder}{stem}_{at}.{ending}"
    types = list(entry.get("types") or ())
    for other in product.media:
        other["types"] = [one for one in other["types"] if one not in types]
    product.media.append(
        {
            "id": number,
            "media_type": entry.get("media_type", "image"),
            "label": entry.get("label", ""),
            "position": entry.get("position", 0),
            "disabled": entry.get("disabled", False),
            "types": types,
            "file": file,
        }
    )
    product.updated_ms = shop.clock.now_ms()
    return str(number)


# --- categories --------------------------------------------------------------------------------------------


def _category(state: ShopState, number: int) -> Category:
    found = state.categories.get(number)
    if found is None:
        raise no_such_entity("id", number)
    return found


def category_row(state: ShopState, one: Category) -> Row:
    """``catalog-data-category-interface``."""
    below = [x.id for x in state.categories.values() if x.parent_id == one.id]
    return {
        **_place(state, one),
        "children": ",".join(map(str, below)),
        "path": "/".join(map(str, path_of(state, one))),
        "available_sort_by": [],
        "include_in_menu": True,
        "custom_attributes": [],
    }


def _place(state: ShopState, one: Category) -> Row:
    """What a category is called and where it stands."""
    return {
        "id": one.id,
        "parent_id": one.parent_id,
        "name": one.name,
        "is_active": True,
        "position": 1
        + sum(x.parent_id == one.parent_id and x.id < one.id for x in state.categories.values()),
        "level": len(path_of(state, one)) - 1,
    }


def tree(services: Services, call: Call) -> Row:
    """``GET /V1/categories?rootCategoryId=``."""
    state = services.shop.state
    asked = dict(call.query).get("rootCategoryId", str(ROOT))
    return _branch(state, _category(state, int(asked)))


def _branch(state: ShopState, one: Category) -> Row:
    """``catalog-data-category-tree-interface``."""
    return {
        **_place(state, one),
        "product_count": sum(one.id in product.categories for product in state.products.values()),
        "children_data": [_branch(state, x) for x in state.categories.values() if x.parent_id == one.id],
    }


def path_of(state: ShopState, one: Category) -> list[int]:
    """The numbers from the root to a category."""
    found = [one.id]
    while (parent := state.categories.get(one.parent_id)) is not None:
        one = parent
        found.insert(0, one.id)
    return found


def save_category(services: Services, call: Call) -> Row:
    """``POST /V1/categories``."""
    state, given = services.shop.state, call.given["category"]
    if not given.get("name") or "is_active" not in given:
        raise ApiError(
            400, 'The "%1" attribute is required.', ["name" if not given.get("name") else "is_active"]
        )
    parent = _category(state, given.get("parent_id", DEFAULT))
    if any(x.parent_id == parent.id and x.name == given["name"] for x in state.categories.values()):
        raise ApiError(400, "URL key for specified store already exists.")
    number = max(state.categories) + 1
    made = state.categories[number] = Category(number, parent.id, given["name"])
    return category_row(state, made)


def link_product(services: Services, call: Call) -> bool:
    """``POST /V1/categories/{categoryId}/products``."""
    state, given = services.shop.state, call.given["productLink"]
    category = _category(state, call.number("categoryId"))
    product_of(state, given.get("sku", "")).categories[category.id] = given.get("position", 0)
    return True


def unlink_product(services: Services, call: Call) -> bool:
    """``DELETE /V1/categories/{categoryId}/products/{sku}``."""
    state = services.shop.state
    category, product = _category(state, call.number("categoryId")), product_of(state, call.path["sku"])
    if category.id not in product.categories:
        raise ApiError(400, "The category doesn't contain the specified product.")
    del product.categories[category.id]
    services.shop.ledger.effects["category_left"] += 1
    return True
