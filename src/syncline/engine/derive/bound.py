"""What contents have in common that a channel binds to a customer: one for each, known by the source's key of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from syncline.engine.routes import Route
from syncline.model.change import Kind


class OfCustomers:
    """The part of a ``StateFlow`` that says on what such contents hang."""

    bound = Kind.CUSTOMER

    def of_sku(self, route: Route, sku: str) -> Iterable[str]:
        """Nothing hangs on what is sold."""
        del route, sku
        return ()

    def needs(self, route: Route, key: str) -> Sequence[str]:
        """The record of that key itself."""
        del route
        return (key,)

    def sku_of(self, key: str) -> str:
        """The key, for which a binding stands."""
        return key

    def group_of(self, key: str) -> str:
        """They stand together anyhow."""
        del key
        return ""
