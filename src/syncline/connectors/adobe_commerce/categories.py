"""Categories: where a product stands, as a path of names below one category of the shop.

A product may stand in several. It is put into the one that the ERP names, and taken out of the one that the ERP named before, if
it is known to be ours; what the shop's people added stays. Each is a call of its own, because a list of categories that is saved
with a product replaces the one that is there (magento2: Catalog/Model/Category/Link/SaveHandler).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from msgspec import Struct

from syncline.connectors.adobe_commerce.client import Client
from syncline.connectors.adobe_commerce.manifest import AdobeCommerceSettings
from syncline.connectors.adobe_commerce.shelves import Seen
from syncline.model.errors import Rejected
from syncline.ports import Clock
from syncline.sdk.oauth1 import escape

PATH = "categories"
KEPT_S = 900.0  # so long the tree is believed; a category that is missing has it read sooner
ANEW_S = 30.0  # but not sooner than this after the last reading
DEPTH_MAX = 20  # of a path


class Node(Struct, frozen=True):
    """One category, with those below it."""

    id: int
    name: str | None = None
    children_data: tuple[Node, ...] = ()


class Categories:
    """The categories of one shop below ``category_root``; without one, none are read or written."""

    def __init__(self, settings: AdobeCommerceSettings, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._root = settings.category_root
        self._separator = settings.category_separator
        self._creates = settings.create_categories
        self._ids: dict[tuple[str, ...], int] = {}
        self._paths: dict[int, tuple[str, ...]] = {}
        self._read_s: float | None = None

    @property
    def written(self) -> bool:
        """Whether categories are written at all."""
        return bool(self._root)

    async def of(self, path: str) -> int:
        """The number of a category by its path; 0 for none. It is made where that is configured.

        Raises:
            Rejected: the shop does not have it.
            OutcomeUnknown: it was to be made, and nobody knows whether it was.
        """
        names = self._names(path)
        if not names:
            return 0
        if self._old(KEPT_S) or (names not in self._ids and self._old(ANEW_S)):
            await self._read()
        for depth in range(1, len(names) + 1):
            if names[:depth] in self._ids:
                continue
            if not self._creates:
                raise Rejected(
                    f"category: the shop has no {path!r} below category {self._root}; make it there, or set create_categories"
                )
            parent = self._ids[names[: depth - 1]] if depth > 1 else self._root
            made = {"parent_id": parent, "name": names[depth - 1], "is_active": True, "include_in_menu": True}
            self._read_s = None  # whatever becomes of the call, what was read is not all there is
            await self._client.post(PATH, {"category": made}, Any)
            await self._read()
            if names[:depth] not in self._ids:
                raise Rejected(f"category: the shop took {path!r} and does not show it")
        return self._ids[names]

    async def moves(self, seen: Seen, sku: str, path: str | None, before: str | None) -> list[partial[Any]]:
        """What is called so that a product stands where it should: into that category, and out of the one before."""
        if path is None or not self.written:
            return []
        number = await self.of(path)
        calls = []
        if number and number not in seen.categories:
            link = {"sku": sku, "position": 0, "category_id": str(number)}
            calls.append(partial(self._client.post, f"{PATH}/{number}/products", {"productLink": link}, Any))
        left = self._ids.get(self._names(before), 0) if before else 0
        if left and left != number and left in seen.categories:
            calls.append(partial(self._client.delete, f"{PATH}/{left}/products/{escape(sku)}", Any))
        return calls

    async def links(self, path: str | None) -> list[dict[str, Any]]:
        """The same for a product that is made with it, which stands nowhere yet."""
        number = await self.of(path) if path is not None and self.written else 0
        return [{"position": 0, "category_id": str(number)}] if number else []

    async def told(self, seen: Seen) -> str | None:
        """Every path that a product stands at, one a line, after an empty one: it may stand where the ERP knows nothing of."""
        if not self.written:
            return None
        if self._old(KEPT_S) or (seen.categories - set(self._paths) and self._old(ANEW_S)):
            await self._read()
        paths = (self._paths[number] for number in sorted(seen.categories) if number in self._paths)
        return "\n".join(("", *(self._separator.join(path) for path in paths)))

    def _names(self, path: str) -> tuple[str, ...]:
        names = tuple(part.strip() for part in path.split(self._separator) if part.strip())
        if len(names) > DEPTH_MAX:
            raise Rejected(
                f"category: {path[:80]!r} is a path of {len(names)} names; {DEPTH_MAX} can be written"
            )
        return names

    def _old(self, age_s: float) -> bool:
        return self._read_s is None or self._clock.monotonic() - self._read_s > age_s

    async def _read(self) -> None:
        began_s = self._clock.monotonic()
        tree = await self._client.get(PATH, (("rootCategoryId", str(self._root)),), Node)
        self._paths = dict(_walk(tree, ()))
        self._ids = {}
        for number, path in self._paths.items():
            self._ids.setdefault(path, number)  # of two of one name under one parent, the first
        self._read_s = began_s


def _walk(node: Node, path: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    for child in node.children_data:
        below = (*path, (child.name or "").strip())
        yield child.id, below
        if len(below) < DEPTH_MAX:
            yield from _walk(child, below)
