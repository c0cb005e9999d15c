"""Personal data over HTTP and on the command line: who may ask, what is answered, and what the audit keeps of it."""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

import pytest
from tests.web.support import Client, make_site, order, park_order, record
from typer.testing import CliRunner

from syncline.cli import app, privacy
from syncline.engine.privacy.cases import CaseState, case_of
from syncline.engine.privacy.cases import asked as asked_for
from syncline.engine.privacy.desk import Desk
from syncline.model.change import Kind
from syncline.model.copying import replace
from syncline.model.errors import Misconfigured
from syncline.model.privacy import Ask, PrivacyRequest
from syncline.model.records import Address, Customer
from syncline.ports import Write
from syncline.web.access import Person, Role
from syncline.web.live import parts_of

EMAIL = "zwitscherling@example.com"


@pytest.fixture
async def site():
    return await make_site()


async def keep_buyer(site) -> None:
    """An order of somebody, which the ERP has refused."""
    now = site.clock.now_ms()
    placed = order(
        7, now, key="7", customer=Customer("9", "Kanari Quellwasser", EMAIL),
        shipping_to=Address("Kanari Quellwasser", line1="Vogelsang 17"),
    )  # fmt: skip
    await site.store.write(Write("record_put", [record("shop", Kind.ORDER, "7", placed, now)]))
    await park_order(site.engine, "7\x1f1")


async def client(site, role):
    return Client(site.app, await site.access.add(f"p{role.value}", role, by="test"))


@pytest.mark.parametrize("path", ["erase", "export", "answer"])
async def test_only_administrators_may(site, path):
    operator = await client(site, Role.OPERATOR)
    assert (await operator.post(f"/v1/privacy/{path}", {"system": "shop", "email": EMAIL})).status == 403
    assert (await operator.get("/v1/privacy/requests")).status == 403
    assert await site.store.read("privacies", state="", after="", limit=9) == []


async def test_a_request_is_kept_with_its_deadline_and_audited_without_the_person(site):
    admin = await client(site, Role.ADMIN)
    made = (await admin.post("/v1/privacy/erase", {"system": "shop", "email": EMAIL.upper()})).json()
    assert (made["ask"], made["system"], made["state"], made["email"]) == ("erase", "shop", "asked", EMAIL)
    assert made["deadline_ms"] - made["asked_at_ms"] == 30 * 86_400_000
    assert [one["id"] for one in (await admin.get("/v1/privacy/requests")).json()] == [made["id"]]
    entries = await site.operations.audit.newest()
    assert entries[0].action == "ask to erase personal data"
    assert EMAIL not in repr(entries).lower()


async def test_what_is_held_is_told_and_kept_by_nothing_on_the_way(site):
    admin = await client(site, Role.ADMIN)
    rows = await site.store.read("records_after", system="shop", kind="order", after="", limit=1)
    answer = await admin.post("/v1/privacy/export", {"system": "shop", "orders": [rows[0][0]]})
    assert answer.headers["cache-control"] == "no-store"
    assert [one["key"] for one in answer.json()["orders"]] == [rows[0][0]]
    assert (await site.operations.audit.newest())[0].action == "export personal data"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"system": "shop"}, 409),
        ({"system": "nowhere", "email": EMAIL}, 404),
        ({"system": "shop", "orders": ["1"] * 1001}, 400),
        ({"system": "shop", "email": EMAIL, "everybody": True}, 400),
    ],
)
async def test_a_request_that_names_nobody_is_refused(site, body, status):
    admin = await client(site, Role.ADMIN)
    assert (await admin.post("/v1/privacy/erase", body)).status == status
    assert (await admin.get("/v1/privacy/requests")).json() == []


async def test_the_address_for_the_apps_configuration_is_that_of_all_webhooks(site):
    admin = await client(site, Role.ADMIN)
    told = (await admin.get("/v1/privacy/address?system=shop")).json()
    assert told == {"address": site.access.hook_url("http://syncline.test", "shop")}
    assert (await admin.get("/v1/privacy/address?system=nowhere")).status == 404
    assert (await (await client(site, Role.OPERATOR)).get("/v1/privacy/address?system=shop")).status == 403


# --- the page ------------------------------------------------------------------------------------------


async def logged_in(site, role):
    token = await site.access.add(f"s{role.value}", role, by="test")
    answer = await Client(site.app).get("/login", query=f"token={token}")
    return Client(site.app, cookie=answer.cookies[0].split(";")[0].partition("=")[2])


def form(page: str, **fields: str) -> bytes:
    mark = re.search(r'name="csrf" value="([^"]+)"', page)[1]
    return urlencode({"csrf": mark, **fields}).encode()


async def test_what_would_be_erased_is_shown_before_anything_is_asked(site):
    await keep_buyer(site)
    admin = await logged_in(site, Role.ADMIN)
    page = (await admin.get("/privacy")).text
    assert "Nobody has asked for anything" in page
    looked = await admin.post(
        "/privacy/look", form(page, system="shop", email=EMAIL.upper(), orders="none, 7")
    )
    assert looked.status == 200
    assert "1: 7" in looked.text and "none" in looked.text
    assert "put_order at erp is parked" in looked.text
    for told in ("Kanari Quellwasser", "Vogelsang 17"):
        assert told not in looked.text
    assert await site.store.read("privacies", state="", after="", limit=9) == []
    entry = (await site.operations.audit.newest())[0]
    assert (entry.actor, entry.action) == ("s4", "look at what would be erased")
    assert EMAIL not in repr(entry).lower()
    done = await admin.post("/privacy/ask", form(looked.text, system="shop", email=EMAIL, orders="7"))
    assert (done.status, done.headers["location"]) == (303, "/privacy?done=asked")
    (case,) = await Desk(site.engine, site.operations.audit).requests()
    assert (case.by, case.email, case.orders) == ("s4", EMAIL, ("7",))
    page = (await admin.get("/privacy?done=asked")).text
    assert case.id in page and "Asked under your name" in page
    assert EMAIL not in page


async def test_the_same_is_told_to_a_program(site):
    await keep_buyer(site)
    admin = await client(site, Role.ADMIN)
    told = (await admin.post("/v1/privacy/look", {"system": "shop", "customer": "9"})).json()
    assert (told["orders"], told["orders_found"], told["customers"]) == (["7"], 1, [])
    assert EMAIL not in repr(told)
    assert (await admin.post("/v1/privacy/look", {"system": "nowhere", "customer": "9"})).status == 404


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"system": "shop"}, "Nobody is named."),
        ({"system": "shop", "email": "Kanari"}, "no e-mail address"),
        ({"system": "nowhere", "customer": "9"}, "There is no system"),
        ({"system": "shop", "orders": "x" * 301}, "at most 300 characters"),
        ({"system": "shop", "customer": "<script>alert(1)</script>", "email": "x"}, "&lt;script&gt;alert(1)"),
    ],
)
async def test_a_form_that_names_nobody_comes_back_as_it_was(site, fields, fault):
    admin = await logged_in(site, Role.ADMIN)
    answer = await admin.post("/privacy/look", form((await admin.get("/privacy")).text, **fields))
    assert answer.status == 422
    assert fault in answer.text and "<script>alert" not in answer.text
    assert f'value="{fields.get("customer", "")[:1].replace("<", "&lt;")}' in answer.text


async def test_the_page_is_for_administrators_and_so_is_its_stream(site):
    await keep_buyer(site)
    await Desk(site.engine, site.operations.audit).erase("shop", customer="9", by="Ada")
    for role, sees in ((Role.VIEWER, False), (Role.OPERATOR, False), (Role.ADMIN, True)):
        known = await logged_in(site, role)
        assert (await known.get("/privacy")).status == (200 if sees else 403)
        assert ('href="/privacy"' in (await known.get("/")).text) is sees
        parts = await parts_of(site.app.site, "privacy", Person("x", role))
        assert ("customer 9 of shop" in parts.get("privacy", "")) is sees
        asked = await known.post(
            "/privacy/ask", form((await known.get("/")).text, system="shop", customer="8")
        )
        assert asked.status == (303 if sees else 403)


async def test_requests_stand_with_what_waits_first_and_what_is_left(site):
    now = site.clock.now_ms()
    day = 86_400_000
    cases = [
        (
            "done",
            Ask.ERASE,
            CaseState.DONE,
            {"found": {"orders": 2, "messages": 1_200}, "done_at_ms": now - day},
        ),
        (
            "left",
            Ask.ERASE,
            CaseState.DONE,
            {"waits": ("erp keeps a file <b>",), "done_at_ms": now - 2 * day},
        ),
        ("asks", Ask.EXPORT, CaseState.ASKED, {"deadline_ms": now + 9 * day}),
        ("waits", Ask.ERASE, CaseState.WAITING, {"waits": ("order 7: put_order at erp is parked",)}),
        ("late", Ask.ERASE, CaseState.WAITING, {"deadline_ms": now - day, "waits": ("order 8",)}),
    ]
    for id_, ask, state, more in cases:
        case = case_of("shop", PrivacyRequest(id_, ask, "9"), by="", now_ms=now - 3 * day)
        await site.store.write(asked_for(replace(case, state=state, **more)))
    text = (await (await client(site, Role.ADMIN)).get("/privacy")).text
    places = [text.index(f"<code>{id_}</code>") for id_ in ("late", "asks", "waits", "done", "left")]
    assert places == sorted(places)
    assert "2 orders, 1,200 messages" in text
    assert "syncline privacy export --request asks" in text
    assert "erp keeps a file &lt;b&gt;" in text
    for chip in ("late", "needs an answer", "waits", "done", "something is left"):
        assert f"</i>{chip}</span>" in text


# --- the command line ----------------------------------------------------------------------------------

CASE = {
    "id": "ab12", "ask": "erase", "system": "shop", "by": "", "asked_at_ms": 0, "deadline_ms": 86_400_000,
    "state": "waiting", "customer": "9", "email": "", "orders": ["7"], "customers": [],
    "waits": ["order 7: put_order at erp is parked"], "found": {}, "done_at_ms": 0,
}  # fmt: skip
HELD = {
    "orders": [{"key": "7"}],
    "customers": [],
    "ids": [],
    "messages": [],
    "calls": [],
    "more": True,
    "files": [["erp", "ORDERS_1.csv"]],
}


@pytest.fixture
def asked(monkeypatch):
    calls = []
    answers = {
        "/v1/privacy/erase": CASE,
        "/v1/privacy/requests": [CASE, {**CASE, "ask": "erase_all", "state": "done", "waits": []}],
        "/v1/privacy/export": HELD,
        "/v1/privacy/answer": HELD,
        "/v1/privacy/address?system=shop": {"address": "https://sync.example.com/hooks/shop/x"},
    }

    def call(config, method, path, body=None):
        calls.append((method, path, body))
        return answers[path]

    monkeypatch.setattr(privacy, "call", call)
    return calls


def test_erase_names_a_customer(asked):
    answer = CliRunner().invoke(
        app, ["privacy", "erase", "--system", "shop", "--customer", "9", "--order", "7", "--order", "8"]
    )
    body = {"system": "shop", "customer": "9", "email": "", "orders": ["7", "8"]}
    assert asked == [("POST", "/v1/privacy/erase", body)]
    assert "ab12" in answer.output
    assert "1970-01-02 00:00 UTC" in answer.output


def test_requests_say_what_they_wait_for(asked):
    answer = CliRunner().invoke(app, ["privacy", "requests"])
    assert "ab12  erase  shop 9  waiting, until 1970-01-02 00:00 UTC" in answer.output
    assert "  order 7: put_order at erp is parked" in answer.output
    assert "erase  shop everybody  done" in answer.output
    assert asked == [("GET", "/v1/privacy/requests", None)]


def test_the_address_is_printed_alone(asked):
    answer = CliRunner().invoke(app, ["privacy", "address", "--system", "shop"])
    assert answer.output == "https://sync.example.com/hooks/shop/x\n"


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        (
            ["--system", "shop", "--email", EMAIL],
            ("POST", "/v1/privacy/export", {"system": "shop", "customer": "", "email": EMAIL, "orders": []}),
        ),
        (["--request", "ab12"], ("POST", "/v1/privacy/answer", {"request": "ab12"})),
    ],
)
def test_an_export_is_a_private_file_and_never_replaces_one(asked, tmp_path, arguments, call):
    to = tmp_path / "held.json"
    answer = CliRunner().invoke(app, ["privacy", "export", "--to", str(to), *arguments])
    assert answer.exit_code == 0, answer.output
    assert asked == [call]
    assert json.loads(to.read_text()) == HELD
    assert to.stat().st_mode & 0o777 == 0o600
    assert "1 orders" in answer.output and "more" in answer.output
    assert "erp keeps a file that tells of them, which is not in it: ORDERS_1.csv" in answer.output
    again = CliRunner().invoke(app, ["privacy", "export", "--to", str(to), *arguments])
    assert isinstance(again.exception, Misconfigured)
    assert asked == [call]
