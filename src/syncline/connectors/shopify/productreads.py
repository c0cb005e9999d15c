"""Reading products again, for comparison: what is shown of each, in which words, and to whom."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from syncline.connectors.shopify import documents, wire
from syncline.connectors.shopify.client import Client
from syncline.connectors.shopify.documents import Document
from syncline.connectors.shopify.listings import KEYS, publication_id
from syncline.connectors.shopify.productdocs import FIELDS, READS_MAX
from syncline.connectors.shopify.products import ATTRIBUTES, STATUS, ProductReader, Seen
from syncline.model.errors import Rejected, Retryable
from syncline.model.products import (
    ELSE_NONE,
    Goods,
    Listing,
    ProductStatus,
    Variant,
    Wording,
    image_mark,
)
from syncline.model.readings import Told
from syncline.model.records import Item
from syncline.ports import Clock, Part

GOODS, LOCALE, ASSORTMENT = "goods", "locale:", "assortment:"  # the groups, as contents are called
OURS = {theirs: ours for ours, theirs in KEYS.items()}
STATUSES = {theirs: ours for ours, theirs in STATUS.items()}


class _Text(Struct, frozen=True):
    key: str
    value: str | None = None


class _Attributes(Struct, frozen=True):
    metafields: wire.Connection[_Text] | None = None


_TEXTS = tuple[_Text, ...]
ATTRIBUTES_FIRST = 20  # of a product; where it has more, those that are missing here are not compared
_ATTRIBUTES = (
    f'metafields(first: {ATTRIBUTES_FIRST}, namespace: "{ATTRIBUTES}") '
    "{ nodes { key value } pageInfo { hasNextPage endCursor } }"
)


@lru_cache(maxsize=64)
def read_shelves(products: int, locales: int, publications: int) -> Document:
    """Products with translations and publications: variables ``i0`` ..., ``l0`` ..., ``a0`` ...."""
    variables = [f"$i{n}: ID!" for n in range(products)]
    variables += [f"$l{n}: String!" for n in range(locales)] + [f"$a{n}: ID!" for n in range(publications)]
    more = " ".join(
        [f"l{n}: translations(locale: $l{n}) {{ key value }}" for n in range(locales)]
        + [f"a{n}: publishedOnPublication(publicationId: $a{n})" for n in range(publications)]
    )
    fields = " ".join(
        f"p{n}: product(id: $i{n}) {{ {FIELDS} {_ATTRIBUTES} {more} }}" for n in range(products)
    )
    return Document("ReadShelves", f"query ReadShelves({', '.join(variables)}) {{ {fields} }}")


class ShelfReader:
    """Reads products of one shop as contents."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._reader = ProductReader(client)

    async def read(self, groups: Sequence[str], items: Sequence[Item]) -> Part[Told]:
        """What is shown of some products, by their ids; ``cost`` in points as we bound them."""
        began_ms = self._clock.now_ms()
        rows: list[Told] = []
        cost = 0.0
        try:
            for start in range(0, len(items), READS_MAX):
                some = items[start : start + READS_MAX]
                found, points = await self._some(groups, some)
                rows += found
                cost += points
        except Rejected as error:  # what refuses a reading can be mended while we wait
            raise Retryable(str(error)) from error
        return Part(tuple(rows), began_ms, "", cost)

    async def _some(self, groups: Sequence[str], items: Sequence[Item]) -> tuple[list[Told], float]:
        locales = [group for group in groups if group.startswith(LOCALE)]
        places = [group for group in groups if group.startswith(ASSORTMENT)]
        document = read_shelves(len(items), len(locales), len(places))
        variables = {f"i{n}": item.external_id for n, item in enumerate(items)}
        variables |= {f"l{n}": group.removeprefix(LOCALE) for n, group in enumerate(locales)}
        variables |= {
            f"a{n}": publication_id(group.removeprefix(ASSORTMENT)) for n, group in enumerate(places)
        }
        answer = await self._client.call(document, variables, dict[str, Any])
        rows: list[Told] = []
        for n, item in enumerate(items):
            node = answer.get(f"p{n}")
            if node is None:
                continue
            if GOODS in groups:
                seen = await self._reader.whole(msgspec.convert(node, Seen))
                goods = msgspec.structs.replace(
                    goods_of(seen, self._clock.now_ms()), attributes=attributes_of(node)
                )
                rows.append(Told(GOODS, item.external_id, goods))
            for at, group in enumerate(locales):
                texts = msgspec.convert(node[f"l{at}"], _TEXTS)
                told = {OURS[one.key]: one.value for one in texts if one.key in OURS and one.value}
                rows.append(Told(group, item.external_id, Wording(told)))
            rows += [
                Told(group, item.external_id, Listing(bool(node[f"a{at}"])))
                for at, group in enumerate(places)
            ]
        return rows, documents.requested_cost(document.text)


def attributes_of(node: Any) -> dict[str, str] | None:
    """The metafields that attributes are written to, by their keys."""
    found = msgspec.convert(node, _Attributes).metafields
    if found is None:
        return None
    rest = {} if found.page_info.has_next_page else {ELSE_NONE: ""}
    return {one.key: one.value or "" for one in found.nodes} | rest


def goods_of(seen: Seen, now_ms: int) -> Goods:
    """As it would have been written, as far as it can be read."""
    nodes, images = seen.variants.nodes, seen.images(now_ms)
    names = tuple(one.name for one in nodes[0].selected_options) if nodes else ()
    plain = names == ("Title",)
    variants = tuple(
        Variant(
            node.sku or "",
            () if plain else tuple(one.value for one in node.selected_options),
            node.barcode or "",
        )
        for node in nodes
    )
    return Goods(
        variants,
        () if plain else names,
        STATUSES.get(seen.status, ProductStatus.DRAFT),
        seen.title,
        seen.description_html,
        seen.product_type,
        images=None if images is None else tuple(map(image_mark, images)),
    )
