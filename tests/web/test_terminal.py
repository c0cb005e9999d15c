"""What the commands say to a person, of answers that the service really gives."""

from __future__ import annotations

import ast
import asyncio
import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import typer
from tests.web.support import Client, make_site, park_message, park_order, rehearse_some, trouble
from typer.testing import CliRunner

from syncline.cli import app, main, operate, tell
from syncline.model.errors import Misconfigured, Rejected, Retryable
from syncline.web.serve import Listener

STOCK = "inventory:erp->shop"
PLAN = Path(__file__).parents[2] / "examples" / "06_plan" / "plan.toml"


@pytest.fixture
async def site():
    return await make_site()


@pytest.fixture
def operator(site):
    return Client(site.app, site.tokens["operator"])


async def said(client, path, words):
    answer = await client.get(*path.split("?")[:1], query=path.partition("?")[2])
    assert answer.status == 200, answer.body
    return list(words(answer.json()))


async def test_status_is_a_verdict_and_a_line_for_each_route_and_system(site, operator):
    await trouble(site.engine)
    await park_order(site.engine)
    lines = await said(operator, "/v1/status", tell.status)
    status = (await operator.get("/v1/status")).json()
    assert lines[0] == f"late: {status['reason']}" and lines[1] == f"  {status['mend']}"
    others = [f"{one['severity']}: {one['text']}" for one in status["problems"][1:]]
    assert others and [line for line in lines[2:] if line in others] == others
    head = next(line for line in lines if line.startswith("route"))
    rows = {
        line.split()[0]: line for line in lines if line.startswith(("inventory:", "orders:", "erp", "shop"))
    }
    late = next(one for one in status["routes"] if one["name"] == "orders:shop->erp")
    assert rows["orders:shop->erp"][head.index("late") :].split()[0] == str(late["late"]) != "0"
    assert {STOCK, "erp", "shop"} <= rows.keys()
    assert rows["erp"].endswith("HTTP 503 Service Unavailable")
    assert lines[-1] == "  See `syncline parked list`." and "unknown_sku" in lines[-2]
    assert not any("_ms" in line for line in lines)  # moments and durations are told in words
    assert len(lines) < 40


async def test_a_number_is_explained_from_the_figure_to_the_write(site, operator):
    lines = await said(operator, "/v1/explain?sku=MUG-01&channel=shop", tell.explained)
    told = (await operator.get("/v1/explain", query="sku=MUG-01&channel=shop")).json()[0]
    assert lines[0] == told["sentence"] and told["rule"] in lines[1]
    for step in told["steps"]:
        assert any(step["label"] in line and str(step["value"]) in line for line in lines)
    for at in told["locations"]:
        assert any(f"at {at['location']} (ERP {at['erp_location']})" in line for line in lines)
    assert any("UTC" in line for line in lines)
    assert await said(operator, "/v1/explain?sku=MUG-01&channel=erp", tell.explained) == [
        "No route brings stock to this channel."
    ]


async def test_parked_work_is_listed_with_its_reason_and_shown_with_its_text(site, operator):
    assert await said(operator, "/v1/parked", tell.parked) == ["Nothing waits for a person."]
    number = await park_message(site.engine)
    order = await park_order(site.engine)
    lines = await said(operator, "/v1/parked", tell.parked)
    heads = [line for line in lines if not line.startswith(" ")]
    assert [int(line.split()[0]) for line in heads] == [number, order]
    assert any("no item in erp has the SKU 'TEE-GREEN-S'" in line for line in lines)
    shown = await said(operator, f"/v1/parked/{number}", tell.entry)
    told = (await operator.get(f"/v1/parked/{number}")).json()
    assert told["payload"] and shown[-1] == told["payload"]
    assert "    It may be: release, edit, discard." in shown
    assert "    It may be: release, discard." in await said(operator, f"/v1/parked/{order}", tell.entry)
    await site.operations.discard(order, by="Otto")
    ended = await said(operator, f"/v1/parked/{order}", tell.entry)
    assert any(" by Otto, " in line for line in ended) and not any("It may be" in line for line in ended)


async def test_what_routes_in_shadow_would_write_is_told_with_what_is_there(site, operator):
    assert await said(operator, "/v1/shadow", tell.shadow) == ["No route is in shadow."]
    await rehearse_some(site)
    lines = await said(operator, "/v1/shadow", tell.shadow)
    assert lines[0].startswith(f"{STOCK}: in shadow since ") and " by Ada; 3 waiting" in lines[0]
    assert any("MUG-01" in line and line.endswith("9 -> 4") for line in lines)
    assert any("it would be parked" in line for line in lines)


async def test_shadow_without_differences_and_with_more_than_are_listed():
    route = {"name": STOCK, "since_ms": 1, "by": "Ada", "waiting": 0}
    assert (
        list(tell.shadow({"routes": [route], "differences": [], "total": 0}))[-1]
        == "Nothing would be written."
    )
    assert (
        list(tell.shadow({"routes": [route], "differences": [], "total": 7}))[-1]
        == "  and 7 more differences"
    )


@pytest.mark.parametrize(
    ("path", "query", "there"),
    [
        ("/v1/explain", "sku=MUG-01&channel=shp", "There are erp, shop."),
        ("/v1/reconcile/differences", "route=inventory:erp->shp", STOCK),
        ("/v1/privacy/address", "system=shp", "There are erp, shop."),
    ],
)
async def test_a_name_that_is_not_there_is_answered_with_those_that_are(site, path, query, there):
    answer = await Client(site.app, site.tokens["admin"]).get(path, query=query)
    error = answer.json()["error"]
    assert (answer.status, error["code"]) == (404, "not_found") and there in error["mend"]


async def test_a_flow_stands_for_its_only_route(operator):
    assert (await operator.get("/v1/reconcile/differences", query="route=inventory")).json() == []
    assert (await operator.post("/v1/replay", {"route": "inventory:erp->shp"})).status == 404
    assert (await operator.post("/v1/replay", {"route": "inventory"})).status in (200, 409)


# --- the commands ----------------------------------------------------------------------------------------


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def answers(monkeypatch):
    """What the service says next; an error is raised."""
    queue: list = []

    def call(config, method, path, body=None):
        answer = queue.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(operate, "call", call)
    return queue


def test_a_machine_gets_what_a_person_reads_in_words(answers):
    answers += [[], [], {"message": "It goes on.", "count": 1}, {"message": "It goes on.", "count": 1}]
    assert run("parked", "list").output == "Nothing waits for a person.\n"
    assert json.loads(run("parked", "list", "--json").output) == []
    assert run("parked", "release", "3").output == "It goes on.\n"
    assert json.loads(run("parked", "release", "3", "--json").output)["count"] == 1


def test_a_key_that_is_neither_an_order_nor_a_sku_is_told_so(answers):
    answers += [Rejected("No order is known as 'X'."), Rejected("No system has the SKU 'X'.")]
    assert str(run("replay", "X").exception) == "No order is known as 'X'. No system has the SKU 'X'."
    answers += [Rejected("Your role may not."), Rejected("Your role may not.")]
    assert str(run("replay", "X").exception) == "Your role may not."


def test_a_correction_that_cannot_be_read_is_named(answers, tmp_path):
    missing, binary = tmp_path / "missing.json", tmp_path / "binary.json"
    binary.write_bytes(b"\xff")
    for path, why in ((missing, "No such file"), (binary, "utf-8")):
        error = run("parked", "edit", "3", str(path)).exception
        assert isinstance(error, Misconfigured) and str(path) in str(error) and why in str(error)


def test_a_service_that_does_not_run_is_told_plainly(tmp_path):
    config = tmp_path / "syncline.toml"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        config.write_text(f"[server]\nport = {closed.getsockname()[1]}\n")
    (tmp_path / "syncline.token").write_text("a token")
    error = run("status", "--config", str(config)).exception
    assert isinstance(error, Retryable)
    assert "urlopen" not in str(error) and "start it with `syncline run`" in str(error)


@pytest.mark.parametrize("code", [200, 302])
def test_the_token_goes_to_the_service_and_to_nobody_else(tmp_path, monkeypatch, code):
    """Neither to the proxy that the environment names, nor to where an answer points."""
    heard: list[tuple[str, str]] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append((self.server.name, self.path))
            self.send_response(code)
            self.send_header("location", f"http://127.0.0.1:{elsewhere.server_port}/")
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *_: object) -> None:
            pass

    service, elsewhere = (HTTPServer(("127.0.0.1", 0), Answers) for _ in range(2))
    service.name, elsewhere.name = "service", "elsewhere"
    threads = [
        Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01}) for one in (service, elsewhere)
    ]
    config = tmp_path / "syncline.toml"
    config.write_text(f"[server]\nport = {service.server_port}\n")
    (tmp_path / "syncline.token").write_text("a token")
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{elsewhere.server_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setattr("urllib.request._opener", None)  # one that was made before would not know of them
    for thread in threads:
        thread.start()
    try:
        result = run("parked", "list", "--config", str(config))
    finally:
        for one in (service, elsewhere):
            one.shutdown()
            one.server_close()
        for thread in threads:
            thread.join()
    assert heard == [("service", "/v1/parked")]
    assert (result.exit_code == 0) == (code == 200)


NASTY = "\x1b]0;owned\x07\x1b[2J\u202eabc\x9b1m"


def test_a_terminal_shows_what_others_wrote_and_does_not_obey_it(answers, monkeypatch, capsys):
    answers += [{"message": f"The order of {NASTY}\n\tJos\xe9."}]
    said = run("parked", "release", "3").output
    assert said == "The order of \\x1b]0;owned\\x07\\x1b[2J\\u202eabc\\x9b1m\n\tJos\xe9.\n"
    answers += [Rejected(f"the vendor says {NASTY}")]
    monkeypatch.setattr("sys.argv", ["syncline", "parked", "release", "3"])
    with pytest.raises(SystemExit):
        main()
    assert "\x1b" not in capsys.readouterr().err


async def test_a_token_that_is_not_known_any_more_is_told_by_its_file(site, tmp_path):
    listener = Listener(site.app, "127.0.0.1", 0)
    listener.start()
    try:
        config = tmp_path / "syncline.toml"
        config.write_text(f"[server]\nport = {listener.url.rpartition(':')[2]}\n")
        (tmp_path / "syncline.token").write_text(site.tokens["viewer"])
        while not listener._server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0)  # noqa: TID251
        assert (await asyncio.to_thread(run, "status", "--config", str(config))).exit_code == 0
        await site.access.renew("Vera", by="Ada")
        error = (await asyncio.to_thread(run, "status", "--config", str(config))).exception
    finally:
        site.app.stop()
        await listener.stop()
    assert isinstance(error, Rejected)
    assert "syncline.token" in str(error) and "login link" not in str(error)


def test_what_the_engine_advises_is_no_advice_to_whoever_looks_at_a_page_alone():
    """Its refusals reach the dashboard, programs and the command line alike."""
    told = [
        ast.unparse(call)
        for path in (Path(__file__).parents[2] / "src/syncline/engine").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "NotPossible"
    ]
    assert len(told) > 20
    assert [one for one in told if re.search(r"[Rr]eload|this page|\bbelow\b|[Cc]lick", one)] == []


class Stranger(threading.Thread):
    """Something else on the service's port: answers one connection with these bytes."""

    def __init__(self, said: bytes, host: str = "127.0.0.1") -> None:
        super().__init__(daemon=True)
        self.said = said
        self.socket = socket.create_server(
            (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self) -> None:
        there, _ = self.socket.accept()
        with self.socket, there:
            there.recv(65_536)
            there.sendall(self.said)


def http(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (http("200 OK", b"<html>"), "gives no JSON; is that Syncline?"),
        (http("404 Not Found", b"<html>"), "answered 404; is that Syncline?"),
        (http("404 Not Found", b"[1]"), "answered 404; is that Syncline?"),
        (http("409 Conflict", b'{"error": [1]}'), "answered 409; is that Syncline?"),
        (b"220 mail.example ESMTP\r\n", "does not speak HTTP; is that Syncline?"),
        (http("200 OK", b"{}")[:-1], "does not speak HTTP; is that Syncline?"),
    ],
)
def test_something_else_on_the_port_is_told_so(tmp_path, said, words):
    stranger = Stranger(said)
    (tmp_path / "syncline.toml").write_text(f"[server]\nport = {stranger.port}\n")
    (tmp_path / "syncline.token").write_text("a-token")
    error = run("status", "--config", str(tmp_path / "syncline.toml")).exception
    assert isinstance(error, Rejected) and words in str(error)


def test_a_service_that_listens_on_ipv6_is_reached(tmp_path):
    stranger = Stranger(http("200 OK", b"[]"), "::1")
    (tmp_path / "syncline.toml").write_text(f'[server]\nhost = "::1"\nport = {stranger.port}\n')
    (tmp_path / "syncline.token").write_text("a-token")
    done = run("parked", "list", "--config", str(tmp_path / "syncline.toml"))
    assert done.output == "Nothing waits for a person.\n"


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", b"one\ntwo"])
def test_a_token_file_that_holds_no_token_is_told_by_its_name(tmp_path, content):
    (tmp_path / "syncline.toml").write_text("[server]\nport = 1\n")
    (tmp_path / "syncline.token").write_bytes(content)
    error = run("status", "--config", str(tmp_path / "syncline.toml")).exception
    assert isinstance(error, Misconfigured) and "syncline.token is no token" in str(error)


@pytest.mark.parametrize(("name", "command"), [("server", "status"), ("store", "backup")])
def test_a_section_that_is_no_table_is_told_by_its_name(tmp_path, name, command):
    (tmp_path / "syncline.toml").write_text(f"{name} = 3\n")
    error = run(command, "--config", str(tmp_path / "syncline.toml")).exception
    assert isinstance(error, Misconfigured) and f"{name} must be a table, [{name}]" in str(error)


@pytest.mark.parametrize(
    "arguments", [("status",), ("parked", "show", "3"), ("reconcile",), ("backup",), ("plan",)]
)
def test_a_machine_gets_errors_as_json_and_nothing_else(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    told = []
    for more in ([], ["--json"]):
        monkeypatch.setattr("sys.argv", ["syncline", *arguments, *more])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        told.append(capsys.readouterr())
    words, machine = told
    assert words.out.strip() == ""
    error = json.loads(machine.out)["error"]
    assert error["code"] == "misconfigured" and f"syncline: {error['message']}" in words.err
    assert f"syncline: {error['message']}" in machine.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("status", "--json", "--colour"), "No such option: --colour"),
        (("explain", "--json"), "Missing argument"),
        (("parked", "show", "three", "--json"), "Invalid value"),
        (("parked", "lst", "--json"), "No such"),
        (("sttus", "--json"), "No such command"),
    ],
)
def test_a_machine_that_calls_wrongly_is_told_so(monkeypatch, capsys, arguments, says):
    monkeypatch.setattr("sys.argv", ["syncline", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert ended.value.code == 2
    error = json.loads(told.out)["error"]
    assert error["code"] == "usage" and says in error["message"]
    assert error["message"] in told.err and "Usage: " in told.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("status", "--colour"), 2),
        (("demo", "--json", "it.json", "--colour"), 2),
        (("parked",), 2),
        (("--help",), 0),
        (("--version",), 0),
    ],
)
def test_a_person_is_told_in_words_only(monkeypatch, capsys, arguments, code):
    monkeypatch.setattr("sys.argv", ["syncline", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert (ended.value.code or 0) == code
    assert (told.out.strip() == "") is (code == 2)
    assert "{" not in told.out


def test_a_code_that_a_command_ends_with_is_kept(answers, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["syncline", "parked", "release", "3"])
    for raised, code in ((typer.Exit(3), 3), (typer.Abort(), 1)):
        answers += [raised]
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == code
    answers += [{"message": "Done."}]
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    answers += [ZeroDivisionError("a mistake of ours")]
    with pytest.raises(ZeroDivisionError):
        main()


# --- files -----------------------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_is_told_before_the_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.toml").write_text(PLAN.read_text())
    for arguments in (
        ("init", "nowhere/it.toml", "--erp", "netsuite"),
        ("plan", "plan.toml", "--html", "nowhere/it.html"),
        ("demo", "--headless", "--json", "nowhere/it.json"),
        ("whatif", "--json", "nowhere/it.json"),
    ):
        error = run(*arguments).exception
        assert isinstance(error, Misconfigured) and "nowhere" in str(error), arguments


def test_a_plan_as_json_is_nothing_but_json(tmp_path):
    done = run("plan", str(PLAN), "--json", "--markdown", str(tmp_path / "plan.md"))
    assert json.loads(done.stdout)["kept"] and (tmp_path / "plan.md").exists()
    assert "Wrote" in done.stderr
