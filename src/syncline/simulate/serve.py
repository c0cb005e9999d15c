"""Simulators on a loopback port, for people who want to try a client, a script or Syncline itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from random import Random

import uvicorn

from syncline.connectors.netsuite.simulator import NetSuiteSimulator, make_certificate
from syncline.connectors.shopify.simulator import ShopifySimulator
from syncline.model.errors import Misconfigured
from syncline.runtime.clock import SystemClock
from syncline.runtime.transport import AiohttpTransport
from syncline.sdk.simulator import Simulator
from syncline.simulate.history import generate_history, stock_case
from syncline.simulate.trade import LOCATION_NAMES
from syncline.simulate.world import ACCESS_TOKEN, SHOP_DOMAIN, WEBHOOK_SECRET

SKUS = 40


async def serve_simulator(system: str, *, port: int, seed: int, say: Callable[[str], object]) -> None:
    """Serve one simulator with a few goods in it until interrupted.

    Raises:
        Misconfigured: there is no simulator of that name.
    """
    makers = {"shopify": _shopify, "netsuite": _netsuite}
    if system not in makers:
        raise Misconfigured(f"there is no simulator called {system!r}; there are {', '.join(makers)}")
    async with AiohttpTransport() as transport:
        simulator = makers[system](Random(seed), transport, seed, port, say)
        people = asyncio.get_running_loop().create_task(simulator.run())
        server = uvicorn.Server(
            uvicorn.Config(
                simulator,
                host="127.0.0.1",
                port=port,
                log_level="warning",
                access_log=False,
                lifespan="off",
            ),
        )
        say(f"Listening on http://127.0.0.1:{port} - Ctrl-C ends it.")
        try:
            await server.serve()
        finally:
            people.cancel()
            await asyncio.gather(people, return_exceptions=True)


def _shopify(
    rng: Random,
    transport: AiohttpTransport,
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
    locations = [shop.add_location(name) for name in LOCATION_NAMES]
    case = stock_case(generate_history(seed, orders=400, skus=SKUS).orders)
    for sku in sorted(case.target):
        shown = dict(zip(locations, case.split(sku), strict=True))
        shop.add_product(sku, case.titles[sku], case.prices[sku], shown)
    say(f"A simulated Shopify shop, {len(case.target)} SKUs at locations {', '.join(map(str, locations))}.")
    say(f"  POST http://127.0.0.1:{port}/admin/api/2026-07/graphql.json")
    say(f"  X-Shopify-Access-Token: {ACCESS_TOKEN}   webhook secret: {WEBHOOK_SECRET}")
    return shop


def _netsuite(
    rng: Random,
    transport: AiohttpTransport,
    seed: int,
    port: int,
    say: Callable[[str], object],
) -> Simulator:
    private_key, public_key, kid = make_certificate()
    erp = NetSuiteSimulator(clock=SystemClock(), rng=rng, transport=transport, certificates={kid: public_key})
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
    say("  private key (made for this run):")
    say(private_key)
    return erp
