"""Business events: a catalogue, subscriptions to it, and what is posted when one happens.

Microsoft, "Business events on Business Central (preview)", contract sheet section 7, and the source of the app *External
Events*, whose names and payloads these are. Assumed: subscriptions can be listed; and, since nothing is said of it, a
post that fails is not sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec

from syncline.connectors.business_central.simulator.errors import ApiError, bad_request
from syncline.connectors.business_central.simulator.state import Company, Event
from syncline.model.errors import SynclineError
from syncline.ports import Request, Transport
from syncline.sdk.simulator import Faults

RUNTIME = "microsoft/runtime/v1.0"
APP = "77777777-2222-4333-8444-555555555555"
FIELDS = ("companyName", "companyId", "eventName", "appId", "notificationUrl", "clientState")
POST_S = 30.0
# What happens to a table, and the event that it is, with the id in its payload: a part of the catalogue.
CATALOGUE: Mapping[tuple[str, Event], tuple[str, str, str]] = {
    ("salesShipments", "created"): ("SalesShipmentPosted", "Sales shipment posted", "SalesShipmentId"),
    ("salesInvoices", "created"): ("SalesInvoicePosted", "Sales invoice posted ", "SalesInvoiceSystemId"),
}


@dataclass(frozen=True, slots=True)
class Subscribed:
    """One subscription, as it was asked for."""

    asked: Mapping[str, str]


class BusinessEvents:
    """Of one company."""

    def __init__(
        self,
        company: Company,
        company_id: Callable[[], str],
        rng: Random,
        transport: Callable[[], Transport | None],
        faults: Callable[[], Faults],
    ) -> None:
        self._company = company
        self._company_id = company_id
        self._rng = rng
        self._transport = transport
        self._faults = faults
        self._due: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self.subscribed: list[Subscribed] = []
        self.sent = 0
        self.lost = 0

    def definitions(self) -> list[dict[str, Any]]:
        """The catalogue."""
        return [
            {
                "category": "Accounts Receivable",
                "name": name,
                "displayName": shown,
                "description": "",
                "payload": f'[{{"Index":0,"Name":"{key}","Type":"Guid"}}]',
                "appId": APP,
                "appName": "Simulated",
                "appVersion": "1.0.0.0",
                "appPublisher": "Simulated",
            }
            for name, shown, key in CATALOGUE.values()
        ]

    def listed(self) -> list[Mapping[str, str]]:
        """The subscriptions."""
        return [one.asked for one in self.subscribed]

    def subscribe(self, body: Mapping[str, Any]) -> None:
        """Make one, without any handshake.

        Raises:
            ApiError: there is no such event or company.
        """
        asked = {name: str(body.get(name) or "") for name in FIELDS}
        if unknown := set(body) - set(FIELDS):
            raise bad_request(f"The property '{min(unknown)}' does not exist.")
        if asked["companyId"].lower() != self._company_id() or asked["companyName"] != self._company.name:
            raise ApiError(404, "Internal_CompanyNotFound", "The company does not exist.")
        if (asked["eventName"], asked["appId"]) not in {(name, APP) for name, _, _ in CATALOGUE.values()}:
            raise bad_request("The business event does not exist.")
        if not asked["notificationUrl"].startswith("https://"):
            raise bad_request("The notificationUrl must be an absolute address.")
        self.subscribed.append(Subscribed(asked))

    def tell(self, changes: Sequence[tuple[str, str, Event, int]]) -> None:
        """Post what a transaction amounts to, when it is over."""
        for table, row, event, at_ms in changes:
            named = CATALOGUE.get((table, event))
            for one in self.subscribed if named is not None else ():
                if named is None or one.asked["eventName"] != named[0]:
                    continue
                rate = self._faults().webhook_lose_rate
                if rate > 0 and self._rng.random() < rate:
                    self.lost += 1
                    self._faults().webhook_lost(named[0], ())
                    continue
                self._due.put_nowait(
                    (one.asked["notificationUrl"], self._body(one.asked, {named[2]: row}, at_ms))
                )

    def _body(self, asked: Mapping[str, str], payload: Mapping[str, str], at_ms: int) -> bytes:
        return msgspec.json.encode(
            {
                "initiatingUserAADObjectId": "00000000-0000-0000-0000-000000000001",
                "timestamp": self._company.iso(at_ms).removesuffix("Z") + "0000Z",
                "companyName": asked["companyName"],
                "companyId": asked["companyId"],
                "eventName": asked["eventName"],
                "payload": payload,
                "appId": asked["appId"],
                "clientState": asked["clientState"],
            }
        )

    async def run(self) -> None:
        """Post until cancelled."""
        while True:
            url, body = await self._due.get()
            transport = self._transport()
            status = 0
            if transport is not None:
                request = Request("POST", url, {"Content-Type": "application/json"}, body, POST_S)
                try:
                    status = (await transport.send(request)).status
                except (SynclineError, OSError):
                    status = 0
            self.sent += 200 <= status < 300
            self.lost += not 200 <= status < 300
