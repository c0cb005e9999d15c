"""Personal data over HTTP and on the command line: who may ask, what is answered, and what the audit keeps of it."""

from __future__ import annotations

import json

import pytest
from tests.web.support import Client, make_site
from typer.testing import CliRunner

from syncline.cli import app, privacy
from syncline.model.errors import Misconfigured
from syncline.web.access import Role

EMAIL = "zwitscherling@example.com"


@pytest.fixture
async def site():
    return await make_site()


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


# --- the command line ----------------------------------------------------------------------------------

CASE = {
    "id": "ab12", "ask": "erase", "system": "shop", "by": "", "asked_at_ms": 0, "deadline_ms": 86_400_000,
    "state": "waiting", "customer": "9", "email": "", "orders": ["7"], "customers": [],
    "waits": ["order 7: put_order at erp is parked"], "found": {}, "done_at_ms": 0,
}  # fmt: skip
HELD = {"orders": [{"key": "7"}], "customers": [], "ids": [], "messages": [], "calls": [], "more": True}


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
    again = CliRunner().invoke(app, ["privacy", "export", "--to", str(to), *arguments])
    assert isinstance(again.exception, Misconfigured)
    assert asked == [call]
