"""Who gets in, who may do what, and what never gets out."""

from __future__ import annotations

import asyncio
import errno
import logging
import re
from pathlib import Path

import pytest
import structlog
from tests.web.support import Client, StillClock, make_site, park_message, park_order
from typer.testing import CliRunner

from syncline.cli import app
from syncline.cli.run import run
from syncline.engine.operations import NotPossible
from syncline.model.errors import Misconfigured
from syncline.ports import Write
from syncline.stores.rewind import rewind_statements
from syncline.web.access import SESSION_MS, Access, Role, hash_token, login_link, private_file
from syncline.web.api import openapi
from syncline.web.app import ENDPOINTS
from syncline.web.serve import way_in

ROLES = tuple(role.name.lower() for role in Role if role is not Role.NOBODY)
OPEN = {("GET", "/login"), ("POST", "/login"), ("GET", "/healthz"), ("GET", "/static/{name}")}
OPEN |= {("POST", "/v1/adobe-commerce/webhooks/{system}/{token}/{gate}")}  # by its signature
SESSION_ONLY = {"/logout"}
CHECKOUT_MAY = OPEN | {
    ("GET", "/v1/availability"),
    ("POST", "/v1/holds"),
    ("GET", "/v1/holds/{reference}"),
    ("POST", "/v1/holds/{reference}/confirm"),
    ("POST", "/v1/holds/{reference}/release"),
    ("POST", "/v1/credit/check"),
    ("GET", "/v1/credit"),
    ("GET", "/v1/credit/{reference}"),
    ("POST", "/v1/credit/{reference}/confirm"),
    ("POST", "/v1/credit/{reference}/release"),
    ("POST", "/v1/prices/query"),
    ("POST", "/v1/routing/quote"),
    ("GET", "/v1/openapi.json"),
    ("POST", "/logout"),
}


@pytest.fixture
async def site():
    made = await make_site()
    made.tokens["checkout"] = await made.access.add("Till", Role.CHECKOUT, by="test")
    return made


async def session(site, role: str) -> Client:
    answer = await Client(site.app).get("/login", query=f"token={site.tokens[role]}")
    assert answer.status == 303
    return Client(site.app, cookie=answer.cookies[0].split(";")[0].partition("=")[2])


async def mark_of(client: Client) -> str:
    return re.search(r'name="csrf" value="([^"]+)"', (await client.get("/")).text)[1]


# --- the matrix: every endpoint, every role ----------------------------------------------------------------


def test_only_what_is_listed_here_is_open_to_everybody():
    assert {(e.method, e.path) for e in ENDPOINTS if e.least is None} == OPEN


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
@pytest.mark.parametrize("role", ["nobody", "forged", *ROLES])
async def test_every_endpoint_with_every_role(site, endpoint, role):
    number = await park_message(site.engine)
    path = endpoint.path.replace("{id:int}", str(number)).replace("{name}", "app.css")
    if path == "/events":
        site.app.stop()  # the stream ends at once; what is asked here is only who gets that far
    token = {"nobody": "", "forged": "x" * 43}.get(role) if role not in ROLES else site.tokens[role]
    answer = await Client(site.app, token).ask(endpoint.method, path)
    if endpoint.least is None:
        assert answer.status in (200, 401)  # 401: an empty token at the login form
    elif role == "checkout" and (endpoint.method, endpoint.path) not in CHECKOUT_MAY:
        assert answer.status == 403
    elif role == "checkout" or (role in ROLES and Role[role.upper()] >= endpoint.least):
        assert answer.status not in (401, 403), answer.text
    elif role in ROLES:
        assert answer.status == 403
    else:
        assert answer.status == (303 if endpoint.page and endpoint.method == "GET" else 401)
    assert_clean(site, answer)


def test_a_checkout_may_what_is_listed_here_and_is_described_so():
    """Its token lies on a shop's web server: what it opens, whoever breaks in there has."""
    paths = openapi("1")["paths"]
    described = {
        (method.upper(), path)
        for path, methods in paths.items()
        for method, told in methods.items()
        if "checkout" in told["description"]
    }
    assert described == {(method, path) for method, path in CHECKOUT_MAY - OPEN if path.startswith("/v1/")}
    assert {(e.method, e.path) for e in ENDPOINTS} >= CHECKOUT_MAY


async def test_a_checkouts_token_opens_no_session(site):
    for ask in (
        Client(site.app).get("/login", query=f"token={site.tokens['checkout']}"),
        Client(site.app).post("/login", f"token={site.tokens['checkout']}".encode()),
    ):
        answer = await ask
        assert answer.status == 403 and not answer.cookies
        assert "opens no page" in answer.text
        assert_clean(site, answer)
    assert "log in" not in {entry.action for entry in await site.operations.audit.newest(limit=50)}


def assert_clean(site, answer) -> None:
    for token in site.tokens.values():
        assert token not in answer.text
    assert "Traceback" not in answer.text


async def test_a_refusal_is_in_the_audit_log(site):
    number = await park_message(site.engine)
    await Client(site.app, site.tokens["viewer"]).post(f"/v1/parked/{number}/discard")
    entry = (await site.operations.audit.newest(limit=1))[0]
    assert (entry.actor, entry.action) == ("Vera", "refused")
    assert entry.subject == "POST /v1/parked/{id:int}/discard"
    assert (await site.operations.show(number)).resolved_at_ms is None


async def test_viewers_do_not_see_what_messages_say(site):
    number = await park_message(site.engine, b'{"email": "someone@example.com"}')
    for path in (f"/v1/parked/{number}", "/v1/parked", f"/parked/{number}", "/parked"):
        assert "someone@" not in (await Client(site.app, site.tokens["viewer"]).get(path)).text
    assert "someone@" in (await Client(site.app, site.tokens["operator"]).get(f"/parked/{number}")).text


# --- login and sessions -----------------------------------------------------------------------------------


async def test_a_token_becomes_a_cookie_that_scripts_cannot_read(site):
    answer = await Client(site.app).get("/login", query=f"token={site.tokens['viewer']}")
    assert answer.headers["location"] == "/"
    cookie = answer.cookies[0]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
    assert site.tokens["viewer"] not in cookie


async def test_behind_https_the_cookie_is_bound_to_it():
    site = await make_site(secure=True, seeded=False)
    answer = await Client(site.app).get("/login", query=f"token={site.tokens['viewer']}")
    assert answer.cookies[0].startswith("__Host-syncline=") and "Secure" in answer.cookies[0]
    assert "strict-transport-security" in answer.headers
    # By the local port there is no https, so a cookie that insists on it would never come back.
    local = await Client(site.app).get(
        "/login", query=f"token={site.tokens['viewer']}", headers={"host": "127.0.0.1:8080"}
    )
    assert local.cookies[0].startswith("syncline=") and "Secure" not in local.cookies[0]


async def test_a_wrong_token_gets_nothing_and_soon_not_even_a_try(site):
    seen = [(await Client(site.app).get("/login", query="token=wrong")).status for _ in range(15)]
    assert seen[0] == 401 and seen[-1] == 429
    assert not (await Client(site.app).get("/login", query="token=wrong")).cookies
    other = await Client(site.app, peer="203.0.113.9").get("/login", query="token=wrong")
    assert other.status == 401  # one source does not lock out another


async def test_guessing_does_not_fill_the_log(site, monkeypatch):
    said = structlog.testing.LogCapture()
    # Whatever level a test before this one configured: its own wrapper, not the configured one.
    heard = structlog.wrap_logger(None, [said], structlog.make_filtering_bound_logger(logging.NOTSET))
    monkeypatch.setattr("syncline.web.site.log", heard)
    for _ in range(100):
        await Client(site.app).get("/login", query="token=wrong")
    assert [line["action"] for line in said.entries] == ["login_refused"] * 10


async def test_a_source_that_a_proxy_names_on_a_line_of_its_own_is_not_what_the_sender_says():
    """HAProxy appends a second header and leaves the sender's own above it."""
    site = await make_site(seeded=False, trusted_proxies=("10.0.0.1",))

    async def guess(count):
        proxy = Client(site.app, peer="10.0.0.1")
        lines = {"X-Forwarded-For": f"192.0.2.{count}", "x-forwarded-for": "198.51.100.9"}
        return (await proxy.get("/login", query="token=wrong", headers=lines)).status

    assert [await guess(count) for count in range(15)][-1] == 429


async def test_a_session_ends(site):
    client = await session(site, "viewer")
    assert (await client.get("/")).status == 200
    site.clock.at_ms += 12 * 3_600_000
    assert (await client.get("/")).status == 303


async def test_a_new_token_ends_old_sessions_and_a_deleted_account_is_gone(site):
    client = await session(site, "operator")
    await site.access.renew("Otto", by="Ada")
    assert (await client.get("/")).status == 303
    assert (await Client(site.app, site.tokens["operator"]).get("/v1/status")).status == 401
    client = await session(site, "viewer")
    await site.access.drop("Vera", by="Ada")
    assert (await client.get("/")).status == 303


async def test_of_two_administrators_who_delete_each_other_one_stays(site):
    token = await site.access.add("Bea", Role.ADMIN, by="Ada")
    both = [Client(site.app, site.tokens["admin"]), Client(site.app, token)]
    asked = zip(both, ("Bea", "Ada"), strict=True)
    answers = await asyncio.gather(*(c.post("/v1/accounts/delete", {"name": name}) for c, name in asked))
    admins = [name for name, role, _ in await site.access.people() if role is Role.ADMIN]
    assert len(admins) == 1, answers
    with pytest.raises(NotPossible, match="is the only administrator"):
        await site.access.drop(admins[0], by="test")


async def test_a_changed_role_counts_at_once(site):
    client = await session(site, "admin")
    cookie = client.cookie
    rows = await site.store.read("accounts")
    hash_ = next(row[2] for row in rows if row[0] == "Ada")
    await site.store.write(
        Write("account_put", [{"name": "Ada", "role": "viewer", "token_hash": hash_, "now_ms": 0}])
    )
    assert (await Client(site.app, cookie=cookie).get("/v1/accounts")).status == 403


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c: c[:-1] + ("A" if c[-1] != "A" else "B"),
        lambda c: "e" + c,
        lambda c: c.split(".")[0],
        lambda c: "." + c.split(".")[1],
        lambda c: "",
        lambda c: "é.é",
        lambda c: "a.b.c",
        lambda c: c.replace(".", ""),
    ],
)
async def test_no_cookie_but_the_signed_one(site, spoil):
    client = await session(site, "admin")
    client.cookie = spoil(client.cookie)
    assert (await client.get("/v1/status")).status == 401


# --- CSRF ---------------------------------------------------------------------------------------------------


async def test_a_change_needs_the_mark_of_this_session(site):
    number = await park_order(site.engine)
    client, other = await session(site, "operator"), await session(site, "operator")
    mine, foreign = await mark_of(client), await mark_of(other)
    assert mine != foreign
    for body in (b"", b"csrf=", b"csrf=x", f"csrf={foreign}".encode(), b"\xff=\xfe"):
        answer = await client.post(f"/parked/{number}/release", body)
        assert answer.status in (400, 403)
    assert (await client.post(f"/parked/{number}/release", f"csrf={mine}".encode())).status == 303


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://syncline.test.evil.example", "http://[", "syncline.test"],
)
async def test_a_change_from_another_site_is_refused(site, origin):
    number = await park_order(site.engine)
    client = await session(site, "operator")
    body = f"csrf={await mark_of(client)}".encode()
    answer = await client.post(f"/parked/{number}/release", body, headers={"origin": origin})
    assert answer.status == 403


async def test_a_bearer_token_needs_no_mark_and_a_cookie_on_the_api_does(site):
    number = await park_order(site.engine)
    client = await session(site, "operator")
    assert (await client.post(f"/v1/parked/{number}/release")).json()["error"]["code"] == "csrf"
    header = {"x-csrf-token": await mark_of(client)}
    assert (await client.post("/v1/replay", {"sku": "MUG-01"}, headers=header)).status == 200
    assert (
        await Client(site.app, site.tokens["operator"]).post(f"/v1/parked/{number}/release")
    ).status == 200


async def test_nobody_is_logged_in_from_another_site(site):
    body = f"token={site.tokens['viewer']}".encode()
    answer = await Client(site.app).post("/login", body, headers={"sec-fetch-site": "cross-site"})
    assert answer.status == 403 and not answer.cookies


async def test_nobody_is_logged_in_by_a_link_of_another_site(site):
    link = f"token={site.tokens['viewer']}"
    answer = await Client(site.app).get("/login", query=link, headers={"sec-fetch-site": "cross-site"})
    assert answer.status == 403 and not answer.cookies
    assert 'name="token"' in answer.text
    assert_clean(site, answer)
    assert (await Client(site.app).get("/login", query=link, headers={"sec-fetch-site": "none"})).cookies


async def test_who_is_not_logged_in_cannot_fill_the_memory(site):
    taken: list[int] = []

    def piece(size: int):
        async def arrive():
            taken.append(size)
            return b"x" * size

        return arrive

    answer = await Client(site.app).post("/login", chunks=[piece(3_000) for _ in range(4_000)])
    assert answer.status == 413 and answer.headers["connection"] == "close"
    assert sum(taken) < 10_000


async def test_a_body_that_does_not_arrive_is_not_waited_for(site):
    async def never():
        await asyncio.Event().wait()

    for path, token in (("/login", ""), ("/v1/replay", site.tokens["operator"])):
        answer = await Client(site.app, token).post(path, chunks=[b"{", never])
        assert answer.status == 408 and answer.headers["connection"] == "close"


async def test_what_needs_no_account_asks_for_no_token(site):
    """A vendor's question may carry a token of the vendor's own; it is judged by its signature."""
    stranger = Client(site.app, "a token of somebody else")
    for path in ("/healthz", "/static/app.css"):
        assert [(await stranger.get(path)).status for _ in range(15)] == [200] * 15
    for _ in range(15):
        answer = await stranger.post("/v1/adobe-commerce/webhooks/shop/x/credit")
        assert answer.json()["error"]["code"] == "refused"


async def test_login_by_form_and_logout(site):
    answer = await Client(site.app).post("/login", f"token={site.tokens['viewer']}".encode())
    assert answer.status == 303
    client = Client(site.app, cookie=answer.cookies[0].split(";")[0].partition("=")[2])
    answer = await client.post("/logout", f"csrf={await mark_of(client)}".encode())
    assert answer.status == 303 and 'syncline=""' in answer.cookies[0]


async def test_a_session_that_was_logged_out_of_is_over_for_whoever_has_its_cookie(site):
    client, other = await session(site, "operator"), await session(site, "operator")
    copied = Client(site.app, cookie=client.cookie)
    assert (await copied.get("/v1/status")).status == 200
    assert (await client.post("/logout", f"csrf={await mark_of(client)}".encode())).status == 303
    assert (await copied.get("/v1/status")).status == 401
    assert (await other.get("/v1/status")).status == 200
    entry = (await site.operations.audit.newest(limit=1))[0]
    assert (entry.actor, entry.action) == ("Otto", "log out")
    site.clock.at_ms += SESSION_MS
    again = await session(site, "operator")
    await again.post("/logout", f"csrf={await mark_of(again)}".encode())
    ended = [await site.store.read("session_ended", hash=hash_token(c.cookie)) for c in (client, again)]
    assert [len(rows) for rows in ended] == [0, 1]  # what is over by itself is not remembered


async def test_a_session_that_was_ended_is_dead_after_a_restart_too(site):
    client, other = await session(site, "operator"), await session(site, "viewer")
    dropped = await session(site, "admin")
    assert (await client.post("/logout", f"csrf={await mark_of(client)}".encode())).status == 303
    await site.access.add("Bea", Role.ADMIN, by="test")
    await site.access.drop("Ada", by="test")
    await site.access.add("Ada", Role.ADMIN, by="test")  # of the same name, by another token
    again = await make_site(store=site.store, seeded=False, accounts=False)
    status = [
        (await Client(again.app, cookie=c.cookie).get("/v1/status")).status for c in (client, dropped, other)
    ]
    assert status == [401, 401, 200]


async def test_after_a_restore_everybody_logs_in_again(site):
    """A backup does not know who logged out after it was taken."""
    client = await session(site, "operator")
    site.clock.at_ms += 60_000
    for sql in rewind_statements(restored_at_ms=site.clock.now_ms(), taken_at_ms=0):
        site.store._connection.execute(sql)
    site.clock.at_ms += 60_000
    again = await make_site(site.clock, store=site.store, seeded=False, accounts=False)
    assert (await Client(again.app, cookie=client.cookie).get("/v1/status")).status == 401
    again.tokens = site.tokens
    assert (await (await session(again, "operator")).get("/v1/status")).status == 200


async def test_the_store_keeps_no_cookie_that_was_ended(site):
    client = await session(site, "operator")
    await client.post("/logout", f"csrf={await mark_of(client)}".encode())
    signature = client.cookie.partition(".")[2]
    assert signature.encode() not in site.store._connection.serialize("main")


# --- headers, secrets, names -------------------------------------------------------------------------------


async def test_every_answer_forbids_what_is_not_needed(site):
    for path in ("/login", "/v1/status", "/nowhere", "/static/app.css", "/healthz"):
        headers = (await Client(site.app).get(path)).headers
        policy = headers["content-security-policy"]
        assert (
            "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        )
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == ("public, max-age=3600" if "static" in path else "no-store")


async def test_pages_carry_no_inline_script_or_style_and_nothing_from_elsewhere(site):
    client = Client(site.app, site.tokens["admin"])
    number = await park_message(site.engine)
    for path in ("/", "/parked", f"/parked/{number}", "/search?q=TEE-RED-M", "/system", "/login"):
        text = (await client.get(path)).text
        assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|<style|\son\w+=|javascript:", text)
        assert re.findall(r'(?:src|href|action)="(?!/|#)[^"]*"', text) == []


async def test_the_store_holds_no_token(site):
    dump = "\n".join(str(row) for row in await site.store.read("accounts"))
    dump += "\n".join(str(entry) for entry in await site.operations.audit.newest(limit=500))
    for token in site.tokens.values():
        assert token not in dump


@pytest.mark.parametrize("name", ["", "<b>", "a\nb", "x" * 65, "../etc", "a\x00"])
async def test_names_that_cannot_be_shown_safely_are_refused(site, name):
    with pytest.raises(Misconfigured):
        await site.access.add(name, Role.VIEWER, by="Ada")


def test_short_secrets_are_refused():
    for secret in (b"", b"x" * 23):
        with pytest.raises(Misconfigured):
            Access(None, StillClock(), None, secret=secret, token_bytes=bytes)
    with pytest.raises(Misconfigured):
        Access(None, StillClock(), None, secret=b"x" * 32, token_bytes=bytes, metrics_token="short")


# --- the first start ---------------------------------------------------------------------------------------


async def test_the_first_start_writes_one_token_for_its_owner_only(tmp_path: Path):
    site = await make_site(seeded=False)
    await site.store.write(
        Write("account_drop", [{"name": name} for name, _, _ in await site.access.people()])
    )
    file = tmp_path / "syncline.token"
    token = await site.access.first_start(file)
    assert len(token) == 43 and file.read_text().strip() == token
    assert file.stat().st_mode & 0o777 == 0o600
    assert await site.access.first_start(file) == ""
    assert (await Client(site.app, token).get("/v1/accounts")).status == 200
    assert login_link("http://127.0.0.1:8080/", "a+b") == "http://127.0.0.1:8080/login?token=a%2Bb"


@pytest.mark.parametrize("content", ["", "\n", "abc"])
async def test_a_token_file_that_was_cut_off_lets_nobody_in(tmp_path: Path, content):
    """A full disk or a death may leave the file without its token; an empty form would have been the key."""
    site = await make_site(seeded=False)
    await site.store.write(
        Write("account_drop", [{"name": name} for name, _, _ in await site.access.people()])
    )
    file = tmp_path / "syncline.token"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(Misconfigured, match="delete it"):
        await site.access.first_start(file)
    assert await site.access.people() == []
    file.unlink()
    assert len(await site.access.first_start(file)) == 43


async def test_no_token_is_nobodys_whatever_the_store_says(site):
    row = {"name": "admin", "role": "admin", "token_hash": hash_token(""), "now_ms": 0}
    await site.store.write(Write("account_put", [row]))
    answer = await Client(site.app).post("/login", b"token=")
    assert answer.status == 401 and not answer.cookies


def test_no_token_is_said_where_another_program_keeps_what_is_said(tmp_path, monkeypatch):
    file = tmp_path / "syncline.token"
    file.write_text("t0ken\n")
    assert way_in("http://h", file, terminal=True) == "Log in: http://h/login?token=t0ken"
    assert way_in("http://h", file, terminal=False) == f"Log in at http://h/login with the token in {file}"
    asked = []

    async def serve(config, **how):
        asked.append(how["terminal"])

    monkeypatch.setattr("syncline.web.serve.serve", serve)
    monkeypatch.setattr("syncline.runtime.config.load", lambda path: None)
    assert CliRunner().invoke(app, ["run"]).exit_code == 0
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    run(shadow=False, routes=None)
    assert asked == [False, True]


def test_a_file_that_a_full_disk_cut_off_is_not_left(tmp_path: Path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Misconfigured, match="cannot be written: No space left"):
        private_file(tmp_path / "secret", lambda: "new")
    monkeypatch.undo()
    assert private_file(tmp_path / "secret", lambda: "newer") == "newer"


def test_a_file_that_others_can_read_is_refused(tmp_path: Path):
    file = tmp_path / "secret"
    file.write_text("known")
    file.chmod(0o644)
    with pytest.raises(Misconfigured, match="chmod 600"):
        private_file(file, lambda: "new")
    file.chmod(0o600)
    assert private_file(file, lambda: "new") == "known"
    with pytest.raises(Misconfigured):
        private_file(tmp_path / "no" / "folder", lambda: "new")
