"""The account's own clock, and how far its time zone can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

from syncline.connectors.netsuite import queries, zones
from syncline.connectors.netsuite.client import Client, Row
from syncline.connectors.netsuite.manifest import NetSuiteSettings
from syncline.model.errors import Misconfigured, Rejected
from syncline.ports import Clock


@dataclass(frozen=True, slots=True)
class Reading:
    """The account's clock at one moment. ``proven``: it fits the configured zone."""

    utc_ms: int
    local: str
    proven: bool


class ErpClock:
    """Reads the account's clock, in UTC where SuiteQL allows it, else through the configured zone."""

    def __init__(self, settings: NetSuiteSettings, clock: Clock, client: Client) -> None:
        self.zone = settings.zone
        self._clock = clock
        self._client = client
        self._utc = True

    @property
    def expression(self) -> str:
        """SQL for the account's clock, to be read beside data in one statement."""
        return queries.UTC_NOW if self._utc else queries.LOCAL_NOW

    async def read(self) -> Reading:
        """Ask the account what time it is.

        Raises:
            Misconfigured: it tells local time only, and no zone is configured.
        """
        rows = None
        if self._utc:
            try:
                rows = await self._client.query(queries.CLOCK)
            except Rejected:
                # SYS_EXTRACT_UTC is undocumented in SuiteQL: an account may refuse it.
                self._utc = False
        if rows is None:
            rows = await self._client.query(queries.CLOCK_LOCAL_ONLY)
        row: Row = rows[0] if rows else {}
        now_ms = self.stamp(row)
        local = str(row.get("erp_local", ""))
        proven = self.zone is not None and zones.agrees(local, now_ms, self.zone)
        if not self._utc:
            # Then the reading was made with the zone and proves nothing; our own clock has to.
            proven = abs(now_ms - self._clock.now_ms()) < 300_000
        return Reading(now_ms, local, proven)

    def stamp(self, row: Row) -> int:
        """The account's clock in UTC milliseconds, from a row that carries ``expression``."""
        text = row.get("erp_now")
        if self._utc:
            return zones.parse_utc(text)
        if self.zone is None:
            raise Misconfigured(
                "netsuite.timezone is needed: this account does not tell the time in UTC. Set it to the zone in "
                "which NetSuite shows dates, such as America/Los_Angeles.",
            )
        return zones.parse_local(text, self.zone, self._clock.now_ms())
