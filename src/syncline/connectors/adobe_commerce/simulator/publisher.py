"""A module of the shop's own that publishes saved orders on its RabbitMQ exchange.

Contract sections 4 and 9: the exchange is ``magento``, of the kind topic; bodies are JSON; what is told of orders needs a
publisher of the shop's own. Assumed: its body is the order as the REST API has it, and every message has an id.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from syncline.sdk.simulator import Faults

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Publisher:
    """Publishes at once. It waits for no confirmation, so what it publishes may be lost, and it may publish twice."""

    def __init__(
        self,
        publish: Callable[[str, bytes, str], None],
        topic: str,
        rng: Random,
        faults: Callable[[], Faults],
    ) -> None:
        self._publish = publish
        self._topic = topic
        self._rng = rng
        self._faults = faults
        self.published = 0
        self.lost = 0

    def saved(self, order: dict[str, Any]) -> None:
        """Tell of an order."""
        faults = self._faults()
        if faults.webhook_lose_rate > 0 and self._rng.random() < faults.webhook_lose_rate:
            self.lost += 1
            faults.webhook_lost(self._topic, ())
            return
        copies = self._rng.randint(1, faults.webhook_copies_max) if faults.webhook_copies_max > 1 else 1
        for _ in range(copies):
            self.published += 1
            number = hmac.digest(b"message", str(self.published).encode(), "md5").hex()
            self._publish(self._topic, _encode(order), number)
