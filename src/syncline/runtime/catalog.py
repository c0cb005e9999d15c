"""The part of a route that says which fields of products it carries, in which languages, and to whom: ``[routes.catalog]``."""

from __future__ import annotations

from typing import Literal

import msgspec

from syncline.model.errors import Misconfigured
from syncline.model.products import ProductRules

Field = Literal["title", "description", "category", "attributes", "images", "status"]


class CatalogConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[routes.catalog]``: what of each product the source owns; the rest stays as the channel has it."""

    fields: tuple[Field, ...] = ("title", "description", "category", "attributes", "images", "status")
    create: bool = True
    languages: dict[str, str] = {}
    assortments: dict[str, list[str]] = {}

    def rules(self, field: str) -> ProductRules:
        """The same for the engine.

        Raises:
            Misconfigured: a value makes no sense.
        """
        if len(set(self.fields)) != len(self.fields):
            raise Misconfigured(f"{field}.fields: a field is named twice")
        for name, sources in self.assortments.items():
            if not name or not sources or not all(sources):
                raise Misconfigured(
                    f'{field}.assortments.{name}: name the assortments of the source that it shows, or ["*"] for every product'
                )
        languages = list(self.languages.values())
        if not all(self.languages) or not all(languages):
            raise Misconfigured(
                f'{field}.languages: map languages of the source to those of the channel, as {{ de = "de" }}'
            )
        if len(set(languages)) != len(languages):
            raise Misconfigured(f"{field}.languages: two languages of the source are one of the channel")
        return ProductRules(
            frozenset(self.fields),
            {channel: source for source, channel in self.languages.items()},
            {name: tuple(sources) for name, sources in self.assortments.items()},
            self.create,
        )
