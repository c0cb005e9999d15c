"""What goes wrong for a while between a simulated shop, a simulated ERP and Syncline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

from syncline.simulate.network import NetworkFaults
from syncline.simulate.world import World


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that goes wrong for a while."""

    name: str
    begin: Callable[[], object]
    end: Callable[[], Awaitable[object] | None]


def troubles_of(
    world: World, out: NetworkFaults, into: NetworkFaults, only: Collection[str] = ()
) -> list[Trouble]:
    """All that these vendors can have, or those of them that are named.

    Args:
        world: whose simulators they befall.
        out: what befalls our calls.
        into: what befalls the vendors' events.
        only: names; empty for all.
    """
    shop, erp = (side.simulator for side in world.sides())
    settings: list[tuple[str, Any, str, Any]] = [
        ("webhooks lost", shop.faults, "webhook_lose_rate", 0.5),
        ("webhooks doubled", shop.faults, "webhook_copies_max", 5),
        ("webhooks overtake", shop.faults, "webhook_delay_ms_max", 60_000),
        ("pushes lost", erp.faults, "webhook_lose_rate", 0.5),
        ("pushes doubled", erp.faults, "webhook_copies_max", 4),
        ("pushes overtake", erp.faults, "webhook_delay_ms_max", 30_000),
        ("shop down", shop.faults, "down", True),
        ("erp down", erp.faults, "down", True),
        ("shop throttles", shop.faults, "throttle_rate", 0.4),
        ("shop fails before", shop.faults, "error_before_rate", 0.3),
        ("shop fails after", shop.faults, "error_after_rate", 0.3),
        ("erp fails before", erp.faults, "error_before_rate", 0.3),
        ("erp fails after", erp.faults, "error_after_rate", 0.3),
        ("erp throttles", erp.faults, "throttle_rate", 0.4),
        ("shop refuses the token", shop.faults, "reject_auth", True),
        ("erp refuses the token", erp.faults, "reject_auth", True),
        ("search lags", shop.faults, "read_lag_ms", 40_000),
        ("requests refused", out, "refuse_rate", 0.3),
        ("requests slow", out, "delay_ms_max", 15_000),
        ("answers lost", out, "lose_answer_rate", 0.3),
        ("answers cut", out, "cut_answer_rate", 0.2),
        ("login pages", out, "login_page_rate", 0.2),
        ("acknowledgements lost", into, "lose_answer_rate", 0.4),
    ]
    found = [_setting(*setting) for setting in settings]
    found.append(Trouble("tokens revoked", world.erp_side.revoke, lambda: None))
    # Shopify removes subscriptions after failures; until the watch looks, only reads find anything.
    found.append(Trouble("subscriptions removed", world.shop_side.forget_subscriptions, lambda: None))
    spared = world.shop_side.spared | world.erp_side.spared
    return [x for x in found if x.name not in spared and (not only or x.name in only)]


def _setting(name: str, target: Any, attribute: str, value: Any) -> Trouble:
    calm = getattr(target, attribute)
    return Trouble(name, lambda: setattr(target, attribute, value), lambda: setattr(target, attribute, calm))


__all__ = ["Trouble", "troubles_of"]
