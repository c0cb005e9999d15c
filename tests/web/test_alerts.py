"""Alerts on the screen, in the API and the metrics; the ways out against stand-ins that speak the real protocols."""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from ipaddress import ip_address

import msgspec
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.web.support import NOW_MS, Client, StillClock, make_site

from syncline.engine.alerts.book import Book
from syncline.engine.alerts.conditions import condition
from syncline.engine.alerts.messages import message_of, trial
from syncline.engine.alerts.watch import Watch
from syncline.engine.alerts.ways import WebhookWay, secret_bytes, signature
from syncline.model.errors import Misconfigured, OutcomeUnknown, Rejected, Retryable
from syncline.ports import Response, Write
from syncline.runtime.config import parse
from syncline.runtime.mail import MailWay, Smtp
from syncline.web.metrics import exposition

DOWN = condition(
    "system_down", "erp", "erp does not answer", "14 orders wait.", mend="Look at its status page."
)
LATE = condition("behind", "erp", "14 changes for erp are past the deadline", causes=("system_down/erp",))
KEY = b"a key of thirty bytes or longer"


def wrong(site, *found):
    """Let the book see something long enough."""
    for second in range(0, 70, 10):
        site.app.site.watch.book.look(found or (DOWN, LATE), NOW_MS + second * 1000, float(second))


@pytest.fixture
async def site():
    return await make_site()


# --- screen, API, metrics -----------------------------------------------------------------------------------


async def test_the_overview_shows_open_alerts_and_nothing_without_any(site):
    viewer = Client(site.app, site.tokens["viewer"])
    calm = (await viewer.get("/")).text
    assert 'data-part="alerts" aria-label="Open alerts"></section>' in calm
    wrong(site)
    page = (await viewer.get("/")).text
    assert "1 alert open" in page
    assert "erp does not answer" in page
    assert re.search(r'data-part="alerts-count">1<', page)


async def test_the_page_says_what_is_at_stake_and_what_to_do(site):
    viewer = Client(site.app, site.tokens["viewer"])
    assert "No alert is open." in (await viewer.get("/alerts")).text
    wrong(site)
    page = (await viewer.get("/alerts")).text
    for words in ("14 orders wait.", "Look at its status page.", "14 changes for erp are past the deadline"):
        assert words in page
    assert "I look after it" not in page  # a viewer looks only


async def test_an_operator_looks_after_an_alert_and_that_is_recorded(site):
    wrong(site)
    operator = Client(site.app, site.tokens["operator"])
    assert "I look after it" in (await operator.get("/alerts")).text
    answer = await operator.post("/v1/alerts/ack", {"key": "system_down/erp"})
    assert answer.status == 200
    assert answer.json()["acknowledged_by"] == "Otto"
    assert "Otto looks after it" in (await operator.get("/alerts")).text
    (entry,) = await site.operations.audit.newest(limit=1)
    assert (entry.actor, entry.action, entry.subject) == ("Otto", "alert_acknowledged", "system_down/erp")
    assert (await operator.post("/v1/alerts/ack", {"key": "system_down/none"})).status == 404
    viewer = Client(site.app, site.tokens["viewer"])
    assert (await viewer.post("/v1/alerts/ack", {"key": "system_down/erp"})).status == 403


async def test_the_api_tells_open_and_ended_alerts_and_the_ways(site):
    wrong(site)
    viewer = Client(site.app, site.tokens["viewer"])
    found = (await viewer.get("/v1/alerts")).json()
    assert [alert["key"] for alert in found["open"]] == ["system_down/erp"]
    assert found["open"][0]["symptoms"] == ["14 changes for erp are past the deadline"]
    site.app.site.watch.book.look((), NOW_MS + 900_000, 900.0)
    found = (await viewer.get("/v1/alerts")).json()
    assert found["open"] == []
    assert [alert["event"] for alert in found["closed"]] == ["closed"]
    assert found["ways"] == []


def names_of(expression: str) -> set[str]:
    return set(re.findall(r"\bsyncline_\w+", expression))


async def test_the_rule_file_uses_only_metrics_that_a_scrape_shows(site):
    rules = yaml.safe_load((files("syncline.web") / "syncline.rules.yml").read_text())
    site.app.site.watch._trends.look(await site.app.site.snapshots.status(), 1.0, (4 * 10**9, 100 * 10**9))
    scrape = exposition(await site.app.site.snapshots.status(), site.app.site.watch).decode()
    shown = set(re.findall(r"^# TYPE (\S+)", scrape, re.MULTILINE))
    seen = 0
    for group in rules["groups"]:
        for rule in group["rules"]:
            names = names_of(rule["expr"]) | {"up"} & set(re.findall(r"\w+", rule["expr"]))
            assert names, rule["alert"]
            assert names <= shown | {"up"}, rule["alert"]
            assert rule["expr"].count("(") == rule["expr"].count(")"), rule["alert"]
            for label in re.findall(r"\$labels\.(\w+)", str(rule["annotations"])):
                sample = re.search(rf"^{next(iter(sorted(names)))}\{{(.*)\}}", scrape, re.MULTILINE)
                if sample is not None:
                    assert f'{label}="' in sample[1], rule["alert"]
            assert rule["labels"]["severity"] in ("critical", "warning")
            assert rule["annotations"]["summary"]
            assert rule["annotations"]["description"]
            seen += 1
    assert seen == 22


async def test_every_kind_of_alert_that_rules_name_exists(site):
    text = (files("syncline.web") / "syncline.rules.yml").read_text()
    named = re.search(r'kind=~"([^"]+)"', text)[1].split("|")
    scrape = exposition(await site.app.site.snapshots.status(), site.app.site.watch).decode()
    for kind in named:
        assert f'syncline_alerts{{kind="{kind}",severity="warning"}} 0.0' in scrape


async def test_open_alerts_are_a_metric(site):
    wrong(site)
    scrape = exposition(await site.app.site.snapshots.status(), site.app.site.watch).decode()
    assert 'syncline_alerts{kind="system_down",severity="critical"} 1.0' in scrape
    assert 'syncline_alerts{kind="behind",severity="warning"} 0.0' in scrape


# --- webhook ------------------------------------------------------------------------------------------------


def test_a_signature_is_that_of_the_published_scheme():
    # The example of the Standard Webhooks specification.
    key = secret_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", ["", "short", "whsec_c2hvcnQ=", "whsec_no base64 at all!"])
def test_a_secret_that_protects_nothing_is_refused(secret):
    with pytest.raises(Misconfigured, match=r"alerts\.webhook\.secret"):
        secret_bytes(secret)


class Answers:
    def __init__(self, status: int, body: bytes = b"") -> None:
        self.answer = Response(status, {}, body)
        self.requests = []

    async def send(self, request):
        self.requests.append(request)
        return self.answer


@pytest.mark.parametrize(
    ("status", "error"),
    [(200, None), (204, None), (400, Rejected), (401, Rejected), (429, Retryable), (503, Retryable)],
)
async def test_an_answer_is_sorted_by_what_to_do_next(status, error):
    transport = Answers(status, b"because\x1b of this")
    way = WebhookWay(transport, StillClock(), url="https://pager.example.com/x", key=KEY)
    message = trial(NOW_MS, "t1")
    if error is None:
        assert await way.send(message) == f"HTTP {status}"
    else:
        with pytest.raises(error, match=f"HTTP {status}"):
            await way.send(message)
    (request,) = transport.requests
    assert request.headers["webhook-id"] == message.id
    assert msgspec.json.decode(request.body)["event"] == "test"


# --- e-mail, over a socket ----------------------------------------------------------------------------------


def certificate() -> tuple[bytes, bytes]:
    """A certificate for this machine that only this test trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)  # noqa: TID251 (the peer's TLS library asks the real clock)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(pem), secret


class MailServer:
    """As much of SMTP (RFC 5321) as a client needs: EHLO, STARTTLS, AUTH, one mail after the other."""

    def __init__(
        self, folder, *, tls: bool, recipients: str = "250 ok", data: str = "250 queued as 77"
    ) -> None:
        cert, key = certificate()
        (folder / "c.pem").write_bytes(cert)
        (folder / "k.pem").write_bytes(key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "c.pem", folder / "k.pem")
        self.trusted = ssl.create_default_context(cadata=cert.decode())
        self.tls, self.recipients, self.data = tls, recipients, data
        self.mails: list[str] = []
        self.logins: list[str] = []
        self.secured = False

    async def __aenter__(self):
        self.server = await asyncio.start_server(
            self.serve, "127.0.0.1", 0, ssl=self.context if self.tls else None
        )
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def serve(self, reader, writer):
        self.secured = self.tls

        def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())

        say("220 stand-in")
        while line := (await reader.readline()).decode().strip():
            word = line.split(" ")[0].upper()
            if word == "EHLO":
                say("250-stand-in" if self.secured else "250-stand-in\r\n250-STARTTLS")
                say("250 AUTH PLAIN")
            elif word == "STARTTLS":
                say("220 go on")
                await writer.drain()
                await writer.start_tls(self.context)
                self.secured = True
            elif word == "AUTH":
                assert self.secured
                self.logins.append(base64.b64decode(line.split(" ")[2]).decode())
                say("235 welcome" if self.logins[-1].endswith("right") else "535 wrong")
            elif word == "RCPT":
                say(self.recipients)
            elif word == "DATA":
                say("354 go on")
                mail = (await reader.readuntil(b"\r\n.\r\n")).decode()
                self.mails.append(mail)
                say(self.data)
            elif word == "QUIT":
                say("221 bye")
                break
            else:
                say("250 ok")
        writer.close()


def sent_by(server, security: str, **login) -> MailWay:
    post = Smtp("127.0.0.1", server.port, security=security, context=server.trusted, **login)
    return MailWay(post, sender="Syncline <sync@example.com>", recipients=["a@example.com", "b@example.com"])


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
async def test_a_mail_arrives(tmp_path, security):
    login = {} if security == "none" else {"user": "sync", "password": "right"}
    async with MailServer(tmp_path, tls=security == "tls") as server:
        said = await sent_by(server, security, **login).send(trial(NOW_MS, "t1"))
        assert server.secured is (security != "none")
    assert said == "taken by 127.0.0.1"
    (mail,) = server.mails
    assert "Subject: [Syncline] test: This is a test of Syncline's alerts" in mail
    assert "Message-ID: <t1.1@example.com>" in mail
    assert "Auto-Submitted: auto-generated" in mail
    assert "Nothing is wrong." in mail
    assert server.logins == ([] if security == "none" else ["\0sync\0right"])


async def test_a_server_without_a_trusted_certificate_gets_no_password(tmp_path):
    async with MailServer(tmp_path, tls=False) as server:
        server.trusted = ssl.create_default_context()
        with pytest.raises(Retryable, match=r"(?i)certificate"):
            await sent_by(server, "starttls", user="sync", password="right").send(trial(NOW_MS, "t1"))
    assert server.logins == []
    assert server.mails == []


@pytest.mark.parametrize(
    ("answers", "password", "error"),
    [
        ({"recipients": "550 unknown"}, "right", Rejected),
        ({"recipients": "451 later"}, "right", Retryable),
        ({"data": "554 spam"}, "right", Rejected),
        ({"data": "451 later"}, "right", Retryable),
        ({}, "wrong", Retryable),
    ],
)
async def test_what_a_server_refuses_is_sorted(tmp_path, answers, password, error):
    async with MailServer(tmp_path, tls=False, **answers) as server:
        with pytest.raises(error):
            await sent_by(server, "starttls", user="sync", password=password).send(trial(NOW_MS, "t1"))


async def test_a_server_that_is_not_there_is_tried_again_later():
    with pytest.raises(Retryable):
        await Smtp("127.0.0.1", 1, security="none")(
            MailWay(None, sender="a@example.com", recipients=["b@example.com"]).mail(trial(NOW_MS, "t1"))
        )


def test_messages_of_one_alert_are_a_thread_and_no_title_breaks_a_header():
    book = Book(lambda: "id1")
    found = condition("system_down", "erp", "erp does\nnot answer\r\nBcc: everybody@example.com")
    for second in (0, 10, 20, 30):
        book.look((found,), NOW_MS, float(second))
    way = MailWay(None, sender="sync@example.com", recipients=["a@example.com"])
    first = way.mail(message_of(book.entries[0]))
    assert first["Bcc"] is None
    assert first["Subject"] == "[Syncline] erp does not answer Bcc: everybody@example.com"
    assert first["In-Reply-To"] is None
    for second in range(40, 200, 10):
        book.look((), NOW_MS + second * 1000, float(second))
    last = way.mail(message_of(book.entries[0]))
    assert last["In-Reply-To"] == first["Message-ID"]


# --- looking ----------------------------------------------------------------------------------------------


async def test_a_look_that_fails_does_not_end_the_looking(site, monkeypatch):
    watch = Watch(site.engine)
    looks = []

    async def bad() -> None:
        looks.append(len(looks))
        raise RuntimeError("a bug")

    monkeypatch.setattr(watch, "look", bad)
    task = asyncio.ensure_future(watch.run())
    for _ in range(200):
        await asyncio.sleep(0)  # noqa: TID251 (lets tasks run; no time passes)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(looks) >= 3


async def test_a_book_of_another_version_is_begun_anew(site):
    row = {"system": "syncline", "stream": "alerts", "position": '{"entries": 7}', "covers_ms": 0}
    await site.store.write(Write("cursor_put", [row]))
    watch = Watch(site.engine)
    assert await watch._load()
    assert watch.book.entries == []


async def test_a_store_that_does_not_answer_is_told(site, monkeypatch):
    async def deaf(statement, **parameters):
        raise Retryable("the disk is full")

    watch = Watch(site.engine)
    monkeypatch.setattr(site.store, "read", deaf)
    assert not await watch._load()
    for _ in range(4):
        await watch.look()
        site.clock.at_ms += 10_000
    (entry,) = watch.book.open()
    assert entry.key == "store/store"
    assert "the disk is full" in entry.mend


# --- telling ------------------------------------------------------------------------------------------------


class Sulking:
    name = "sulking"

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.told: list[str] = []

    async def send(self, message):
        self.told.append(message.id)
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        return "taken"


async def told_by(site, way, looks: int = 400) -> None:
    """Let a watch with this way run for a while on its own clock."""
    watch = Watch(site.engine, [way])
    task = asyncio.ensure_future(watch._tell(watch._roads[0]))
    watch.book.look((DOWN,), NOW_MS, 0.0)
    watch.book.look((DOWN,), NOW_MS, 30.0)
    for _ in range(looks):
        watch._roads[0].signal.set()
        await asyncio.sleep(0)  # noqa: TID251 (lets tasks run; no time passes)
    task.cancel()
    site.watched = watch


async def test_a_message_is_tried_again_until_it_is_taken_with_the_same_id(site):
    way = Sulking(Retryable("no"), OutcomeUnknown("perhaps"), RuntimeError("a bug"))
    await told_by(site, way)
    assert len(way.told) == 4
    assert len(set(way.told)) == 1
    assert site.watched.ways()[0].sent == 1
    assert site.watched.ways()[0].failing_since_ms == 0


async def test_a_message_that_is_refused_again_and_again_is_given_up(site):
    way = Sulking(*[Rejected("never")] * 9)
    await told_by(site, way)
    assert len(way.told) == 3
    (status,) = site.watched.ways()
    assert (status.waiting, status.last_error) == (0, "never")
    assert status.failing_since_ms


# --- configuration ------------------------------------------------------------------------------------------

BASE = '[systems.erp]\nconnector = "netsuite"\naccount = "1"\nclient_id = "a"\ncertificate_id = "b"\nprivate_key = "c"\n'


def test_alerts_are_configured(monkeypatch):
    text = (
        "routes = []\n"
        + BASE
        + '[alerts]\nrepeat = "2h"\nexpires = { erp = 2027-05-31 }\nexpires_within = "14d"\n'
        '[alerts.email]\nhost = "mail.example.com"\nfrom = "s@example.com"\nto = ["o@example.com"]\n'
        'user = "u"\npassword = "env:MAIL"\n'
        '[alerts.webhook]\nurl = "https://pager.example.com"\nsecret = "env:HOOK"\n'
    )
    config = parse(text, variables={"MAIL": "a password", "HOOK": "x" * 24})
    assert config.watch.repeat_ms == 7_200_000
    assert config.watch.expires_within_ms == 14 * 86_400_000
    assert [way.name for way in config.alerts.ways(StillClock(), Answers(200))] == ["log", "email", "webhook"]
    assert "a password" not in repr(config)
    assert "x" * 24 not in repr(config)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('[alerts]\nrepeat = "1s"', "alerts.repeat"),
        ("[alerts]\nexpires = { shop = 2027-05-31 }", "alerts.expires.shop"),
        ('[alerts.webhook]\nurl = "http://pager.example.com"\nsecret = "xxxxxxxxxxxxxxxxxxxxxxxx"', "https"),
        ('[alerts.webhook]\nurl = "https://pager.example.com"\nsecret = "short"', "secret"),
        ('[alerts.email]\nhost = "m"\nfrom = "s@example.com"\nto = []', "alerts.email.to"),
        ('[alerts.email]\nhost = "m"\nfrom = "nobody"\nto = ["o@example.com"]', "alerts.email.from"),
        (
            '[alerts.email]\nhost = "m"\nfrom = "s@example.com"\nto = ["o@example.com"]\nuser = "u"',
            "user and password",
        ),
        (
            (
                '[alerts.email]\nhost = "m"\nfrom = "s@example.com"\nto = ["o@example.com"]\nsecurity = "none"\n'
                'user = "u"\npassword = "p"'
            ),
            "without TLS",
        ),
        ("[alerts]\nmail = 1", "unknown field"),
    ],
)
def test_a_wrong_configuration_says_what_to_mend(lines, said):
    with pytest.raises(Misconfigured, match=said):
        parse(f"routes = []\n{BASE}{lines}\n", variables={})
