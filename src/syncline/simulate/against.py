"""The plays of a what-if with the vendors' own connectors, against the simulators that these are tested with.

The same designs over the same orders as against the light systems (``syncline.simulate.case``), at a hundred times the cost: every
call goes through the connector, its limits and its mapping to an ASGI app that answers as the vendor does. It shows
whether the light systems may be believed, and what a design really calls. ``syncline.simulate.plain_vendors`` is what
``realtime`` plays here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from random import Random
from typing import Any, TextIO

from syncline.model.errors import Misconfigured, SynclineError
from syncline.planner.question import AskedSystem
from syncline.planner.vendors import as_declared, vendors
from syncline.simulate.case import Case, Setting
from syncline.simulate.hooks import Hearing, HooksApp
from syncline.simulate.licence import Licence
from syncline.simulate.plain_vendors import SetThroughConnectors
from syncline.simulate.planned import Staged
from syncline.simulate.play import Play
from syncline.simulate.predicted import Pace
from syncline.simulate.shape import Shape, shape_of
from syncline.simulate.sides import ERPS, SHOPS
from syncline.simulate.stage import USUAL_ERP, USUAL_SHOP, Account, Accounts, Channel, Erp
from syncline.simulate.transport import AsgiTransport
from syncline.simulate.vendors import HOOKS, SimulatedChannel, SimulatedErp, Surroundings

SUBSCRIBE_TRIES_MAX = 2_000
SUBSCRIBE_AGAIN_S = 30.0
NOT_PLAYED = frozenset({"files"})  # a partner answers by a schedule of its own, whatever the design
CHANCE = 0x51D35  # so that what the light systems draw is not what these do


# --- whose systems ---------------------------------------------------------------------------------------------


def accounts_of(
    channels: Sequence[str], erp: str, on: Staged | None, *, shop: str = "", erp_vendor: str = ""
) -> Accounts:
    """Whose systems are played: those of a plan, with its licences; else one vendor's shops and one vendor's ERP.

    ``shop`` and ``erp_vendor`` name them; empty: the usual ones.

    Raises:
        Misconfigured: there is no simulator of one; or a plan says already whose they are.
    """
    if on is None:
        accounts = Accounts(
            Account(erp_vendor or USUAL_ERP), dict.fromkeys(channels, Account(shop or USUAL_SHOP))
        )
    elif shop or erp_vendor:
        raise Misconfigured(
            "--shop and --erp: the plan names the vendor of each of its systems; leave them out"
        )
    else:
        systems = on.plan.question.systems
        accounts = Accounts(_account(systems[erp]), {name: _account(systems[name]) for name in channels})
    _known(ERPS, accounts.erp.vendor, f"{erp}, the ERP")
    for name, one in accounts.channels.items():
        _known(SHOPS, one.vendor, f"channel {name}")
    return accounts


def shapes_of(accounts: Accounts, erp: str) -> dict[str, Shape]:
    """What light systems take from the vendors of these accounts: the same, without their connectors."""
    sheets = vendors()

    def shape(kinds: Mapping[str, Any], one: Account) -> Shape:
        return shape_of(as_declared(sheets[one.sheet], kinds[one.vendor].connector.capabilities))

    return {
        erp: shape(ERPS, accounts.erp),
        **{name: shape(SHOPS, one) for name, one in accounts.channels.items()},
    }


def _account(asked: AskedSystem) -> Account:
    at_once = min((limit.at_once for limit in asked.limits if limit.at_once), default=0)
    ours = max(1, int(at_once * asked.share)) if at_once else 0
    return Account(
        asked.vendor.connector.replace("_", "-") or asked.vendor.title, Licence(asked.licence, at_once, ours)
    )


def _known(kinds: Mapping[str, object], vendor: str, what: str) -> None:
    played = [name for name in kinds if name not in NOT_PLAYED]
    if vendor not in played:
        raise Misconfigured(
            f"--against simulators: there is no simulator of {vendor} to be {what}; there are {', '.join(played)}. "
            "The light systems stand for any vendor: leave --against out"
        )


# --- the play --------------------------------------------------------------------------------------------------


class SimulatedPlay(Play):
    """One setting, played over a case with the vendors' connectors and simulators."""

    def __init__(
        self, case: Case, setting: Setting, *, draw: bool = False, trace_to: TextIO | None = None, **more: Any
    ) -> None:
        assert setting.accounts is not None
        self._accounts = setting.accounts
        self._doors = AsgiTransport({})
        self._hooks = HooksApp()
        self._doors.register(HOOKS, self._hooks)
        self._around: Surroundings | None = None
        super().__init__(case, setting, draw=draw, trace_to=trace_to, **more)

    def _surroundings(self) -> Surroundings:
        if self._around is None:
            rng = Random(self.setting.seed ^ CHANCE)
            self._around = Surroundings(self.clock, rng, self._doors, self.setting.outage)
        return self._around

    def _open_channels(self, opening: Mapping[str, Sequence[int]]) -> Mapping[str, Channel]:
        self._shops = {
            name: SimulatedChannel(
                name,
                self._accounts.channels[name],
                self._surroundings(),
                lost=self.setting.lost,
                tells=self.setting.plan.of(name).orders.events,
                written=partial(self._wrote, index),
            )
            for index, name in enumerate(self.case.channels)
        }
        for one in self._shops.values():
            one.open(self.case.stock, list(opening), self.setting.places)
        return self._shops

    def _open_erp(self, opening: Mapping[str, Sequence[int]]) -> Erp:
        self._books = SimulatedErp(
            self.case.erp,
            self._accounts.erp,
            self._surroundings(),
            lost=self.setting.lost,
            tells=self._erp_tells,
            booked=self.ledger.booked,
            untold=partial(self.ledger.untold, sales=self.setting.plan.plain),
        )
        self._books.open(self.case.stock, list(opening), self.setting.places)
        return self._books

    def _places(self, channel: str) -> Mapping[str, str]:
        pairs = zip(self._books.places, self._shops[channel].places, strict=True)
        return {str(erp_at): str(shop_at) for erp_at, shop_at in pairs}

    async def _start(self) -> None:
        for one in (*self._shops.values(), self._books):
            self._spawn(one.run())
        await super()._start()
        if self.engine is not None:
            self._listen(self.engine)

    async def _start_plain(self) -> None:
        plain = SetThroughConnectors(
            self.clock,
            {name: one.system() for name, one in self._shops.items()},
            self._books.system(),
            places={name: self._places(name) for name in self._shops},
            poll_ms=self.setting.plan.interval_ms,
        )
        self._spawn(plain.run())
        self._listen(plain)

    def _listen(self, to: Hearing) -> None:
        self._hooks.engine = to
        systems: list[SimulatedChannel | SimulatedErp] = [*self._shops.values(), self._books]
        for one in systems:
            if one.tells:
                self._spawn(self._subscribe(one))

    async def _subscribe(self, one: SimulatedChannel | SimulatedErp) -> None:
        for _ in range(SUBSCRIBE_TRIES_MAX):
            try:
                await one.subscribe()
            except SynclineError:
                await self.clock.sleep(SUBSCRIBE_AGAIN_S)
            else:
                return

    def _pace(self, channel: str) -> Pace:
        """As the planner reckons with the vendors: what they publish, and what their connectors declare."""
        shop_system, erp_system = self._shops[channel].system(), self._books.system()
        sheets = vendors()
        shop = as_declared(sheets[self._accounts.channels[channel].sheet], shop_system.capabilities)
        erp = as_declared(sheets[self._accounts.erp.sheet], erp_system.capabilities)
        thin_ms = erp.call_ms if erp.reads["inventory"].thin else 0
        return Pace(
            order_event_ms=shop.reads["orders"].event_ms,
            call_ms=shop.call_ms,
            values_per_call=shop.writes["inventory"].items,
            whole_ms=shop.call_ms + shop_system.capabilities.order_stamp_ms,
            stock_event_ms=erp.reads["inventory"].event_ms + thin_ms,
            erp_read_ms=(erp.reads["inventory"].calls + erp.reads["inventory"].more) * erp.call_ms,
            order_ms=erp.writes["orders"].send_ms(erp.call_ms),
        )
