"""Proofs for people and programs: where routes stand, what differs, who decides."""

from __future__ import annotations

import pytest
from tests.web.proofs import prove_some
from tests.web.support import Client, make_site


@pytest.fixture
async def site():
    made = await make_site()
    await prove_some(made.engine)
    return made


def client(site, role):
    return Client(site.app, site.tokens[role])


STOCK = "inventory:erp->shop"


async def test_each_route_says_where_it_stands(site):
    stock, orders, *_ = (await client(site, "viewer").get("/v1/reconcile")).json()
    assert (stock["route"], orders["flow"]) == (STOCK, "orders")
    assert (stock["latest"]["id"], stock["latest"]["rows"], stock["latest"]["found"]) == (
        "inventory-9",
        99_998,
        5,
    )
    assert (stock["running"]["id"], stock["running"]["rows"], stock["running"]["asked_by"]) == (
        "now",
        41_200,
        "anna",
    )
    assert stock["waiting"] == 2
    assert stock["open"]["rejected write"] == 1
    assert stock["units"] == 257
    assert (orders["running"], orders["waiting"], orders["open"]) == (None, 0, {})
    assert stock["cannot"] == ""


async def test_a_proof_is_followed_and_the_trend_is_told_newest_first(site):
    viewer = client(site, "viewer")
    assert (await viewer.get("/v1/reconcile/proofs/now")).json()["ended_at_ms"] is None
    assert (await viewer.get("/v1/reconcile/proofs/orders-3")).json()["route"] == "orders:shop->erp"
    assert (await viewer.get("/v1/reconcile/proofs/none")).status == 404
    trend = (await viewer.get(f"/v1/reconcile/trend?route={STOCK}")).json()
    assert [one["id"] for one in trend] == [f"inventory-{n}" for n in range(9, 2, -1)]
    assert (await viewer.get("/v1/reconcile/trend?route=none")).status == 404


async def test_differences_say_what_they_mean_and_what_to_do(site):
    viewer = client(site, "viewer")
    every = (await viewer.get(f"/v1/reconcile/differences?route={STOCK}")).json()
    assert len(every) == 5
    (first, _) = (await viewer.get(f"/v1/reconcile/differences?route={STOCK}&state=waiting")).json()
    assert (first["where"], first["cause"], first["units"]) == ("CAP-BLK · L1", "changed at the channel", 27)
    assert first["says"].startswith("The channel shows another number")
    assert first["mend"]
    asked = await viewer.get(f"/v1/reconcile/differences?route={STOCK}&cause=duplicate")
    assert [one["state"] for one in asked.json()] == ["declined"]
    assert (await viewer.get("/v1/reconcile/differences")).status == 404


async def test_only_an_operator_begins_a_proof_and_it_is_recorded(site):
    assert (await client(site, "viewer").post("/v1/reconcile", {})).status == 403
    operator = client(site, "operator")
    await site.engine._apply_lease.take()
    begun = (await operator.post("/v1/reconcile", {"flow": "orders", "dry_run": True})).json()
    assert [(one["route"], one["dry_run"]) for one in begun] == [("orders:shop->erp", True)]
    again = (await operator.post("/v1/reconcile", {"flow": "orders", "dry_run": True})).json()
    assert [one["id"] for one in again] == [one["id"] for one in begun]
    refused = await operator.post("/v1/reconcile", {"flow": "prices"})
    assert (refused.status, refused.json()["error"]["code"]) == (422, "not_reconciled")
    said = refused.json()["error"]["message"]
    assert said.startswith("there is no route of 'prices' that can be proved; those that can are ")
    assert "orders:shop->erp" in said
    assert said.endswith(".")  # the mend follows it on the command line
    entries = await site.operations.audit.newest(limit=9)
    assert [(e.action, e.subject, e.after) for e in entries if e.action == "reconcile"] == [
        ("reconcile", "orders", "dry run"),
        ("reconcile", "orders", "dry run"),
    ]


@pytest.mark.parametrize("reason", ["shop keeps no list", "shop keeps no list."])
async def test_why_nothing_can_be_proved_is_told_once_and_ends_once(site, monkeypatch, reason):
    monkeypatch.setattr(type(site.engine.reconciler), "impossible", lambda *_: reason)
    refused = await client(site, "operator").post("/v1/reconcile", {})
    assert (refused.status, refused.json()["error"]["message"]) == (422, "shop keeps no list.")
    cannot = {one["cannot"] for one in (await client(site, "viewer").get("/v1/reconcile")).json()}
    assert cannot == {"It cannot be proved: shop keeps no list."}


async def test_advice_to_prove_everything_is_given_only_where_something_can_be(site, monkeypatch):
    operator = client(site, "operator")
    assert (await operator.post("/v1/reconcile", {"flow": "x"})).json()["error"]["mend"]
    monkeypatch.setattr(type(site.engine.reconciler), "impossible", lambda *_: "no list")
    assert (await operator.post("/v1/reconcile", {"flow": "x"})).json()["error"]["mend"] == ""


@pytest.mark.parametrize(("query", "there"), [("state=waitng", "waiting"), ("cause=missed", "missed event")])
async def test_a_state_or_a_cause_that_is_misspelt_is_not_taken_for_nothing(site, query, there):
    refused = await client(site, "viewer").get(f"/v1/reconcile/differences?route={STOCK}&{query}")
    assert refused.status == 400 and there in refused.json()["error"]["mend"]


async def test_what_was_decided_meanwhile_is_told_in_words_for_every_way_in(site):
    asked = {"route": STOCK, "cause": "no such cause", "approve": True}
    refused = await client(site, "operator").post("/v1/reconcile/decide", asked)
    mend = refused.json()["error"]["mend"]
    assert (
        refused.status == 409 and "Reconcile on the dashboard" in mend and "syncline differences list" in mend
    )


async def test_what_waits_is_declined_under_a_name(site):
    asked = {"route": STOCK, "key": "CAP-BLK\x1fL1", "approve": False}
    assert (await client(site, "viewer").post("/v1/reconcile/decide", asked)).status == 403
    operator = client(site, "operator")
    done = await operator.post("/v1/reconcile/decide", {**asked, "key": "CAP-BLK · L1"})
    assert (done.status, done.json()["count"]) == (200, 1)
    assert (await operator.post("/v1/reconcile/decide", asked)).status == 409
    assert (await operator.post("/v1/reconcile/decide", {**asked, "route": "none"})).status == 404
    (entry,) = [e for e in await site.operations.audit.newest(limit=9) if e.action == "decline repair"]
    assert entry.actor == "Otto"
    assert entry.before == "changed at the channel: the channel shows 41 at L1, 14 was known; 14 is right"
    states = (await operator.get(f"/v1/reconcile/differences?route={STOCK}")).json()
    assert [one["decided_by"] for one in states if one["key"] == "CAP-BLK\x1fL1"] == ["Otto"]


async def test_the_page_tells_all_and_offers_decisions_to_operators_only(site):
    for role, offers in (("viewer", 0), ("operator", 3)):  # two that wait, and all of them
        text = (await client(site, role).get("/reconcile")).text
        assert "41,200 of about 99,998 rows" in text
        assert "the channel shows 41 at L1, 14 was known; 14 is right" in text
        assert "Drift over time (7 proofs)" in text
        assert text.count('action="/reconcile/decide"') == offers
        assert ("Prove and repair…" in text) == (role == "operator")
    empty = (await client(site, "viewer").get("/reconcile?route=orders:shop-%3Eerp")).text
    assert "Nothing differs, as far as the last proof of this route tells." in empty


async def test_what_waits_is_a_problem_until_somebody_decides(site):
    status = (await client(site, "viewer").get("/v1/status")).json()
    assert "2 differences of inventory:erp->shop wait for a decision." in [
        p["text"] for p in status["problems"]
    ]


async def test_metrics_tell_of_proofs_and_differences(site):
    text = (await client(site, "viewer").get("/metrics")).text
    for line in (
        'syncline_proof_rows{route="inventory:erp->shop"} 99998.0',
        'syncline_proof_age_seconds{route="inventory:erp->shop"} 3200.0',
        'syncline_proof_differed{route="inventory:erp->shop"} 5.0',
        'syncline_differences{cause="missed event",route="inventory:erp->shop"} 1.0',
        'syncline_differences_waiting{route="inventory:erp->shop"} 2.0',
    ):
        assert line in text


async def test_without_a_proof_the_page_says_so():
    made = await make_site()
    text = (await Client(made.app, made.tokens["viewer"]).get("/reconcile")).text
    assert "not proved yet" in text
    assert "It cannot be proved: shop does not offer to list what it shows." in text
