"""Opens one configured company, and checks that it is set up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from syncline.connectors.business_central.auth import expiries_of
from syncline.connectors.business_central.census import BusinessCentralCensus
from syncline.connectors.business_central.client import Client, Missing, quoted
from syncline.connectors.business_central.manifest import (
    CAPABILITIES,
    EXTENSION,
    SECRET_BYTES_MIN,
    WINDOW_S,
    BusinessCentralSettings,
)
from syncline.connectors.business_central.notifications import Subscriptions
from syncline.connectors.business_central.orders import Orders
from syncline.connectors.business_central.owed import OwedLevels
from syncline.connectors.business_central.places import Places
from syncline.connectors.business_central.reads import Reads
from syncline.connectors.business_central.rereads import Rereader
from syncline.connectors.business_central.sink import BusinessCentralSink
from syncline.connectors.business_central.source import BusinessCentralSource
from syncline.connectors.business_central.texts import pages_of
from syncline.model.errors import SynclineError
from syncline.ports import Opening, System
from syncline.sdk.governor import RatedSlots

Finding = tuple[str, bool, str]
CLOCK_SKEW_MS_MAX = 60_000
COMPANIES_SHOWN = 10


def open_system(opening: Opening) -> System:
    """Make a System of a configured company; no call is made.

    Raises:
        Misconfigured: names the field and the mend.
    """
    settings: BusinessCentralSettings = opening.settings
    settings.validate()
    governor = RatedSlots(
        opening.clock,
        slots=settings.slots,
        calls=settings.calls_per_5_minutes,
        window_s=WINDOW_S,
    )
    client = Client(settings, opening.clock, opening.rng, opening.transport, governor)
    places = Places(client)
    owed = OwedLevels(opening.clock)
    reads = Reads(opening.name, settings, opening.clock, client, places, owed)
    orders = Orders(settings, client, places)
    census = BusinessCentralCensus(opening.name, settings, opening.clock, client, reads, orders)
    subscriptions = Subscriptions(settings, opening.clock, client)
    return System(
        opening.name,
        "business_central",
        CAPABILITIES,
        BusinessCentralSource(opening.name, settings, reads),
        BusinessCentralSink(settings, client, places, owed, census),
        governor,
        prepare=subscriptions.prepare if settings.webhook_secrets else None,
        check=Check(settings, client, reads, opening.clock.now_ms).run,
        census=census,
        order_book=census,
        rereads=Rereader(opening.name, settings, opening.clock, client, orders).rereads(),
        expiries=lambda: expiries_of(settings),
    )


class Check:
    """What an installer wants to know: what works, and how to mend what does not. One fault is told once."""

    def __init__(
        self,
        settings: BusinessCentralSettings,
        client: Client,
        reads: Reads,
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._client = client
        self._reads = reads
        self._now_ms = now_ms

    async def run(self) -> list[Finding]:
        """All findings, in order; after a refused token nothing else is tried."""
        signed_in = await self._try("token", self._client.sign_in)
        if not signed_in[1]:
            return [signed_in, self._secrets()]
        within = {
            "locations readable": self._locations,
            "extension": self._extension,
            "stock levels readable": self._levels,
            "currency": self._currency,
            "web customer": self._web_customer,
            "payment journal": self._journal,
            "accounts": self._accounts,
        }
        if pages_of(self._settings):
            within["texts of items readable"] = self._texts
        what, ok, mend = await self._try("company", self._company)
        if not ok:  # every other question would be answered by the same fault
            mend += f" Until then these cannot be checked: {', '.join(within)}."
            return [signed_in, (what, ok, mend), self._secrets()]
        return [
            signed_in,
            (what, ok, mend),
            *[await self._try(name, test) for name, test in within.items()],
            self._secrets(),
        ]

    @staticmethod
    async def _try(what: str, test: Callable[[], Awaitable[str | None]]) -> Finding:
        try:
            mend = await test()
        except SynclineError as error:
            return what, False, str(error)
        return what, not mend, mend or ""

    async def _company(self) -> str:
        try:
            await self._client.company()
        except Missing as error:
            try:
                there = await self._client.companies()
            except SynclineError:  # as without the environment: then the answer to the first question says so
                there = []
            named = ", ".join(f"{row.get('name')} ({row.get('id')})" for row in there[:COMPANIES_SHOWN])
            known = f" There are {named}." if named else ""
            return f"{error} Correct business_central.company_id, or environment.{known}"
        return ""

    async def _currency(self) -> str:
        """Amounts without a currency code are in the company's own, of which only this page tells."""
        declared = self._settings.currency
        rows = await self._client.rows("companyInformation", {"select": "currencyCode", "top": "1"})
        own = str(rows[0].get("currencyCode") or "") if rows else ""
        if not declared or not own or declared == own:
            return ""
        return f"The company's own is {own}, and business_central.currency says {declared}: correct it."

    async def _locations(self) -> str:
        if await self._client.rows("locations", {"select": "id", "top": "1"}):
            return ""
        return "No location is there: create one, and read the permission sets of the application."

    async def _extension(self) -> str:
        mark = await self._reads.mark()
        skew_s = abs(mark.clock_ms - self._now_ms()) // 1000
        if skew_s * 1000 > CLOCK_SKEW_MS_MAX:
            return f"Business Central's clock and this machine's are {skew_s} s apart: set this machine's by NTP."
        return ""

    async def _levels(self) -> str:
        try:
            found = await self._client.rows("stockLevels", {"select": "id", "top": "1"}, api=EXTENSION)
        except Missing as error:
            return f"Install our extension, and give the application its permission set. ({error})"
        return (
            ""
            if found
            else "No stock level is there: run the extension's set-up once, or put stock into the company."
        )

    async def _texts(self) -> str:
        for page in pages_of(self._settings):
            try:
                await self._client.rows(page, {"select": "id", "top": "1"}, api=EXTENSION)
            except Missing as error:
                return f"Install version 1.1 of our extension, or switch off what needs it. ({error})"
        return ""

    async def _web_customer(self) -> str:
        number = self._settings.web_customer.upper()
        if not number:
            return "Not set: orders that name no customer would be parked. Set business_central.web_customer."
        if await self._client.rows("customers", {"filter": f"number eq {quoted(number)}", "select": "id"}):
            return ""
        return f"There is no customer {number}: create it, or correct business_central.web_customer."

    async def _journal(self) -> str:
        code = self._settings.payment_journal.upper()
        if not code:
            return "Not set: payments would be parked. Set business_central.payment_journal."
        options = {"filter": f"code eq {quoted(code)}", "select": "id"}
        if await self._client.rows("customerPaymentJournals", options):
            return ""
        return f"There is no customer payment journal {code}: correct business_central.payment_journal."

    async def _accounts(self) -> str:
        settings = self._settings
        for name in ("shipping_account", "tax_account", "charge_account"):
            number = getattr(settings, name).upper()
            if not number:
                if name == "shipping_account":
                    return "Not set: orders with shipping would be parked. Set business_central.shipping_account."
                continue
            options = {"filter": f"number eq {quoted(number)}", "select": "id"}
            if not await self._client.rows("accounts", options):
                return f"There is no G/L account {number}: correct business_central.{name}."
        return ""

    def _secrets(self) -> Finding:
        if self._settings.webhook_secrets:
            return "webhook secret", True, ""
        mend = (
            f"Set business_central.webhook_secrets to at least {SECRET_BYTES_MIN} random bytes; without it changes are "
            "found by polling only."
        )
        return "webhook secret", False, mend
