"""The hot route: what it takes, what it refuses, and what it tells to whom."""

from __future__ import annotations

import asyncio
import hmac

import pytest
from tests.web.support import HOOK_SECRET, Client, StillClock, make_site

from syncline.model.copying import replace
from syncline.model.errors import Retryable, StoreBroken
from syncline.web.limits import RateLimit, source_of

BODY = b'{"sku": "MUG-01", "location": "1", "available": "4"}'


def signed(body: bytes = BODY) -> dict[str, str]:
    return {"x-signature": hmac.digest(HOOK_SECRET, body, "sha256").hex()}


@pytest.fixture
async def site():
    return await make_site(seeded=False)


def address(site, system: str = "shop") -> str:
    return f"/hooks/{system}/{site.access.hook_token(system)}"


async def test_a_webhook_is_stored_before_it_is_answered(site):
    client = Client(site.app)
    assert (await client.post(address(site), BODY, headers=signed())).status == 200
    assert [logged.event.body for logged in await site.store.events(0, 9)] == [BODY]
    assert (await client.post(address(site), BODY, headers=signed())).status == 200
    assert len(await site.store.events(0, 9)) == 1
    counts = site.engine.ingress.received["shop"]
    assert (counts.accepted, counts.duplicates, counts.forged) == (1, 1, 0)


async def test_a_body_in_pieces_is_one_body(site):
    answer = await Client(site.app).post(address(site), headers=signed(), chunks=[BODY[:7], b"", BODY[7:]])
    assert answer.status == 200


async def test_unknown_system_wrong_address_and_wrong_signature_look_alike(site):
    token = site.access.hook_token("shop")
    client = Client(site.app)
    answers = [
        await client.post("/hooks/nosuch/" + token, BODY, headers=signed()),
        await client.post("/hooks/shop/" + "x" * 32, BODY, headers=signed()),
        await client.post("/hooks/shop/" + site.access.hook_token("erp"), BODY, headers=signed()),
        await client.post("/hooks/shop/", BODY, headers=signed()),
        await client.post("/hooks/", BODY, headers=signed()),
        await client.post("/hooks//-", BODY, headers=signed()),
        await client.post("/hooks/shop/" + token + "/more", BODY, headers=signed()),
        await client.post(address(site), BODY, headers={"x-signature": "0" * 64}),
        await client.post(address(site), BODY),
        await client.post(address(site), BODY + b" ", headers=signed()),
    ]
    assert {(a.status, a.body, tuple(sorted(a.headers.items()))) for a in answers} == {
        (401, answers[0].body, tuple(sorted(answers[0].headers.items()))),
    }
    assert await site.store.events(0, 9) == []


async def test_a_body_above_the_cap_is_refused_while_it_arrives():
    site = await make_site(seeded=False, body_bytes_max=1_000)
    client = Client(site.app)
    taken = []

    async def piece():
        taken.append(1)
        return b"x" * 400

    answer = await client.post(address(site), chunks=[piece] * 50)
    assert answer.status == 413 and len(taken) == 3
    assert (await client.post(address(site), BODY, headers={"content-length": "1001"})).status == 413
    assert site.app.hooks._buffered == 0


async def test_a_body_that_does_not_come_is_given_up():
    site = await make_site(seeded=False, body_seconds=2.0)

    async def never():
        await asyncio.Event().wait()

    answer = await Client(site.app).post(address(site), chunks=[b"{", never])
    assert answer.status == 408
    assert len(site.app.hooks._deadlines) == 0
    assert (await Client(site.app).post(address(site), BODY, headers=signed())).status == 200


async def test_one_source_cannot_crowd_out_the_others():
    site = await make_site(seeded=False, hooks_per_s=1.0, hooks_burst=3)
    seen = [(await Client(site.app).post(address(site), BODY)).status for _ in range(5)]
    assert seen == [401, 401, 401, 429, 429]
    assert site.engine.ingress.received["shop"].forged == 3  # refused before any signature was computed
    assert (
        await Client(site.app, peer="203.0.113.5").post(address(site), BODY, headers=signed())
    ).status == 200
    site.clock.at_ms += 1_000
    assert (await Client(site.app).post(address(site), BODY)).status == 401


async def test_a_forwarded_address_counts_only_from_a_known_proxy():
    site = await make_site(seeded=False, hooks_per_s=1.0, hooks_burst=1, trusted_proxies=("10.0.0.1",))

    async def ask(peer, forwarded):
        client = Client(site.app, peer=peer)
        return (await client.post(address(site), BODY, headers={"x-forwarded-for": forwarded})).status

    assert [await ask("198.51.100.1", f"192.0.2.{i}") for i in range(2)] == [401, 429]
    assert [await ask("10.0.0.1", f"192.0.2.{i}") for i in range(2)] == [401, 401]


def test_sources():
    assert source_of("10.0.0.1", "1.1.1.1, 2.2.2.2", {"10.0.0.1"}) == "2.2.2.2"
    assert source_of("10.0.0.1", "1.1.1.1, 10.0.0.2", {"10.0.0.1", "10.0.0.2"}) == "1.1.1.1"
    assert source_of("2001:db8::1", "", ()) == source_of("2001:db8::ffff", "", ()) == "2001:db8::"
    assert source_of("", "", ()) == "" and source_of("10.0.0.1", "nonsense", {"10.0.0.1"}) == "10.0.0.1"


def test_the_table_of_sources_is_bounded():
    limit = RateLimit(StillClock(), per_s=1, burst=1)
    for i in range(12_000):
        limit.take(str(i))
    assert len(limit._due) == 10_000


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "OPTIONS"])
async def test_only_post(site, method):
    assert (await Client(site.app).ask(method, address(site))).status == 405


@pytest.mark.parametrize(
    "error", [Retryable("the disk is full"), StoreBroken("disk I/O error")], ids=["full", "broken"]
)
async def test_a_store_that_takes_nothing_says_so(site, monkeypatch, error):
    async def refuse(*args, **named):
        raise error

    monkeypatch.setattr(site.store, "append", refuse)
    answer = await Client(site.app).post(address(site), BODY, headers=signed())
    assert answer.status == 503 and answer.headers["retry-after"] == "5"


def test_addresses_cannot_be_guessed_from_one_another(tmp_path):
    async def make():
        return await make_site(seeded=False)

    site = asyncio.run(make())
    tokens = {name: site.access.hook_token(name) for name in ("shop", "erp")}
    assert len(set(tokens.values())) == 2 and all(len(token) == 32 for token in tokens.values())
    assert site.app.hook_urls["shop"] == f"http://syncline.test/hooks/shop/{tokens['shop']}"


def shakes_hands(site, system: str = "shop") -> None:
    known = site.engine.systems[system]
    capabilities = replace(known.capabilities, webhook_handshake="validationToken")
    site.engine.systems[system] = replace(known, capabilities=capabilities)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_address_gives_the_token_back_where_its_connector_shakes_hands(site, method):
    shakes_hands(site)
    client = Client(site.app)
    answer = await client.ask(method, address(site), query="validationToken=a%3Cb%3E%20c")
    assert (answer.status, answer.body) == (200, b"a<b> c")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert await site.store.events(0, 9) == []


async def test_nobody_else_gets_anything_back(site):
    client = Client(site.app)
    asked = "validationToken=abc"
    without = await client.post(address(site), query=asked)
    shakes_hands(site)
    plain = await client.post("/hooks/shop/" + "x" * 32, query=asked)
    other = await client.post("/hooks/nosuch/" + site.access.hook_token("shop"), query=asked)
    assert {(x.status, x.body) for x in (without, plain, other)} == {(401, without.body)}
    for odd in (
        "validationToken=",
        "validationToken=" + "x" * 1_001,
        "validationToken=a%0Ab",
        "&".join(["a=1"] * 30),
        "x=1",
    ):
        assert (await client.post(address(site), query=odd)).status == 401


async def test_a_webhook_with_a_query_is_a_webhook(site):
    shakes_hands(site)
    assert (await Client(site.app).post(address(site), BODY, headers=signed(), query="x=1")).status == 200
    assert len(await site.store.events(0, 9)) == 1
