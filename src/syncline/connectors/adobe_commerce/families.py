"""Products with variants: a configurable product that holds simple ones together, each with a value of every option.

The variants come first, for a configurable product refers to them by their numbers, and each needs the values by which it is
chosen (magento2: ConfigurableProduct/Model/LinkManagement). A configurable product that is made names its variants all at once.
To one that is there they are added one by one, because a list that is saved with it takes the others away
(ConfigurableProduct/Model/Product/SaveHandler).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncline.connectors.adobe_commerce.definitions import Definition
from syncline.connectors.adobe_commerce.shelves import CONFIGURABLE, Seen
from syncline.model.errors import Rejected
from syncline.model.payloads import SetProduct
from syncline.model.products import Variant
from syncline.sdk.oauth1 import escape

VARIANTS_MAX = 500  # of a product: so many are read and compared for each call
BUYABLE = frozenset({"simple", "virtual"})


def unfit(payload: Any) -> str:
    """Why a product cannot be one of the shop; "" if it can."""
    assert isinstance(payload, SetProduct)
    content = payload.content
    skus = [one.sku for one in content.variants]
    if not content.options:
        return "" if skus == [payload.key] else "its only variant has another SKU; give both the same"
    if payload.key in skus:
        return "one of its variants has its own SKU, and a configurable product needs one of its own"
    if len(skus) > VARIANTS_MAX:
        return f"it has {len(skus)} variants, and {VARIANTS_MAX} can be written"
    if any(not value.strip() for one in content.variants for value in one.values):
        return "one of its variants lacks an option"
    return ""


def check(payload: SetProduct, options: Sequence[Definition], seen: Mapping[str, Seen]) -> None:
    """See that what the shop has under these SKUs can become that product.

    Raises:
        Rejected: it is something else.
    """
    product = seen.get(payload.key)
    if product is not None and product.type_id != CONFIGURABLE:
        raise Rejected(
            f"{payload.key}: the shop has a {product.type_id} product of that SKU; give it another one, or leave the product "
            "out of the catalog"
        )
    if product is not None and product.choices:
        differs = {one.attribute_id for one in options} != set(product.choices)
        if differs:
            raise Rejected(
                f"{payload.key}: its variants differ in other attributes in the shop; make them the same there, for to change "
                "them takes its variants away"
            )
    for one in payload.content.variants:
        there = seen.get(one.sku)
        if there is not None and there.type_id not in BUYABLE:
            raise Rejected(f"{one.sku}: the shop has a {there.type_id} product of that SKU")


def called(title: str, variant: Variant) -> str:
    """What a variant is called, as the shop's own people see it: the product, and the values that tell it apart."""
    return "-".join((title, *variant.values))


def option_body(name: str, position: int, option: Definition, values: Sequence[str]) -> dict[str, Any]:
    """One attribute that variants differ in, with the values that there are."""
    return {
        "attribute_id": str(option.attribute_id),
        "label": name,
        "position": position,
        "is_use_default": True,
        "values": [{"value_index": int(value)} for value in dict.fromkeys(values)],
    }


def additions(
    payload: SetProduct, product: Seen, seen: Mapping[str, Seen], bodies: Sequence[Mapping[str, Any]]
) -> list[tuple[str, dict[str, Any]]]:
    """What is posted so that a configurable product that is there holds all of its variants: addresses and bodies."""
    path = f"configurable-products/{escape(payload.key)}"
    held = set(product.extension.configurable_product_links)
    posts: list[tuple[str, dict[str, Any]]] = []
    if not product.choices:
        posts += [(f"{path}/options", {"option": body}) for body in bodies]
    posts += [
        (f"{path}/child", {"childSku": one.sku})
        for one in payload.content.variants
        if seen[one.sku].id not in held
    ]
    return posts
