"""What a shop holds besides its products: attributes with values to choose from, and categories."""

from __future__ import annotations

from dataclasses import dataclass, field

ROOT, DEFAULT = 1, 2  # the categories that every shop begins with


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


def first_categories() -> dict[int, Category]:
    """The root, and the one below which a shop's own are."""
    return {ROOT: Category(ROOT, 0, "Root Catalog"), DEFAULT: Category(DEFAULT, ROOT, "Default Category")}
