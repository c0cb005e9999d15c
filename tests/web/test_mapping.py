"""The mapping over HTTP: who may try and apply, what is answered, and that a wrong one changes nothing."""

from __future__ import annotations

import re

import pytest
from tests.web.support import Client, make_site

from syncline.engine.mappings import Mappings
from syncline.model.copying import replace
from syncline.web.access import Role

TEXT = "[erp.order]\ncustbody_number = 'order.number'\n"


@pytest.fixture
async def site():
    """A shop and an ERP whose connector can write fields of the account's own."""
    site = await make_site()
    engine = site.engine
    erp = engine.systems["erp"]
    able = replace(erp.capabilities, order_fields="custbody[a-z_]+")
    systems = {**engine.systems, "erp": replace(erp, capabilities=able)}
    engine.mappings = Mappings(engine.store, engine.clock, engine.routes, systems)
    return site


async def client(site, role):
    return Client(site.app, await site.access.add(f"p{role.value}", role, by="test"))


async def test_a_mapping_is_tried_applied_told_and_taken_back(site):
    admin = await client(site, Role.ADMIN)
    tried = (await admin.post("/v1/mapping/try", {"text": TEXT, "limit": 5})).json()
    assert tried["orders"] == tried["changed"] == 1
    assert tried["changes"][0]["field"] == "custbody_number"
    assert tried["changes"][0]["before"] is None
    assert (await admin.get("/v1/mapping")).json() == []
    applied = (await admin.post("/v1/mapping/apply", {"text": TEXT, "note": "numbers"})).json()
    assert (applied["number"], applied["note"], applied["text"]) == (1, "numbers", TEXT)
    assert applied["by"] == f"p{Role.ADMIN.value}"
    assert (await admin.post("/v1/mapping/try", {"text": TEXT})).json()["changed"] == 0
    back = (await admin.post("/v1/mapping/rollback")).json()
    assert (back["number"], back["text"]) == (2, "")
    assert [one["number"] for one in (await admin.get("/v1/mapping")).json()] == [2, 1]


@pytest.mark.parametrize("path", ["try", "apply"])
async def test_a_wrong_mapping_says_where_and_changes_nothing(site, path):
    admin = await client(site, Role.ADMIN)
    answer = await admin.post(f"/v1/mapping/{path}", {"text": "[erp.order]\ncustbody_a = 'order.nmber'"})
    assert (answer.status, answer.json()["error"]["code"]) == (422, "bad_mapping")
    assert "erp.order.custbody_a: at character 1" in answer.json()["error"]["message"]
    assert (await admin.get("/v1/mapping")).json() == []
    other = await admin.post(f"/v1/mapping/{path}", {"text": "[er.order]\ncustbody_a = 'order.number'"})
    assert re.search(r"er: no such system is configured; there are .*\w\.$", other.json()["error"]["message"])


async def test_nothing_can_be_taken_back_where_nothing_was_applied(site):
    admin = await client(site, Role.ADMIN)
    answer = await admin.post("/v1/mapping/rollback")
    assert (answer.status, answer.json()["error"]["code"]) == (409, "no_rollback")


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        (Role.VIEWER, "try", 403),
        (Role.OPERATOR, "try", 200),
        (Role.OPERATOR, "apply", 403),
        (Role.OPERATOR, "rollback", 403),
    ],
)
async def test_operators_try_and_admins_apply(site, role, path, status):
    person = await client(site, role)
    assert (await person.post(f"/v1/mapping/{path}", {"text": TEXT})).status == status
