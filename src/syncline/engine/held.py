"""What checkouts hold at this moment, for whoever looks: each open hold, and sums by channel."""

from __future__ import annotations

from dataclasses import dataclass

from syncline.engine.engine import Engine

LIST_MAX = 200


@dataclass(frozen=True, slots=True)
class OpenHold:
    """A line of a hold that has not ended. ``location`` is the channel's; "" for anywhere.

    ``confirmed`` says that the buyer has paid and its order is waited for. ``made_by`` is the account that
    asked for it.
    """

    reference: str
    line: int
    channel: str
    sku: str
    location: str
    asked: int
    units: int
    confirmed: bool
    order: str
    made_by: str
    created_at_ms: int
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class HeldAt:
    """What is held at one channel, and how many requests for a hold were refused since the start, by reason."""

    channel: str
    open: int
    confirmed: int
    units: int
    oldest_ms: int | None
    refused: dict[str, int]


async def open_holds(engine: Engine, *, channel: str = "", sku: str = "") -> list[OpenHold]:
    """The holds that end first, of one channel or SKU or of all; at most ``LIST_MAX`` lines."""
    rows = await engine.store.read("holds_open", channel=channel, sku=sku, limit=LIST_MAX)
    return [
        OpenHold(
            reference=reference,
            line=line,
            channel=at,
            sku=of,
            location=engine.routes.channel_location(at, location),
            asked=asked,
            units=units,
            confirmed=state == "confirmed",
            order=order,
            made_by=made_by,
            created_at_ms=created_at_ms,
            expires_at_ms=expires_at_ms,
        )
        for reference, line, at, of, location, asked, units, state, order, made_by, created_at_ms, expires_at_ms in rows
    ]


async def held_by_channel(engine: Engine) -> tuple[HeldAt, ...]:
    """Sums of every channel at which something is held, or was refused."""
    rows = {(row[0], row[1]): row[2:] for row in await engine.store.read("holds_summary")}
    refused = engine.holds.refused
    found = []
    for channel in sorted({at for at, _ in rows} | {at for at, _ in refused}):
        mine = [rows[channel, state] for state in ("open", "confirmed") if (channel, state) in rows]
        found.append(
            HeldAt(
                channel=channel,
                open=rows.get((channel, "open"), (0,))[0],
                confirmed=rows.get((channel, "confirmed"), (0,))[0],
                units=sum(units for _, units, _ in mine),
                oldest_ms=min((created_at_ms for _, _, created_at_ms in mine), default=None),
                refused={code: n for (at, code), n in sorted(refused.items()) if at == channel},
            )
        )
    return tuple(found)
