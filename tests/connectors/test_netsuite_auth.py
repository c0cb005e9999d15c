from __future__ import annotations

import asyncio
import base64
from random import Random

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from oauthlib.oauth1 import Client as OAuth1Client
from tests.connectors.netsuite_world import SECRET, START_MS, World, key_pair, run
from tests.connectors.test_netsuite_source import place

from syncline.connectors.netsuite import CONNECTOR, NetSuiteSettings
from syncline.connectors.netsuite.auth import Credential, load_signer
from syncline.connectors.netsuite.simulator import OAuth1Secrets
from syncline.model.copying import replace
from syncline.model.errors import AuthExpired, Misconfigured, OutcomeUnknown, Retryable, Throttled
from syncline.ports import Opening, Request, Response
from syncline.sdk.oauth1 import Keys, authorization, signature
from syncline.simulate.clock import VirtualClock, VirtualLoop

VECTOR = {
    "consumer_key": "ef40afdd8abaac111b13825dd5e5e2ddddb44f86d5a0dd6dcf38c20aae6b67e4",
    "consumer_secret": "d26ad321a4b2f23b0741c8d38392ce01c3e23e109df6c96eac6d099e9ab9e8b5",
    "token": "2b0ce516420110bcbd36b69e99196d1b7f6de3c6234c5afb799b73d87569f5cc",
    "token_secret": "c29a677df7d5439a458c063654187e3d678d73aca8e3c9d8bea1478a3eb0d295",
    "nonce": "fjaLirsIcCGVZWzBX0pg",
    "timestamp": "1508242306",
}
KEYS = Keys(**{k: VECTOR[k] for k in ("consumer_key", "consumer_secret", "token", "token_secret")})
STAMP = {"nonce": VECTOR["nonce"], "timestamp_s": VECTOR["timestamp"]}
TBA = {
    "auth": "tba",
    "consumer_key": KEYS.consumer_key,
    "consumer_secret": KEYS.consumer_secret,
    "token_id": KEYS.token,
    "token_secret": KEYS.token_secret,
}
RESTLET = "https://123456.restlets.api.netsuite.com/app/site/hosting/restlet.nl"


@pytest.mark.parametrize(
    ("method", "url", "expected"),
    [
        (
            "GET",
            "https://123456.suitetalk.api.netsuite.com/services/rest/record/v1/employee/40",
            "B5OIWznZ2YP0OB7VrJrGkYsTh+8H+5T9Hag+o92q0zY=",
        ),
        (
            "POST",
            f"{RESTLET}?script=6&deploy=1&customParam=someValue&testParam=someOtherValue",
            "+KK4SKNgz4ZiILGLwOMtfYlgcXSy1eis8ldE9X90azQ=",
        ),
    ],
)
def test_the_vendors_vectors(method, url, expected):
    assert signature(KEYS, method, url, **STAMP) == expected


@pytest.mark.peer
@pytest.mark.parametrize("query", ["", "?q=a%20b&limit=10", "?x=%C3%A9%2B&x=1&a="])
def test_an_independent_signer_agrees(query):
    url = f"https://123456-SB1.suitetalk.api.netsuite.com/services/rest/query/v1/suiteql{query}"
    peer = OAuth1Client(
        VECTOR["consumer_key"],
        client_secret=VECTOR["consumer_secret"],
        resource_owner_key=VECTOR["token"],
        resource_owner_secret=VECTOR["token_secret"],
        signature_method="HMAC-SHA256",
        nonce=VECTOR["nonce"],
        timestamp=VECTOR["timestamp"],
        realm="123456_SB1",
    )
    _, headers, _ = peer.sign(url, http_method="POST")
    ours = authorization(KEYS, "POST", url, realm="123456_SB1", **STAMP)
    parts = [set(h.removeprefix("OAuth ").split(", ")) for h in (headers["Authorization"], ours)]
    assert parts[0] == parts[1]


def pem(key) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@pytest.mark.parametrize(
    ("curve", "name", "size"),
    [(ec.SECP256R1(), "ES256", 64), (ec.SECP384R1(), "ES384", 96), (ec.SECP521R1(), "ES512", 132)],
)
def test_ec_keys(curve, name, size):
    algorithm, sign = load_signer(pem(ec.generate_private_key(curve)))
    assert algorithm == name and len(sign(b"x")) == size


def test_rsa_keys():
    key = rsa.generate_private_key(65537, 3072)
    algorithm, sign = load_signer(pem(key))
    assert algorithm == "PS256"
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    key.public_key().verify(sign(b"x"), b"x", pss, hashes.SHA256())


def test_keys_that_the_vendor_does_not_take():
    short = pem(rsa.generate_private_key(65537, 2048))
    for text in ("", "nonsense", short, pem(dsa.generate_private_key(2048)), key_pair()[1]):
        with pytest.raises(Misconfigured) as caught:
            load_signer(text)
        assert "BEGIN" not in str(caught.value) and caught.value.__cause__ is None


class Endpoint:
    def __init__(self, *answers: Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []

    async def send(self, request: Request) -> Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def granted(token: str, life: object = 3600) -> Response:
    return Response(200, {}, msgspec.json.encode({"access_token": token, "expires_in": life}))


def with_tokens(story, *answers: Response | Exception) -> Endpoint:
    loop = VirtualLoop(START_MS)
    try:
        clock = VirtualClock(loop)
        endpoint = Endpoint(*answers)
        settings = NetSuiteSettings("1_SB1", "client", "kid", key_pair()[0])
        loop.run_until_complete(story(Credential(settings, clock, Random(1), endpoint), clock))
        return endpoint
    finally:
        loop.close()


def test_one_token_for_everybody_renewed_before_it_ends():
    async def story(held, clock) -> None:
        call = "GET", "https://1-sb1.suitetalk.api.netsuite.com/x"
        assert set(await asyncio.gather(*(held.header(*call) for _ in range(9)))) == {"Bearer one"}
        await clock.sleep(3600 - 301)
        assert await held.header(*call) == "Bearer one"
        await clock.sleep(2)
        assert await held.header(*call) == "Bearer two"
        again = (held.again("Bearer two", *call) for _ in range(9))
        assert set(await asyncio.gather(*again)) == {"Bearer three"}

    endpoint = with_tokens(story, granted("one", "3600"), granted("two", None), granted("three"))
    (first, *_) = endpoint.requests
    assert first.url == "https://1-sb1.suitetalk.api.netsuite.com/services/rest/auth/oauth2/v1/token"
    assertion = first.body.decode().rpartition("client_assertion=")[2].split(".")
    claims = msgspec.json.decode(base64.urlsafe_b64decode(assertion[1] + "=="))
    assert claims["aud"] == first.url and claims["iss"] == "client"
    assert claims["iat"] == START_MS // 1000 and claims["exp"] - claims["iat"] <= 3600


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Response(400, {}, b'{"error":"invalid_grant"}'), AuthExpired),
        (Response(401), AuthExpired),
        (Response(429), Throttled),
        (Response(503), Retryable),
        (Response(200, {}, b"<html>"), Retryable),
        (Response(200, {}, b"[]"), Retryable),
        (OutcomeUnknown("lost"), Retryable),
    ],
)
def test_a_token_endpoint_that_does_not_answer_well(answer, error):
    async def story(held, clock) -> None:
        with pytest.raises(error):
            await held.try_out()
        assert await held.header("GET", "https://1-sb1.suitetalk.api.netsuite.com/x") == "Bearer later"

    with_tokens(story, answer, granted("later"))


def test_an_integration_that_signs_each_call_reads_and_writes():
    secrets = OAuth1Secrets(KEYS.consumer_key, KEYS.consumer_secret, KEYS.token, KEYS.token_secret)

    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 40)
        assert all(held for _, held, _ in (await w.system.check())[:4])
        number = await place(w)
        changes = w.changes((await w.pull("transactions"))[0])
        assert {c.key for c in changes} == {f"21730\x1f{w.place}", "shop-1001"}
        assert w.sim.order(number).external_id == "shop-1001"
        sent = [request.headers["Authorization"] for request in w.wire.sent]
        assert all(header.startswith(f'OAuth realm="{w.sim.account_id}"') for header in sent)
        assert len(set(sent)) == len(sent)  # a nonce is taken once
        assert not w.wire.count("POST", "oauth2")

    world = run(story, sim={"oauth1": secrets}, **TBA)
    assert not world.sim.ledger.breaches and KEYS.token_secret not in repr(world.system)

    async def refused(w: World) -> None:
        name, held, mend = (await w.system.check())[1]
        assert not held and "role" in mend, name

    run(refused, sim={"oauth1": secrets}, **(TBA | {"token_secret": "other"}))


def test_no_secret_shows():
    settings = NetSuiteSettings("1", "c", "k", key_pair()[0], push_secrets=(SECRET,))
    assert "PRIVATE" not in repr(settings) and SECRET not in repr(settings)

    async def story(w: World) -> None:
        await w.pull("stock")
        assert "PRIVATE" not in repr(w.system) and SECRET not in repr(w.system)

    run(story)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"account": ""}, "account"),
        ({"account": "1/../2"}, "account"),
        ({"private_key": "x"}, "private_key"),
        ({"auth": "basic"}, "oauth2, tba"),
        ({**TBA, "token_secret": ""}, "token_secret"),
        ({"base_url": "http://example.com"}, "base_url"),
        ({"push_secrets": ("short",)}, "push_secrets"),
        ({"timezone": "Mars/Base"}, "timezone"),
        ({"slots": 0}, "slots"),
        ({"tax": "maybe"}, "tax"),
        ({"create_customers": False, "web_customer": ""}, "web_customer"),
    ],
)
def test_a_wrong_setting_is_named(change, named):
    settings = NetSuiteSettings("1_SB1", "client", "kid", key_pair()[0])
    loop = VirtualLoop(START_MS)
    try:
        with pytest.raises(Misconfigured, match=named):
            CONNECTOR.open(
                Opening("erp", replace(settings, **change), VirtualClock(loop), Random(1), Endpoint())
            )
    finally:
        loop.close()


def test_settings_can_be_read_from_a_file():
    raw = {"account": "1", "client_id": "c", "certificate_id": "k", "private_key": "p"}
    raw |= {"push_secrets": [SECRET], "rounding_tolerance": "0.05"}
    assert msgspec.convert(raw, NetSuiteSettings).push_keys == (SECRET.encode(),)
