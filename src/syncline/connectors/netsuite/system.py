"""Opens one configured account, and checks that it is set up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from syncline.connectors.netsuite import queries, zones
from syncline.connectors.netsuite.auth import expiries_of
from syncline.connectors.netsuite.census import NetSuiteCensus
from syncline.connectors.netsuite.client import Client
from syncline.connectors.netsuite.delta import Delta
from syncline.connectors.netsuite.erpclock import ErpClock
from syncline.connectors.netsuite.manifest import CAPABILITIES, PUSH_SECRET_BYTES_MIN, NetSuiteSettings
from syncline.connectors.netsuite.rereads import Rereader
from syncline.connectors.netsuite.sink import NetSuiteSink
from syncline.connectors.netsuite.source import NetSuiteSource
from syncline.connectors.netsuite.units import MEND
from syncline.model.errors import SynclineError
from syncline.ports import Opening, System
from syncline.sdk.governor import ConcurrencySlots

Finding = tuple[str, bool, str]
CLOCK_SKEW_MS_MAX = 60_000


def open_system(opening: Opening) -> System:
    """Make a System of a configured account; no call is made.

    Raises:
        Misconfigured: names the field and the mend.
    """
    settings: NetSuiteSettings = opening.settings
    settings.validate()
    governor = ConcurrencySlots(opening.clock, settings.slots)
    client = Client(settings, opening.clock, opening.rng, opening.transport, governor)
    erp_clock = ErpClock(settings, opening.clock, client)
    check = Check(settings, client, erp_clock, opening.clock.now_ms)
    delta = Delta(opening.name, settings, opening.clock, client, erp_clock)
    census = NetSuiteCensus(opening.name, settings, opening.clock, client, erp_clock, delta)
    source = NetSuiteSource(opening.name, settings, opening.clock, client)
    expiries = expiries_of(settings)
    return System(
        opening.name,
        "netsuite",
        CAPABILITIES,
        source,
        NetSuiteSink(settings, client, census, opening.clock),
        governor,
        check=check.run,
        census=census,
        order_book=census,
        rereads=Rereader(opening.name, settings, opening.clock, client).rereads(),
        live_prices=source.prices.ask,
        expiries=lambda: expiries,
    )


class Check:
    """What an installer wants to know: what works, and how to mend what does not."""

    def __init__(
        self,
        settings: NetSuiteSettings,
        client: Client,
        erp_clock: ErpClock,
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._client = client
        self._erp = erp_clock
        self._now_ms = now_ms

    async def run(self) -> list[Finding]:
        """All findings, in order; after a refused token nothing else is tried."""
        signed_in = await self._try("token", self._client.sign_in)
        if not signed_in[1]:
            return [signed_in, self._secrets()]
        return [
            signed_in,
            await self._try("SuiteQL", self._suiteql),
            await self._try("locations readable", self._locations),
            await self._try("stock levels readable", self._levels),
            self._secrets(),
            self._tax(),
            await self._units(),
            await self._try("concurrency allowance", self._governance),
            await self._try("time zone", self._zone),
        ]

    @staticmethod
    async def _try(what: str, test: Callable[[], Awaitable[str | None]]) -> Finding:
        try:
            mend = await test()
        except SynclineError as error:
            return what, False, str(error)
        return what, not mend, mend or ""

    async def _suiteql(self) -> str:
        reading = await self._erp.read()
        skew_s = abs(reading.utc_ms - self._now_ms()) // 1000
        if skew_s * 1000 > CLOCK_SKEW_MS_MAX:
            return f"NetSuite's clock and this machine's are {skew_s} s apart: set this machine's by NTP."
        return ""

    async def _locations(self) -> str:
        if await self._client.query(queries.LOCATIONS):
            return ""
        # Role permissions filter rows in silence (contract sheet section 4).
        return (
            "No location is visible: give the role Lists > Locations (view) and access to the subsidiaries."
        )

    async def _levels(self) -> str:
        rows = await self._client.query(queries.LEVELS_COUNT)
        if rows and str(rows[0].get("n", "0")) != "0":
            return ""
        return "No stock level is visible: give the role Lists > Items (view), or put stock into the account."

    def _secrets(self) -> Finding:
        if self._settings.push_keys:
            return "push secret", True, ""
        mend = (
            f"Set netsuite.push_secrets to at least {PUSH_SECRET_BYTES_MIN} random bytes, the same as in the "
            "script; without it changes are found by polling only."
        )
        return "push secret", False, mend

    def _tax(self) -> Finding:
        if self._settings.tax == "erp" or self._settings.tax_item:
            return "tax", True, ""
        return (
            "tax",
            False,
            'Set netsuite.tax_item, or netsuite.tax to "erp": orders with tax would be parked.',
        )

    async def _units(self) -> Finding:
        """Whether items are sold in another unit than the one in which they are counted, and which."""
        what = "units of measure"
        try:
            some = await self._client.query(queries.WITH_UNITS)
        except SynclineError:  # without the feature there is no such column
            return what, True, ""
        if str(some[0].get("n", "0") if some else "0") == "0":
            return what, True, ""
        try:
            found = await self._client.query(queries.SOLD_OTHERWISE)
        except SynclineError as error:
            return (
                what,
                False,
                f"Items have them and they cannot be read, so orders are parked: {MEND} ({error})",
            )
        if not found:
            return what, True, ""
        if smaller := [x for x in found if _number(x.get("rate")) < 1]:
            names = ", ".join(f"{x.get('sku')} ({x.get('unit')})" for x in smaller[:3])
            return (
                what,
                False,
                (
                    f"{names} are sold by a smaller unit than the one in which stock is counted, so orders of them are parked: make the "
                    "base unit the sale unit of such items if that is what the shop sells."
                ),
            )
        named = ", ".join(f"{x.get('sku')} ({x.get('unit')} of {x.get('rate')})" for x in found[:3])
        note = (
            f"{what}: {named}{' and others' if len(found) > 3 else ''} are sold by a larger unit, and counted and ordered by "
            "the base unit here; a shop that sells the larger one needs a SKU for it, with [units.SKU] of and count"
        )
        return note, True, ""

    async def _governance(self) -> str:
        slots = self._settings.slots
        try:
            limits = await self._client.governance()
        except SynclineError as error:
            # The page is for administrators; an integration's role normally may not see it.
            return (
                f"Could not be read, so check Setup > Integration > Integration Governance yourself: at least {slots} "
                f"for this integration. ({error})"
            )
        names = (
            "integrationConcurrencyLimit",
            "accountUnallocatedConcurrencyLimit",
            "accountConcurrencyLimit",
        )
        allowed = next((int(limits[n]) for n in names if limits.get(n) is not None), 0)
        if allowed < slots:
            return f"The account allows {allowed} calls at once: set netsuite.slots to {max(1, allowed)} or less."
        return ""

    async def _zone(self) -> str:
        reading = await self._erp.read()
        if self._erp.zone is None:
            return f"Not set: polls overlap by a day. NetSuite's clock shows {reading.local}; set netsuite.timezone."
        if not reading.proven:
            return (
                f"netsuite.timezone says {zones.local_text(reading.utc_ms, self._erp.zone)}, NetSuite's clock "
                f"{reading.local}: polls overlap by a day until they agree."
            )
        newest = await self._client.query(queries.NEWEST)
        stamp = str(newest[0].get("lm", "")) if newest else ""
        if stamp > zones.local_text(reading.utc_ms + CLOCK_SKEW_MS_MAX, self._erp.zone):
            return f"The newest transaction is stamped {stamp}, in the future of netsuite.timezone: it is another zone."
        return await self._stamps(self._erp.zone)

    async def _stamps(self, zone: ZoneInfo) -> str:
        """Whether stamps are in the zone as well: NetSuite's clock may show that of its data centre."""
        newest = await self._client.query(queries.NEWEST_ORDER)
        if not newest:
            return ""
        number, stamp = str(newest[0]["id"]), str(newest[0].get("lm", ""))
        record = await self._client.get("salesOrder", number, fields="id,lastModifiedDate")
        try:
            saved = datetime.fromisoformat(str(record.get("lastModifiedDate")))
        except ValueError:
            return ""
        if saved.tzinfo is None:  # then it tells no instant
            return ""
        saved_ms = round(saved.timestamp() * 1000)
        if zones.agrees(stamp, saved_ms, zone):
            return ""
        return (
            f"Sales order {number} was saved at {zones.local_text(saved_ms, zone)} of netsuite.timezone and is stamped {stamp}: "
            "stamps are in another zone, and polls would miss what changes. Set netsuite.timezone to the zone in which "
            "the integration's user sees dates, or leave it empty."
        )


def _number(text: object) -> Decimal:
    try:
        return Decimal(str(text))
    except InvalidOperation:
        return Decimal(1)
