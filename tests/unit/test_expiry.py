"""When credentials end: who knows it, and that it is told before, once, by virtual time."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.web.support import NOW_MS, Client, StillClock, make_site

from syncline.cli import tell
from syncline.connectors.adobe_commerce import AdobeCommerceSettings
from syncline.connectors.adobe_commerce.auth import expiries_of as adobe_expiries
from syncline.connectors.netsuite import NetSuiteSettings
from syncline.connectors.netsuite.auth import expiries_of as netsuite_expiries
from syncline.engine.alerts.conditions import conditions
from syncline.engine.alerts.trends import Trends
from syncline.engine.endings import ENDINGS_MAX, endings_of
from syncline.model.copying import replace
from syncline.model.errors import Misconfigured, OutcomeUnknown
from syncline.ports import Expiry
from syncline.runtime.app import open_systems
from syncline.runtime.check import check_systems
from syncline.runtime.config import parse
from syncline.sdk.ends import jwt_end_ms, midnight_ms, validity_of

DAY_MS = 86_400_000
MADE = datetime(2026, 3, 1, tzinfo=UTC)


def pem_of(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def certificate_of(key: ec.EllipticCurvePrivateKey, days: int) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "syncline")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, MADE, MADE + timedelta(days=days))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


KEY, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def netsuite(**more) -> NetSuiteSettings:
    given = {"account": "1", "client_id": "a", "certificate_id": "b", "private_key": pem_of(KEY)}
    return NetSuiteSettings(**(given | more))


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


# --- what says when it ends ---------------------------------------------------------------------------------


def test_a_certificate_says_when_it_ends():
    held = validity_of("a comment\n" + certificate_of(KEY, 365))
    assert (held.from_ms, held.until_ms) == (ms(MADE), ms(MADE + timedelta(days=365)))


@pytest.mark.parametrize(
    "text", ["", "x", pem_of(KEY), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_what_is_no_certificate_is_refused_without_being_quoted(text):
    with pytest.raises(ValueError, match=r"^not a certificate in PEM$") as told:
        validity_of(text)
    assert told.value.__suppress_context__


def jwt(claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJIUzI1NiJ9.{body}.c2lnbmF0dXJl"


def test_a_token_may_say_when_it_ends():
    assert jwt_end_ms(jwt({"exp": 1_800_000_000, "uid": 1})) == 1_800_000_000_000
    assert jwt_end_ms(jwt({"exp": 1_800_000_000.5})) == 1_800_000_000_500


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a" * 32,
        "a.b",
        "a.b.c",
        "é.é.é",
        "a." + "b" * 20_000 + ".c",
        jwt([]),
        jwt({}),
        *(jwt({"exp": exp}) for exp in (None, True, "1800000000", 0, -1, 1e300, float("inf"), [1])),
    ],
)
def test_what_says_nothing_of_its_end_is_not_guessed_at(token):
    assert jwt_end_ms(token) is None


def test_netsuite_reads_the_end_from_the_certificate():
    assert netsuite_expiries(netsuite()) == ()
    (told,) = netsuite_expiries(netsuite(certificate=certificate_of(KEY, 365)))
    assert (told.what, told.at_ms, told.known_by) == (
        "certificate",
        ms(MADE + timedelta(days=365)),
        "the certificate",
    )


def test_netsuite_shortens_a_certificate_to_two_years():
    (told,) = netsuite_expiries(netsuite(certificate=certificate_of(KEY, 731)))
    assert (told.at_ms, told.known_by) == (ms(MADE + timedelta(days=730)), "NetSuite's two years")


def test_what_netsuite_shows_goes_before_what_the_certificate_says():
    day = date(2027, 1, 31)
    (told,) = netsuite_expiries(netsuite(certificate=certificate_of(KEY, 365), certificate_expires=day))
    assert (told.at_ms, told.known_by) == (ms(datetime(2027, 1, 31, tzinfo=UTC)), "certificate_expires")


def test_a_certificate_of_another_key_is_refused_at_the_start():
    with pytest.raises(Misconfigured, match=r"netsuite\.certificate is not the one of netsuite\.private_key"):
        netsuite_expiries(netsuite(certificate=certificate_of(OTHER, 365)))
    with pytest.raises(Misconfigured, match=r"netsuite\.certificate is not a certificate in PEM"):
        netsuite_expiries(netsuite(certificate="-----"))


def test_a_file_that_holds_the_key_as_well_is_read_and_never_shown():
    settings = netsuite(certificate=pem_of(KEY) + certificate_of(KEY, 365))
    assert [one.known_by for one in netsuite_expiries(settings)] == ["the certificate"]
    assert "PRIVATE" not in repr(settings) and "PRIVATE" not in repr(netsuite_expiries(settings))


def test_signatures_of_netsuite_do_not_end():
    assert netsuite_expiries(netsuite(auth="tba", certificate_expires=date(2027, 1, 31))) == ()


def test_an_administrators_token_that_is_kept_as_a_bearer_token_ends():
    at = {"base_url": "https://shop.example.com", "auth": "bearer"}
    settings = AdobeCommerceSettings(**at, access_token=jwt({"exp": 1_800_000_000}))
    assert [(one.what, one.at_ms) for one in adobe_expiries(settings)] == [
        ("access token", 1_800_000_000_000)
    ]
    assert adobe_expiries(AdobeCommerceSettings(**at, access_token="a" * 32)) == ()


CONFIG = """
routes = []
[alerts]
expires = { shop = 2027-03-01 }
[systems.erp]
connector = "business_central"
tenant = "11111111-2222-4333-8444-555555555555"
company_id = "66666666-2222-4333-8444-555555555555"
client_id = "a client"
client_secret = "a secret"
client_secret_expires = 2027-01-31
web_customer = "WEB"
[systems.shop]
connector = "shopify"
shop = "made-up.myshopify.com"
access_token = "shpat_made_up"
[systems.partner]
connector = "files"
folder = "s3://bucket/prefix"
spool = "/srv/spool"
access_key = "a"
secret_key = "b"
session_token = "c"
session_token_expires = 2026-03-02T20:00:00Z
[[systems.partner.reads]]
kind = "items"
path = "in"
pattern = "*.csv"
columns = [{ name = "SKU", field = "sku" }]
"""


def systems_of(text: str = CONFIG, clock=None):
    return open_systems(parse(text), clock or StillClock(), Random(1), None)


def test_what_does_not_tell_its_end_is_told_by_the_configuration():
    found = [(one.system, one.what, one.at_ms, one.known_by) for one in endings_of(systems_of(), NOW_MS)]
    assert found == [
        ("partner", "session token", ms(datetime(2026, 3, 2, 20, tzinfo=UTC)), "session_token_expires"),
        ("erp", "client secret", midnight_ms(date(2027, 1, 31)), "client_secret_expires"),
        ("shop", "credential", midnight_ms(date(2027, 3, 1)), "[alerts.expires]"),
    ]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("client_secret_expires = 2027-01-31", 'client_secret_expires = "soon"'),
        ("session_token_expires = 2026-03-02T20:00:00Z", "session_token_expires = 2026-03-02T20:00:00"),
    ],
)
def test_an_end_that_is_no_moment_is_refused(line, wrong):
    assert line in CONFIG
    with pytest.raises(Misconfigured, match=r"client_secret_expires|session_token_expires"):
        parse(CONFIG.replace(line, wrong))


def test_a_system_cannot_fill_the_screen():
    many = tuple(Expiry(f"key {n}", n, "x") for n in range(1_000))
    system = replace(systems_of()[0], expiries=lambda: many)
    assert len(endings_of([system], 0)) == ENDINGS_MAX


# --- it is told in time -------------------------------------------------------------------------------------


@pytest.fixture
async def site():
    made = await make_site()
    made.clock.at_ms = NOW_MS
    return made


def expires(site, *expiries: Expiry, of: str = "erp") -> None:
    site.engine.systems[of] = replace(site.engine.systems[of], expiries=lambda: expiries)
    site.app.site.snapshots.forget()


async def told(site, **more) -> list:
    site.app.site.snapshots.forget()
    status = await site.app.site.snapshots.status()
    return [one for one in conditions(status, Trends(), **more) if one.kind == "credential_expiring"]


async def test_it_is_told_thirty_days_before_and_not_a_moment_sooner(site):
    end_ms = NOW_MS + 30 * DAY_MS
    expires(site, Expiry("certificate", end_ms, "the certificate", "Upload a new one."))
    assert await told(site) == []
    site.clock.at_ms += 1
    (one,) = await told(site)
    assert (one.key, one.severity) == ("credential_expiring/erp", "warning")
    assert one.title == "The certificate of erp ends in 29 d 23 h"
    assert one.mend.startswith("Upload a new one.")
    site.clock.at_ms = end_ms - 3 * DAY_MS
    assert [each.severity for each in await told(site)] == ["warning"]
    site.clock.at_ms += 1
    assert [each.severity for each in await told(site)] == ["critical"]
    site.clock.at_ms = end_ms
    assert [each.title for each in await told(site)] == ["The certificate of erp has ended"]


async def test_how_long_before_is_the_owners_to_say(site):
    expires(site, Expiry("client secret", NOW_MS + 10 * DAY_MS, "the configuration"))
    assert await told(site, expires_within_ms=10 * DAY_MS) == []
    assert len(await told(site, expires_within_ms=10 * DAY_MS + 1)) == 1


async def test_one_alert_tells_of_all_that_ends_at_a_system(site):
    expires(
        site,
        Expiry("client secret", NOW_MS + 9 * DAY_MS, "the configuration"),
        Expiry("certificate", NOW_MS + 2 * DAY_MS, "the certificate"),
        Expiry("password", NOW_MS + 90 * DAY_MS, "the configuration"),
    )
    (one,) = await told(site)
    assert (one.title, one.severity) == ("The certificate of erp ends in 2 d", "critical")
    assert one.stake.endswith("The client secret ends in 9 d.")
    assert "orders:shop->erp" in one.stake


# --- it is shown --------------------------------------------------------------------------------------------


async def test_everybody_sees_when_a_credential_ends(site):
    expires(site, Expiry("certificate", NOW_MS + 12 * DAY_MS, "the certificate", "Upload a new one."))
    viewer = Client(site.app, site.tokens["viewer"])
    page = (await viewer.get("/system")).text
    assert "erp · certificate" in page and "in 12 d" in page and "Upload a new one." in page
    (ending,) = (await viewer.get("/v1/status")).json()["endings"]
    assert (ending["system"], ending["what"], ending["at_ms"], ending["left_ms"]) == (
        "erp",
        "certificate",
        NOW_MS + 12 * DAY_MS,
        12 * DAY_MS,
    )
    scrape = (await viewer.get("/metrics")).text
    line = 'syncline_credential_end_timestamp_seconds{system="erp",what="certificate"} '
    assert float(scrape.partition(line)[2].split()[0]) == (NOW_MS + 12 * DAY_MS) / 1000


async def test_the_command_says_when_each_credential_ends(site):
    expires(site, Expiry("certificate", midnight_ms(date(2027, 1, 31)), "the certificate"))
    site.clock.at_ms = midnight_ms(date(2027, 1, 19))
    lines = list(tell.status((await Client(site.app, site.tokens["viewer"]).get("/v1/status")).json()))
    assert "the certificate of erp ends in 12 d: 2027-01-31 00:00:00 UTC, says the certificate" in lines


async def test_a_credential_of_next_year_is_no_warning_on_the_page(site):
    expires(site, Expiry("certificate", NOW_MS + 300 * DAY_MS, "the certificate", "Upload a new one."))
    page = (await Client(site.app, site.tokens["viewer"]).get("/system")).text
    assert "erp · certificate" in page and "Upload a new one." not in page


@pytest.mark.parametrize(("left_days", "ok"), [(31, True), (29, False), (-1, False)])
async def test_check_says_what_ends_and_how_to_mend_it(left_days, ok):
    clock = StillClock()
    clock.at_ms = midnight_ms(date(2027, 1, 31)) - left_days * DAY_MS
    one = CONFIG.partition("[systems.shop]")[0].replace("shop = 2027-03-01", "")
    config = parse(one)
    found = [each async for each in check_systems(config, clock, Random(1), Refusing())]
    (ending,) = [each for each in found if "client secret" in each.what and "2027-01-31" in each.what]
    assert ending.ok is ok
    assert ("client_secret_expires" in ending.mend) is not ok


class Refusing:
    """Entra does not answer."""

    async def send(self, request):
        raise OutcomeUnknown("no answer")
