"""What each field of a product, a translation and a bulk operation gives."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator.fields import (
    USER_ERROR,
    get,
    id_of,
    key_of,
    number_of,
    payload_of,
    time_of,
    value_of,
)
from syncline.connectors.shopify.simulator.operation import Page, Resolver
from syncline.connectors.shopify.simulator.records import Product
from syncline.connectors.shopify.simulator.search import paginate


def _options(_shop: Any, product: Product, arguments: dict[str, Any]) -> list[tuple[Product, int]]:
    return [(product, n) for n in range(len(product.options))][: arguments.get("first")]


def _metafield(
    _shop: Any, product: Product, arguments: dict[str, Any]
) -> tuple[str, str, str, str, str] | None:
    namespace, key = arguments.get("namespace") or "", arguments["key"]
    found = product.metafields.get((namespace, key))
    return None if found is None else (f"{product.id}", namespace, key, *found)


def _metafields(_shop: Any, product: Product, arguments: dict[str, Any]) -> Page:
    wanted = arguments.get("namespace")
    found = sorted((at, told) for at, told in product.metafields.items() if wanted in (None, at[0]))
    rows = [(f"{product.id}", *at, *told, n) for n, (at, told) in enumerate(found)]
    return paginate(rows, lambda at: (at[5], at[5]), arguments)


def _product_variants(shop: ShopifySimulator, product: Product, arguments: dict[str, Any]) -> Page:
    return paginate(shop.state.products[product.id], lambda v: (v.variant_id, v.variant_id), arguments)


def translatable(product: Product) -> dict[str, str]:
    """What of a product can be translated, by the vendor's keys."""
    return {"title": product.title, "body_html": product.description, "product_type": product.product_type}


def digest_of(text: str) -> str:
    """By which a translation says what it translates; the vendor's is a SHA-256 as well."""
    return hashlib.sha256(text.encode()).hexdigest()


def translations_of(product: Product, locale: str) -> list[dict[str, Any]]:
    """What was registered; outdated where the text has changed since."""
    now = {key: digest_of(text) for key, text in translatable(product).items()}
    return [
        {"key": key, "locale": at, "value": text, "outdated": now.get(key) != digest}
        for (at, key), (text, digest) in product.translations.items()
        if at == locale
    ]


GOODS_TYPES: dict[str, dict[str, Resolver]] = {
    "Product": {
        "createdAt": time_of("created_ms"),
        "descriptionHtml": get("description"),
        "handle": get("handle"),
        "id": id_of("Product"),
        "legacyResourceId": lambda _s, p, _a: str(p.id),
        "mediaCount": lambda _s, p, _a: {"count": len(p.images), "precision": "EXACT"},
        "metafield": _metafield,
        "metafields": _metafields,
        "options": _options,
        "productType": get("product_type"),
        "publishedOnPublication": lambda _s, p, a: (
            number_of(a["publicationId"], "Publication") in p.publications
        ),
        "status": get("status"),
        "title": get("title"),
        "translations": lambda _s, p, a: translations_of(p, a["locale"]),
        "updatedAt": time_of("updated_ms"),
        "variants": _product_variants,
    },
    "ProductOption": {
        "id": lambda _s, at, _a: f"gid://shopify/ProductOption/{at[0].id}{at[1]}",
        "name": lambda _s, at, _a: at[0].options[at[1]],
        "position": lambda _s, at, _a: at[1] + 1,
        "values": lambda shop, at, _a: list(
            dict.fromkeys(v.values[at[1]] for v in shop.state.products[at[0].id] if v.values)
        ),
    },
    "SelectedOption": {"name": lambda _s, at, _a: at[0], "value": lambda _s, at, _a: at[1]},
    "Metafield": {
        "id": lambda _s, at, _a: f"gid://shopify/Metafield/{at[0]}",
        "key": lambda _s, at, _a: at[2],
        "namespace": lambda _s, at, _a: at[1],
        "type": lambda _s, at, _a: at[3],
        "value": lambda _s, at, _a: at[4],
    },
    "Translation": {
        "key": key_of("key"),
        "locale": key_of("locale"),
        "outdated": key_of("outdated"),
        "updatedAt": value_of(None),
        "value": key_of("value"),
    },
    "TranslatableResource": {
        "resourceId": id_of("Product"),
        "translatableContent": lambda _s, p, _a: [
            {"key": key, "value": text, "digest": digest_of(text), "locale": "en"}
            for key, text in translatable(p).items()
            if text
        ],
        "translations": lambda _s, p, a: translations_of(p, a["locale"]),
    },
    "TranslatableContent": {name: key_of(name) for name in ("digest", "key", "locale", "value")},
    "StagedMediaUploadTarget": {name: key_of(name) for name in ("parameters", "resourceUrl", "url")},
    "StagedUploadParameter": {name: key_of(name) for name in ("name", "value")},
    "BulkOperation": {
        "completedAt": time_of("completed_ms"),
        "createdAt": time_of("created_ms"),
        "errorCode": get("error"),
        "fileSize": lambda _s, op, _a: str(len(op.result)) if op.result is not None else None,
        "id": id_of("BulkOperation"),
        "objectCount": lambda _s, op, _a: str(op.objects),
        "partialDataUrl": value_of(None),
        "query": get("query"),
        "rootObjectCount": lambda _s, op, _a: str(op.roots),
        "status": get("status"),
        "type": get("kind"),
        "url": lambda shop, op, _a: (
            f"{shop.origin}/bulk-results/{op.id}.jsonl" if op.result is not None else None
        ),
    },
    "BulkMutationUserError": USER_ERROR,
    "BulkOperationUserError": USER_ERROR,
    "BulkOperationRunQueryPayload": payload_of("bulkOperation"),
    "BulkOperationRunMutationPayload": payload_of("bulkOperation"),
    "ProductSetPayload": payload_of("product"),
    "ProductSetUserError": USER_ERROR,
    "ProductUpdatePayload": payload_of("product"),
    "ProductVariantsBulkCreatePayload": payload_of("product", "productVariants"),
    "ProductVariantsBulkCreateUserError": USER_ERROR,
    "PublishablePublishPayload": payload_of("shop"),
    "PublishableUnpublishPayload": payload_of("shop"),
    "StagedUploadsCreatePayload": payload_of("stagedTargets"),
    "TranslationUserError": USER_ERROR,
    "TranslationsRegisterPayload": payload_of("translations"),
    "TranslationsRemovePayload": payload_of("translations"),
}
