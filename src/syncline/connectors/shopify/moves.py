"""Having Shopify expect an order's goods from where they are sent: its fulfilment orders are moved.

``fulfillmentOrderMove`` (https://shopify.dev/docs/api/admin-graphql/2026-07/mutations/fulfillmentOrderMove) has no key, and
moving a part twice moves twice as much. So what is there is read before, only what differs is moved, and it counts as done
once a reading shows it: a lost answer is found out by the next reading.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from syncline.connectors.shopify import documents, wire
from syncline.connectors.shopify.client import Client, UserError
from syncline.connectors.shopify.documents import Document
from syncline.connectors.shopify.orders import OrderReader
from syncline.connectors.shopify.wire import number
from syncline.model.delivery import Outcome, Result
from syncline.model.errors import OutcomeUnknown, Rejected
from syncline.model.payloads import MoveOrder

LINES_MAX = 250  # of any input array: https://shopify.dev/docs/api/usage/limits
HELD_S = 3600.0  # until a fulfilment order that is on hold is looked at again
# Of these nothing is left to be moved.
_ENDED = frozenset({"CLOSED", "CANCELLED"})


class _Places(Struct, frozen=True, rename="camel"):
    fulfillment_orders: wire.Connection[wire.FulfillmentOrder]


class _Order(Struct, frozen=True):
    order: _Places | None = None


class _Moved(Struct, frozen=True, rename="camel"):
    user_errors: tuple[UserError, ...]
    moved_fulfillment_order: wire.Ref | None = None


class _Answer(Struct, frozen=True, rename="camel"):
    fulfillment_order_move: _Moved | None = None


@dataclass(slots=True)
class Move:
    """Units that are to leave one fulfilment order for a location, by its lines. ``whole``: all that it has."""

    fulfillment_order: str
    location: str
    held: bool
    lines: dict[str, int] = field(default_factory=dict)
    whole: bool = False


class Mover:
    """Moves fulfilment orders of one shop."""

    def __init__(self, client: Client, orders: OrderReader) -> None:
        self._client = client
        self._orders = orders

    async def move(self, payload: MoveOrder) -> Outcome:
        """Move what is expected from elsewhere. Repeating it changes nothing.

        What somebody has put on hold is left alone until it is released.

        Raises:
            SynclineError: of the client; or Rejected, in Shopify's words, which leaves what was moved before.
        """
        moves = plan(payload, await self._places(payload))
        if not moves:
            return Outcome(Result.DONE)
        for one in moves:
            if not one.held:
                await self._make(one)
        left = plan(payload, await self._places(payload)) if not all(one.held for one in moves) else moves
        if not left:
            return Outcome(Result.DONE)
        if all(one.held for one in left):
            return Outcome(Result.WAIT, "its fulfilment order is on hold in Shopify", retry_after_s=HELD_S)
        return Outcome(Result.RETRY, "Shopify does not show yet what was moved, or it changed meanwhile")

    async def _places(self, payload: MoveOrder) -> list[wire.FulfillmentOrder]:
        document: Document = documents.ORDER_PLACES
        answer = await self._client.call(document, {"id": f"gid://shopify/Order/{payload.order_key}"}, _Order)
        if answer.order is None:
            raise Rejected(f"Shopify knows no order {payload.order_key}")
        return await self._orders.fulfillment_orders(
            payload.order_key, answer.order.fulfillment_orders, urgent=False
        )

    async def _make(self, move: Move) -> None:
        lines: list[dict[str, Any]] | None = [
            {"id": line, "quantity": units} for line, units in move.lines.items()
        ]
        if move.whole:
            lines = None  # then it keeps its id where that can be
        variables = {
            "id": move.fulfillment_order,
            "at": f"gid://shopify/Location/{move.location}",
            "lines": lines,
        }
        answer = (await self._client.call(documents.MOVE, variables, _Answer)).fulfillment_order_move
        if answer is not None and answer.user_errors:
            said = "; ".join(error.message for error in answer.user_errors)
            raise Rejected(f"Shopify: {said} ({number(move.fulfillment_order)} to location {move.location})")
        if answer is None or answer.moved_fulfillment_order is None:
            raise OutcomeUnknown("Shopify did not say what it moved")


def plan(payload: MoveOrder, found: Sequence[wire.FulfillmentOrder]) -> list[Move]:
    """What has to be moved so that each line is sent from where ``payload`` says; as little as can be."""
    sent: defaultdict[tuple[str, str], int] = defaultdict(int)  # units by line and location
    left: defaultdict[tuple[str, str], int] = defaultdict(int)
    for entry in found:
        if entry.status == "CANCELLED":
            continue
        for line in entry.line_items.nodes:
            place = number(line.line_item.id), _place(entry)
            sent[place] += line.total_quantity - line.remaining_quantity
            left[place] += line.remaining_quantity
    wanted: dict[tuple[str, str], int] = {}
    for line_id, location, units in payload.lines:
        wanted[line_id, location] = wanted.get((line_id, location), 0) + units
    lacking = {
        place: lacks for place, units in wanted.items() if (lacks := units - sent[place] - left[place]) > 0
    }
    spare = {
        place: max(0, units - max(0, wanted.get(place, 0) - sent[place]))
        for place, units in left.items()
        if any(place[0] == line_id for line_id, _ in wanted)
    }
    moves: dict[tuple[str, str], Move] = {}
    for entry in found:
        if entry.status in _ENDED:
            continue
        for line in entry.line_items.nodes:
            place = line_id, _ = number(line.line_item.id), _place(entry)
            room = min(line.remaining_quantity, spare.get(place, 0))
            for target in [at for at in lacking if at[0] == line_id]:
                units = min(room, lacking[target])
                if units <= 0:
                    continue
                room -= units
                spare[place] -= units
                lacking[target] -= units
                key = entry.id, target[1]
                move = moves.setdefault(key, Move(entry.id, target[1], entry.status == "ON_HOLD"))
                move.lines[line.id] = move.lines.get(line.id, 0) + units
    for entry in found:
        whole = {line.id: line.total_quantity for line in entry.line_items.nodes}
        for move in moves.values():
            move.whole = move.whole or (move.fulfillment_order == entry.id and move.lines == whole)
    return [part for move in moves.values() for part in _parts(move)]


def _place(entry: wire.FulfillmentOrder) -> str:
    location = entry.assigned_location.location
    return number(location.id) if location is not None else ""


def _parts(move: Move) -> list[Move]:
    """A move in pieces that one call may carry."""
    if move.whole:
        return [move]
    lines = list(move.lines.items())
    return [
        Move(move.fulfillment_order, move.location, move.held, dict(lines[start : start + LINES_MAX]))
        for start in range(0, len(lines), LINES_MAX)
    ]
