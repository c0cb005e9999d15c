"""``syncline reconcile`` and ``syncline differences``, with the service's answers as the API gives them."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from syncline.cli import app, reconcile

STOCK = "inventory:erp->shop"
DIFFERENCE = {
    "state": "waiting",
    "cause": "missed event",
    "where": "MUG · L1",
    "detail": "erp has 3, 1 was known",
}


def proof(**more):
    return {
        "id": "p1",
        "route": STOCK,
        "rows": 0,
        "expected": 900,
        "found": 0,
        "counts": {},
        "repaired": 0,
        "units": 0,
        "waiting": 0,
        "started_at_ms": 1_000,
        "ended_at_ms": None,
        **more,
    }


@pytest.fixture
def service(monkeypatch):
    """Answers in turn by path, and what was asked."""
    monkeypatch.setattr(reconcile, "EVERY_S", 0.0)
    asked, answers = [], {}

    def call(config, method, path, body=None):
        asked.append((method, path, body))
        return answers[path.partition("?")[0]].pop(0)

    monkeypatch.setattr(reconcile, "call", call)
    return asked, answers


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_a_proof_is_followed_to_its_end_and_says_what_it_found(service):
    asked, answers = service
    ended = proof(
        rows=900, found=2, counts={"missed event": 2}, repaired=1, units=4, waiting=1, ended_at_ms=62_000
    )
    answers |= {
        "/v1/reconcile": [[proof()]],
        "/v1/reconcile/proofs/p1": [proof(rows=400), ended],
        "/v1/reconcile/differences": [[DIFFERENCE]],
    }
    done = run("reconcile", "--flow", "inventory", "--dry-run")
    assert done.exit_code == 1
    for words in (
        f"{STOCK}: 400 of about 900 rows, 0 differ",
        f"{STOCK}: 900 rows in 61 s; 2 missed event",
        "1 given to the ordinary way, 4 units",
        "1 wait for a decision",
        "waiting    missed event: MUG · L1: erp has 3, 1 was known",
    ):
        assert words in done.output
    assert asked[0] == ("POST", "/v1/reconcile", {"flow": "inventory", "dry_run": True})
    assert asked[-1][1] == "/v1/reconcile/differences?route=inventory%3Aerp-%3Eshop"


def test_both_sides_that_agree_are_good_news(service):
    _, answers = service
    answers |= {"/v1/reconcile": [[proof(rows=5, ended_at_ms=2_000)]]}
    done = run("reconcile")
    assert (done.exit_code, done.output) == (0, f"{STOCK}: 5 rows in 1 s; nothing differs\n")


def test_programs_get_the_proofs_as_they_are(service):
    _, answers = service
    ended = proof(rows=5, ended_at_ms=2_000)
    answers |= {"/v1/reconcile": [[proof()]], "/v1/reconcile/proofs/p1": [proof(rows=3), ended]}
    done = run("reconcile", "--json")
    assert json.loads(done.output) == [ended]


@pytest.mark.parametrize(("verb", "approve"), [("approve", True), ("decline", False)])
def test_what_waits_is_decided(service, verb, approve):
    asked, answers = service
    answers |= {"/v1/reconcile/decide": [{"message": "done", "count": 3}]}
    assert run("differences", verb, STOCK, "--cause", "missed event").exit_code == 0
    body = {"route": STOCK, "key": "", "cause": "missed event", "approve": approve}
    assert asked == [("POST", "/v1/reconcile/decide", body)]


def test_differences_are_listed(service):
    asked, answers = service
    answers |= {"/v1/reconcile/differences": [[DIFFERENCE]]}
    assert "missed event" in run("differences", "list", STOCK, "--state", "waiting").output
    assert asked == [("GET", "/v1/reconcile/differences?route=inventory%3Aerp-%3Eshop&state=waiting", None)]
