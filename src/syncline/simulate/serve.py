"""Simulators on a loopback port, for people who want to try a client, a script or Syncline itself."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from decimal import Decimal
from random import Random

import uvicorn

from syncline.connectors.adobe_commerce.simulator import ADMIN, AdobeCommerceSimulator
from syncline.connectors.business_central.simulator import CLIENT_ID, CLIENT_SECRET, BusinessCentralSimulator
from syncline.connectors.netsuite.simulator import NetSuiteSimulator, OAuth1Secrets, make_certificate
from syncline.connectors.shopify.simulator import ShopifySimulator
from syncline.model.errors import Misconfigured
from syncline.ports import Transport
from syncline.runtime.clock import SystemClock
from syncline.runtime.transport import AiohttpTransport
from syncline.sdk.simulator import Simulator
from syncline.simulate.history import generate_history, stock_case
from syncline.simulate.takeover import GAP_S, Past, TakeOver
from syncline.simulate.trade import LOCATION_NAMES
from syncline.simulate.world import ACCESS_TOKEN, SHOP_DOMAIN, USUAL_ERP, WEBHOOK_SECRET, World

SKUS = 40
PAST = "past"  # a shop and its ERP, to be taken over
PAST_ERPS = {
    "netsuite": "A simulated NetSuite account",
    "business-central": "A simulated Business Central company",
}
ORDER_EVERY_S = 30.0
LOOK_S = 2.0
TBA = OAuth1Secrets(
    "simulated-consumer-key", "simulated-consumer-secret", "simulated-token", "simulated-token-secret"
)


async def serve_simulator(
    system: str, *, port: int, seed: int, say: Callable[[str], object], erp: str = USUAL_ERP
) -> None:
    """Serve one simulator with a few goods in it until interrupted. ``erp`` is which one goes with ``past``.

    Raises:
        Misconfigured: there is no simulator of that name, or the port is taken.
    """
    if system == PAST:
        await serve_past(port=port, seed=seed, say=say, erp=erp)
        return
    if system not in MAKERS:
        raise Misconfigured(
            f"there is no simulator called {system!r}; there are {', '.join([*MAKERS, PAST])}"
        )
    with _listening(port) as listening:
        await _serve_one(system, listening, seed=seed, say=say)


async def _serve_one(
    system: str, listening: socket.socket, *, seed: int, say: Callable[[str], object]
) -> None:
    port: int = listening.getsockname()[1]
    async with AiohttpTransport() as transport:
        simulator = MAKERS[system](Random(seed), transport, seed, port, say)
        server = _server(simulator)
        say(f"Listening on http://127.0.0.1:{port} - Ctrl-C ends it.")
        async with asyncio.TaskGroup() as group:  # without its webhooks it would be another vendor
            people = group.create_task(simulator.run())
            await server.serve([listening])
            people.cancel()


def _listening(port: int) -> socket.socket:
    """A port that is ours before anybody is told of it.

    Raises:
        Misconfigured: something else listens there.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
        listening.listen()  # two may both bind, but only one may listen
    except (OSError, OverflowError) as error:
        listening.close()
        why = getattr(error, "strerror", None) or "there is no such port"
        raise Misconfigured(f"cannot listen on 127.0.0.1:{port}: {why}; choose another --port") from error
    return listening


def _server(simulator: Simulator) -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config(simulator, log_level="warning", access_log=False, lifespan="off"))


class _Earlier(SystemClock):
    """The machine's clock, put back while a past is made up."""

    def __init__(self, behind_s: float) -> None:
        super().__init__()
        self.behind_s = behind_s

    def now_ms(self) -> int:
        return super().now_ms() - round(self.behind_s * 1000)

    async def catch_up(self, seconds: float) -> None:
        """Let some of the past go by."""
        self.behind_s = max(0.0, self.behind_s - seconds)


async def serve_past(*, port: int, seed: int, say: Callable[[str], object], erp: str = USUAL_ERP) -> None:
    """Serve a shop, and an ERP on the next port, that another connector has kept until now.

    Buyers go on ordering; what the ledgers hold is said whenever it changes.

    Raises:
        Misconfigured: there is no ERP of that name with a past, or a port is taken.
    """
    if erp not in PAST_ERPS:
        raise Misconfigured(f"--erp {erp}: there is no past with it; there are {', '.join(PAST_ERPS)}")
    with _listening(port) as at_shop, _listening(port + 1) as at_erp:
        await _serve_both(at_shop, at_erp, seed=seed, say=say, erp=erp)


async def _serve_both(
    at_shop: socket.socket, at_erp: socket.socket, *, seed: int, say: Callable[[str], object], erp: str
) -> None:
    port: int = at_shop.getsockname()[1]
    size = Past(skus=60, orders=60, open=14)
    clock = _Earlier((size.orders + 1) * GAP_S)
    async with AiohttpTransport() as transport:
        world = World(clock=clock, rng=Random(seed), transport=transport, sockets=True, erp=erp)
        world.shop.origin = f"http://127.0.0.1:{port}"
        past = TakeOver(world, size, Random(seed))
        await past.live(clock.catch_up)
        clock.behind_s = 0.0
        say(f"A simulated Shopify shop with a past on http://127.0.0.1:{port}")
        say(f"{PAST_ERPS[erp]} that goes with it on http://127.0.0.1:{port + 1}")
        say("Another connector kept both until now. It is off, and buyers go on ordering. Ctrl-C ends it.")
        settings = world.settings()[1]
        if erp == USUAL_ERP:
            say("private key (made for this run):")
            say(settings.private_key)
        else:
            say(f"company id {settings.company_id}")
        async with asyncio.TaskGroup() as group:
            doing = (*(side.simulator.run() for side in world.sides()), _trade(past, say))
            people = [group.create_task(work) for work in doing]
            await asyncio.gather(
                _server(world.shop).serve([at_shop]), _server(world.erp_side.simulator).serve([at_erp])
            )
            for task in people:
                task.cancel()


async def _trade(past: TakeOver, say: Callable[[str], object]) -> None:
    said, rest_s = "", ORDER_EVERY_S
    while True:
        held = past.held()
        often = sum(count for times, count in held.items() if times > 1)
        now = (
            f"{sum(held.values())} orders at the shop; in the ERP {held.get(1, 0)} of them once, "
            f"{held.get(0, 0)} never, {often} more than once"
        )
        if now != said:
            say(now)
        said = now
        await past.world.clock.sleep(LOOK_S)
        rest_s -= LOOK_S
        if rest_s <= 0:
            rest_s = ORDER_EVERY_S
            past.order()


def _shopify(
    rng: Random,
    transport: Transport,
    seed: int,
    port: int,
    say: Callable[[str], object],
) -> Simulator:
    shop = ShopifySimulator(
        clock=SystemClock(),
        rng=rng,
        transport=transport,
        shop=SHOP_DOMAIN,
        access_token=ACCESS_TOKEN,
        client_secrets=(WEBHOOK_SECRET,),
        allow_http=True,
    )
    shop.origin = f"http://127.0.0.1:{port}"  # where files are uploaded to, and results are read from
    locations = [shop.add_location(name) for name in LOCATION_NAMES]
    case = stock_case(generate_history(seed, orders=400, skus=SKUS).orders)
    for sku in sorted(case.target):
        shown = dict(zip(locations, case.split(sku), strict=True))
        shop.add_product(sku, case.titles[sku], case.prices[sku], shown)
    say(f"A simulated Shopify shop, {len(case.target)} SKUs at locations {', '.join(map(str, locations))}.")
    say(f"  POST http://127.0.0.1:{port}/admin/api/2026-07/graphql.json")
    say(f"  X-Shopify-Access-Token: {ACCESS_TOKEN}   webhook secret: {WEBHOOK_SECRET}")
    return shop


def _adobe_commerce(
    rng: Random,
    transport: Transport,
    seed: int,
    port: int,
    say: Callable[[str], object],
) -> Simulator:
    shop = AdobeCommerceSimulator(
        clock=SystemClock(), rng=rng, transport=transport, origin=f"http://127.0.0.1:{port}"
    )
    sources = [shop.add_source(name.lower().replace(" ", "-"), name) for name in LOCATION_NAMES]
    case = stock_case(generate_history(seed, orders=400, skus=SKUS).orders)
    for sku in sorted(case.target):
        shop.add_product(
            sku, case.titles[sku], case.prices[sku], dict(zip(sources, case.split(sku), strict=True))
        )
    held, ((admin, password),) = shop.integration, ADMIN.items()
    say(f"A simulated Adobe Commerce shop, {len(case.target)} SKUs in sources {', '.join(sources)}.")
    say(f"  base URL http://127.0.0.1:{port}   REST below /rest/all/V1, bulk below /rest/all/async/bulk/V1")
    say(f"  consumer key {held.consumer_key}   consumer secret {held.consumer_secret}")
    say(f"  access token {held.access_token}   access token secret {held.access_token_secret}")
    say(f"  administrator {admin} with password {password}")
    return shop


def _netsuite(
    rng: Random,
    transport: Transport,
    seed: int,
    port: int,
    say: Callable[[str], object],
) -> Simulator:
    private_key, public_key, kid = make_certificate()
    erp = NetSuiteSimulator(
        clock=SystemClock(), rng=rng, transport=transport, certificates={kid: public_key}, oauth1=TBA
    )
    locations = [erp.add_location(name) for name in LOCATION_NAMES]
    case = stock_case(generate_history(seed, orders=400, skus=SKUS).orders)
    for sku in sorted(case.target):
        erp.add_item(sku, case.titles[sku], Decimal(case.prices[sku]))
        for location, quantity in zip(locations, case.split(sku), strict=True):
            if quantity:
                erp.opening_balance(sku, location, quantity)
    say(
        f"A simulated NetSuite account {erp.account_id}, {len(case.target)} SKUs at locations "
        f"{', '.join(map(str, locations))}."
    )
    say(f"  client id syncline-demo-client, certificate id {kid}, base URL http://127.0.0.1:{port}")
    say(
        f"  or Token-Based Authentication: consumer key {TBA.consumer_key}, consumer secret {TBA.consumer_secret},"
    )
    say(f"  token {TBA.token}, token secret {TBA.token_secret}")
    say("  private key (made for this run):")
    say(private_key)
    return erp


def _business_central(
    rng: Random,
    transport: Transport,
    seed: int,
    port: int,
    say: Callable[[str], object],
) -> Simulator:
    erp = BusinessCentralSimulator(clock=SystemClock(), rng=rng, transport=transport)
    codes = [erp.add_location(name.partition(" ")[0], name) for name in LOCATION_NAMES]
    erp.add_customer("WEB", "Web guests")
    case = stock_case(generate_history(seed, orders=400, skus=SKUS).orders)
    for sku in sorted(case.target):
        erp.add_item(sku, case.titles[sku], case.prices[sku])
        for code, quantity in zip(codes, case.split(sku), strict=True):
            if quantity:
                erp.receive(sku, code, quantity)
    say(
        f"A simulated Business Central, {len(case.target)} SKUs at locations {', '.join(codes)}; "
        "our extension is installed."
    )
    say(f"  tenant {erp.tenant}, environment {erp.environment}, company id {erp.company_id}")
    say(f"  client id {CLIENT_ID}, client secret {CLIENT_SECRET}")
    say(
        f"  base URL and login URL http://127.0.0.1:{port}; web customer WEB, payment journal WEB, account 6710"
    )
    return erp


MAKERS: dict[str, Callable[[Random, Transport, int, int, Callable[[str], object]], Simulator]] = {
    "shopify": _shopify,
    "adobe-commerce": _adobe_commerce,
    "netsuite": _netsuite,
    "business-central": _business_central,
}
