"""Products: as a system of record states them, and what a channel shows of them.

A product is sold as one or several variants, each with a SKU of its own. Texts are plain or HTML, as the source has them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from msgspec import Struct


class ProductStatus(StrEnum):
    """Whether a product is to be sold."""

    ACTIVE = "active"
    DRAFT = "draft"  # not yet
    ARCHIVED = "archived"  # not any more: it stays there, and nobody can buy it


class Variant(Struct, frozen=True):
    """One thing that can be bought: its SKU, and the value of each option of its product, in their order."""

    sku: str
    values: tuple[str, ...] = ()
    barcode: str = ""


class Wording(Struct, frozen=True, tag="wording"):
    """The texts of a product in one language, by field: ``title``, ``description``."""

    texts: dict[str, str]


class Product(Struct, frozen=True):
    """Everything that a source says of one product.

    ``key`` is how the source calls it: the SKU, or that of its parent where it has variants. ``options`` are the names of
    what its variants differ in. A text, list or mapping of ``None`` is not told by this source. ``images`` are addresses
    from which a channel can fetch them. ``assortments`` are the names under which the source groups what some customers see.
    """

    key: str
    title: str
    variants: tuple[Variant, ...]
    options: tuple[str, ...] = ()
    status: ProductStatus = ProductStatus.ACTIVE
    description: str | None = None
    category: str | None = None
    attributes: dict[str, str] | None = None
    images: tuple[str, ...] | None = None
    translations: dict[str, Wording] = {}
    assortments: tuple[str, ...] | None = None


class Goods(Struct, frozen=True, tag="goods"):
    """What a channel shows of a product, but for translations and for whom. ``None`` is left as it is there.

    Of what was read at a channel, ``None`` was not read. ``category`` may be several, one a line. ``attributes`` may be called by
    the channel's names (``plain_name`` tells which are the same); those that are not among them were not read, unless
    ``ELSE_NONE`` is. ``images`` are marks (``image_mark``) of addresses.
    """

    variants: tuple[Variant, ...]
    options: tuple[str, ...]
    status: ProductStatus | None = None
    title: str | None = None
    description: str | None = None
    category: str | None = None
    attributes: dict[str, str] | None = None
    images: tuple[str, ...] | None = None


class Listing(Struct, frozen=True, tag="listing"):
    """Whether a product stands in one of the channel's assortments."""

    shown: bool


Shelf = Goods | Wording | Listing

FIELDS = (
    "title",
    "description",
    "category",
    "attributes",
    "images",
    "status",
)  # that a channel may leave to the source


@dataclass(frozen=True, slots=True)
class ProductRules:
    """The catalog of one route.

    ``fields`` are those that the source owns; the others stay as the channel has them. ``locales`` maps the source's
    languages to the channel's. ``assortments`` maps the channel's own ids to the source's names that they show; a name of
    ``EVERYTHING`` stands for all products. ``creates``: a product that the channel does not have is made there.
    """

    fields: frozenset[str] = frozenset(FIELDS)
    locales: Mapping[str, str] = field(default_factory=dict)
    assortments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    creates: bool = True

    def shown_in(self, assortment: str, product: Product) -> bool:
        """Whether a product belongs to one of the channel's assortments."""
        named = self.assortments.get(assortment, ())
        return EVERYTHING in named or any(name in named for name in product.assortments or ())


EVERYTHING = "*"
ELSE_NONE = "*"  # among the attributes that were read: the product has no others
_NAME_MAX = 60  # of attributes, as the channel that takes the shortest has them
_OTHER = re.compile(r"[^a-z0-9]+")


def plain_name(name: str) -> str:
    """What stays of an attribute's name at every channel: letters and digits."""
    return _OTHER.sub("_", name.lower()[:_NAME_MAX]).strip("_")


def image_mark(address: str) -> str:
    """By what an image is known again at a channel that has a copy of it: 16 digits of its address's SHA-256."""
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def fetchable(address: str) -> bool:
    """Whether a channel could fetch an image from an address: it is a web address, and a safe one."""
    try:
        parts = urlsplit(address)
    except ValueError:  # such as a bracket that does not close
        return False
    return parts.scheme == "https" and bool(parts.hostname)


NO_PRODUCTS = ProductRules()
