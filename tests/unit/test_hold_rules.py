"""What a channel's rule leaves is what it may promise: its cap and share against its own holds, buffers against all."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.unit.checkout import World

from syncline.engine.holds import HoldRefused, Line
from syncline.inventory.rules import Fence, fixed, percent

TEN = 10


async def opened(rule=None, outlet_rule=None) -> World:
    world = World(rule=rule or {}, outlet_rule=outlet_rule)
    await world.figure("A", "1", TEN)
    return world


async def takes(world: World, channel: str, quantity: int, reference: str) -> bool:
    try:
        await world.holds.reserve(reference, channel, [Line("A", quantity)])
    except HoldRefused:
        return False
    return True


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        ({"cap": 4}, 4),
        ({"cap": 40}, 10),
        ({"share": Decimal("0.3")}, 3),
        ({"floor": 11}, 0),
        ({"floor": 10}, 10),
        ({"buffer": fixed(3)}, 7),
        ({"buffer": percent(25)}, 7),
        ({"buffer": fixed(3), "cap": 5}, 5),
        ({"unique": True}, 1),
    ],
)
async def test_no_more_can_be_held_than_the_rule_leaves(rule, left):
    world = await opened(rule, {"safety_stock": 0})
    assert await world.left() == left
    if left:
        assert await takes(world, "shop", left, "r1")
    assert not await takes(world, "shop", max(1, TEN - left + 1), "r2")
    assert await world.left("A", "outlet") == TEN - left
    await world.store.close()


async def test_a_cap_counts_the_channels_own_holds_only():
    world = await opened({"cap": 4}, {"safety_stock": 0})
    assert await takes(world, "outlet", 5, "o1")
    assert await world.left() == 4
    assert await takes(world, "shop", 3, "r1")
    assert await world.left() == 1
    assert await takes(world, "outlet", 1, "o2")
    assert await world.left() == 1
    assert await takes(world, "shop", 1, "r2")
    assert not await takes(world, "shop", 1, "r3")
    await world.holds.release("r2")
    assert await world.left("A", "outlet") == 1
    await world.store.close()


async def test_a_buffer_is_kept_whoever_holds_the_rest():
    world = await opened({"buffer": fixed(3)}, {"safety_stock": 0})
    assert await takes(world, "outlet", 5, "o1")
    assert await world.left() == 2
    assert not await takes(world, "shop", 3, "r1")
    assert await takes(world, "shop", 2, "r2")
    assert await world.left("A", "outlet") == 3  # the buffer is the shop's rule, not the outlet's
    assert await takes(world, "outlet", 3, "o2")
    assert await world.left() == 0
    await world.store.close()


async def test_what_is_fenced_off_for_another_channel_is_not_promised_here():
    world = await opened({}, {"fence": Fence(6, 0)})
    assert await world.left() == 4
    assert not await takes(world, "shop", 5, "r1")
    assert await takes(world, "shop", 4, "r2")
    assert await world.left("A", "outlet") == 6
    await world.store.close()


async def test_a_limit_follows_the_figure():
    world = await opened({"share": Decimal("0.5")}, {"safety_stock": 0})
    assert await world.left() == 5
    await world.figure("A", "1", 20)
    assert await world.left() == 10
    assert await takes(world, "shop", 8, "r1")
    await world.figure("A", "1", 4)
    assert await world.left() == 0
    await world.store.close()


async def test_a_changed_rule_makes_another_limit():
    world = await opened({"cap": 4}, {"safety_stock": 0})
    assert await takes(world, "shop", 4, "r1")
    again = World(world.store, rule={"cap": 6}, outlet_rule={"safety_stock": 0}, first=100)
    assert await again.left() == 6  # what was held before the change counts in the pool, not in the new cap
    await world.store.close()
