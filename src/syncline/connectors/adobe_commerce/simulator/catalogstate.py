"""What a shop holds besides its products: attributes with values to choose from, categories, shared catalogs."""

from __future__ import annotations

from dataclasses import dataclass, field

ROOT, DEFAULT = 1, 2  # the categories that every shop begins with
CUSTOM, PUBLIC = 0, 1  # shared catalogs


@dataclass(slots=True, eq=False)
class Select:
    """An attribute from whose values one is chosen: labels by number."""

    attribute_id: int
    code: str
    label: str
    options: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Category:
    """One category."""

    id: int
    parent_id: int
    name: str


@dataclass(slots=True, eq=False)
class SharedCatalog:
    """One catalog."""

    id: int
    name: str
    group: str  # the customer group that it owns
    type: int = CUSTOM
    description: str = ""
    store_id: int = 0
    tax_class_id: int = 3
    created_ms: int = 0
    categories: set[int] = field(default_factory=set)


def first_categories() -> dict[int, Category]:
    """The root, and the one below which a shop's own are."""
    return {ROOT: Category(ROOT, 0, "Root Catalog"), DEFAULT: Category(DEFAULT, ROOT, "Default Category")}


def first_catalogs() -> dict[int, SharedCatalog]:
    """The public one, of which there is exactly one: everybody's who is in no company of another."""
    return {1: SharedCatalog(1, "Default (General)", "General", PUBLIC)}
