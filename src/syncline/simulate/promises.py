"""What the engine promises of each SKU while it plays, so that a lag is held to the bound of its own segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncline.engine.derive.stock import Tolerances
from syncline.engine.routes import Route


class Promises:
    """Listens to which tolerance the engine derives each number by, where classes of velocity have their own.

    A number may have been derived just before its SKU changed its class, so of the last two different tolerances the
    longer one counts.
    """

    def __init__(self, channels: Sequence[str]) -> None:
        self._index = {name: index for index, name in enumerate(channels)}
        self._latest: list[dict[str, int]] = [{} for _ in channels]
        self._before: list[dict[str, int]] = [{} for _ in channels]

    def of(self, channel: int, sku: str) -> int:
        """The tolerance that a change of a number is held to, in milliseconds; 0 where none was asked for yet."""
        return max(self._latest[channel].get(sku, 0), self._before[channel].get(sku, 0))

    def heard(self, tolerances: Tolerances) -> Tolerances:
        """The same tolerances, listened to."""

        async def asked(route: Route, skus: Sequence[str]) -> Mapping[str, int]:
            found = await tolerances(route, skus)
            channel = self._index[route.sink]
            latest, before = self._latest[channel], self._before[channel]
            for sku, tolerance_ms in found.items():
                if sku in latest and latest[sku] != tolerance_ms:
                    before[sku] = latest[sku]
                latest[sku] = tolerance_ms
            return found

        return asked
