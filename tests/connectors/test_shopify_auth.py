"""How the Shopify connector gets its access tokens: those of a day, and those that last."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from syncline.connectors.shopify import CONNECTOR, ShopifySettings
from syncline.connectors.shopify.simulator import ShopifySimulator
from syncline.model.errors import Misconfigured
from syncline.ports import Opening, Request, Response, System, WebhookRequest
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.transport import AsgiTransport

START_MS = 1_790_000_000_000
DAY_S = 86_400
SHOP = "simulated.myshopify.com"
CLIENT = "0123456789abcdef0123456789abcdef"
SECRET = "shpss_0123456789abcdef0123456789abcdef"
DAILY = ShopifySettings(shop=SHOP, client_id=CLIENT, client_secret=SECRET)


class Counting:
    """Passes requests on, and counts those for tokens and those that carry one."""

    def __init__(self, transport: AsgiTransport) -> None:
        self._transport = transport
        self.asked = 0
        self.tokens: list[str] = []
        self.refuse: Response | None = None

    async def send(self, request: Request) -> Response:
        if request.url.endswith("/admin/oauth/access_token"):
            self.asked += 1
            if self.refuse is not None:
                return self.refuse
        else:
            self.tokens.append(request.headers["x-shopify-access-token"])
        return await self._transport.send(request)


class World:
    def __init__(self, loop: VirtualLoop, settings: ShopifySettings) -> None:
        self.clock = VirtualClock(loop)
        self.shop = ShopifySimulator(clock=self.clock, rng=Random(1), client_secrets=[SECRET])
        self.wire = Counting(AsgiTransport({f"https://{SHOP}": self.shop.app}))
        self.system: System = CONNECTOR.open(Opening("shop", settings, self.clock, Random(2), self.wire))

    async def check(self) -> dict[str, tuple[bool, str]]:
        return {what: (holds, mend) for what, holds, mend in await self.system.check()}


def run(story: Callable[[World], Awaitable[Any]], settings: ShopifySettings = DAILY) -> World:
    loop = VirtualLoop(START_MS)
    try:
        world = World(loop, settings)
        loop.run_until_complete(story(world))
        return world
    finally:
        loop.close()


def test_a_token_is_asked_for_once_and_again_before_its_day_is_over():
    async def story(world: World) -> None:
        for _ in range(3):
            assert (await world.check())[f"shop {SHOP}"] == (True, "")
        assert world.wire.asked == 1
        await world.clock.sleep(DAY_S - 400)
        await world.check()
        assert world.wire.asked == 1
        await world.clock.sleep(120)
        await world.check()
        assert world.wire.asked == 2
        assert len(set(world.wire.tokens)) == 2
        assert not world.shop.ledger.breaches["auth"]

    run(story)


def test_a_token_that_is_refused_is_replaced_and_the_call_made_again():
    async def story(world: World) -> None:
        await world.check()
        world.shop.http._tokens.clear()
        assert all(holds for what, (holds, _) in (await world.check()).items() if what.startswith("shop"))
        assert world.wire.asked == 2

    run(story)


def test_a_token_that_lasts_is_used_as_it_is():
    async def story(world: World) -> None:
        await world.check()
        assert world.wire.asked == 0 and set(world.wire.tokens) == {"shpat_simulated"}

    run(story, ShopifySettings(shop=SHOP, access_token="shpat_simulated"))


def test_credentials_that_are_refused_say_what_to_do_and_quote_no_secret():
    async def story(world: World) -> None:
        ((what, (holds, mend)),) = (await world.check()).items()
        assert (what, holds) == ("access token", False)
        assert "401 invalid_client): check client_id and client_secret" in mend
        assert SECRET not in mend and not world.wire.tokens

    run(story, replace(DAILY, client_id="another"))


def test_where_no_token_can_be_had_nothing_was_sent():
    async def story(world: World) -> None:
        world.wire.refuse = Response(503, {}, b"")
        assert (await world.check())["access token"] == (False, "Shopify answered 503 without a token.")
        assert not world.wire.tokens
        world.wire.refuse = None
        assert (await world.check())[f"shop {SHOP}"] == (True, "")

    run(story)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, "client_id, client_secret: set both"),
        ({"client_id": CLIENT}, "client_id, client_secret: set both"),
        ({"client_secret": SECRET}, "client_id, client_secret: set both"),
        ({"access_token": "shpat_x", "client_secret": SECRET}, "access_token: leave it out"),
        ({"client_id": CLIENT, "client_secret": "short"}, "client_secret: it must have at least 24 bytes"),
        ({"access_token": "not\nprintable"}, "access_token: must be the Admin API token"),
    ],
)
def test_settings_name_what_is_missing(given, names):
    with pytest.raises(Misconfigured, match=names):
        ShopifySettings(shop=SHOP, **given)


def test_the_client_secret_verifies_webhooks_unless_a_rotation_names_others():
    body = b'{"id":1}'
    signature = base64.b64encode(hmac.digest(SECRET.encode(), body, "sha256")).decode()
    headers = {
        "x-shopify-hmac-sha256": signature,
        "x-shopify-topic": "orders/delete",
        "x-shopify-shop-domain": SHOP,
        "x-shopify-webhook-id": "w1",
        "x-shopify-event-id": "e1",
        "x-shopify-triggered-at": "2026-09-21T13:13:20Z",
    }
    assert DAILY.signing_secrets == (SECRET,)
    other = replace(DAILY, webhook_secrets=("another-secret-of-24-bytes-or-more",))
    assert other.signing_secrets == ("another-secret-of-24-bytes-or-more",)
    assert SECRET not in repr(DAILY)

    async def story(world: World) -> None:
        world.system.source.verify(WebhookRequest(headers, body, START_MS))

    run(story)
