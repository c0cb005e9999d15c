"""What the commands that stop and start sending ask of the running service."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from syncline.cli import app, modes
from syncline.model.errors import Misconfigured

ROUTE = "inventory:erp->shop"


@pytest.fixture
def asked(monkeypatch):
    calls = []

    def call(config, method, path, body=None):
        calls.append((method, path, body))
        return {"message": "done", "count": 1, "routes": [], "differences": [], "total": 0}

    monkeypatch.setattr(modes, "call", call)
    return calls


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        (["pause", "shop"], ("POST", "/v1/pause", {"subject": "shop", "reason": ""})),
        (
            ["pause", ROUTE, "--reason", "stock taking"],
            ("POST", "/v1/pause", {"subject": ROUTE, "reason": "stock taking"}),
        ),
        (["resume", ROUTE], ("POST", "/v1/resume", {"subject": ROUTE})),
        (["shadow", ROUTE], ("POST", "/v1/shadow", {"route": ROUTE, "reason": ""})),
        (["shadow"], ("GET", "/v1/shadow?order=newest", None)),
        (["shadow", "--largest", "--json"], ("GET", "/v1/shadow?order=largest", None)),
        (["live", ROUTE], ("POST", "/v1/live", {"route": ROUTE})),
    ],
)
def test_each_command_asks_for_one_thing(asked, arguments, call):
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    said = "No route is in shadow." if arguments == ["shadow"] else "done"
    assert asked == [call] and said in answer.output


def test_routes_are_named_for_shadow_only():
    answer = CliRunner().invoke(app, ["run", ROUTE])
    assert isinstance(answer.exception, Misconfigured) and "--shadow" in str(answer.exception)
