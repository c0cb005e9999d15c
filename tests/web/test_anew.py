"""A new token on the server itself, for when no administrator's is known any more."""

from __future__ import annotations

import asyncio
import json
import os

import pytest
from tests.web.support import StillClock
from typer.testing import CliRunner

from syncline.cli import app
from syncline.engine.audit import Audit
from syncline.engine.leases import Lease
from syncline.model.errors import Misconfigured
from syncline.ports import Write
from syncline.runtime.config import StoreConfig
from syncline.stores.sqlite import LiveSqliteStore
from syncline.web.access import Access, Role
from syncline.web.anew import token_anew


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "syncline.toml").write_text("[store]\npath = 'it.sqlite'\n[server]\ntoken_file = 'keys/t'\n")
    (tmp_path / "keys").mkdir()
    return tmp_path


def at(folder, work):
    """Something done with the accounts of a store that is open for it alone."""

    async def done():
        clock = StillClock()
        store = await LiveSqliteStore.open(str(folder / "it.sqlite"), now_ms=clock.now_ms())
        try:
            audit = Audit(store, clock)
            access = Access(store, clock, audit, secret=b"s" * 32, token_bytes=os.urandom)
            return await work(access, audit)
        finally:
            await store.close()

    return asyncio.run(done())


def begin(folder):
    """The first start: its token, and a session."""

    async def work(access, audit):
        token = await access.first_start(folder / "keys" / "t")
        return token, await access.log_in(await access.by_token(token), token)

    return at(folder, work)


def known(folder, token="", session=""):
    async def work(access, audit):
        assert (await audit.verify()).holds
        return await (access.by_token(token) if token else access.by_session(session))

    return at(folder, work)


def run(folder, *arguments):
    return CliRunner().invoke(app, ["token", "--config", str(folder / "syncline.toml"), *arguments])


def test_who_lost_the_answer_of_a_renewal_gets_in_again(folder):
    first, session = begin(folder)
    lost = at(folder, lambda access, audit: access.renew("admin", by="admin"))[1]
    assert known(folder, first) is None
    done = run(folder)
    file = folder / "keys" / "t"
    token = file.read_text().strip()
    assert (
        done.exit_code == 0 and done.output.startswith("admin has a new token") and str(file) in done.output
    )
    assert token not in done.output and len(token) == 43
    assert file.stat().st_mode & 0o777 == 0o600
    assert known(folder, token).role is Role.ADMIN
    assert known(folder, lost) is None and known(folder, session=session) is None
    newest = at(folder, lambda access, audit: audit.newest(limit=1))[0]
    assert (newest.actor, newest.action, newest.subject) == ("syncline token", "account renewed", "admin")
    assert [one.name for one in (folder / "keys").iterdir()] == ["t"]


def test_whose_it_is_has_to_be_plain(folder):
    begin(folder)

    async def others(access, audit):
        await access.add("Ada", Role.ADMIN, by="test")
        await access.add("Vera", Role.VIEWER, by="test")

    at(folder, others)
    assert json.loads(run(folder, "--json").output)["name"] == "admin"
    assert json.loads(run(folder, "--json", "--account", "Ada").output) == {
        "name": "Ada",
        "file": str(folder / "keys" / "t"),
    }
    before = (folder / "keys" / "t").read_text()
    for name in ("Vera", "Nobody"):
        error = run(folder, "--account", name).exception
        assert isinstance(error, Misconfigured)
        assert str(error) == f"{name} is no administrator: say --account and one of Ada, admin"
    assert (folder / "keys" / "t").read_text() == before

    async def more(access, audit):
        await access.add("Bea", Role.ADMIN, by="test")
        await access.drop("admin", by="test")

    at(folder, more)
    assert "several administrators: say --account and one of Ada, Bea" in str(run(folder).exception)
    at(folder, lambda access, audit: access.drop("Bea", by="test"))
    assert run(folder).output.startswith("Ada has")


def test_where_nobody_is_an_administrator_any_more_one_is_made(folder):
    begin(folder)

    async def none_left(access, audit):
        await access.add("admins", Role.VIEWER, by="test")
        await access._store.write(
            Write("account_drop", [{"name": "admin"}])
        )  # as no way through the API leads to

    at(folder, none_left)
    assert "There is an account 'admins' already" in str(run(folder, "--account", "admins").exception)
    assert run(folder).exit_code == 0
    assert known(folder, (folder / "keys" / "t").read_text().strip()).name == "admin"


def test_a_service_that_runs_is_not_disturbed(folder):
    first, _ = begin(folder)

    async def meanwhile(access, audit):
        with pytest.raises(Misconfigured, match="in use by process"):
            await token_anew(StoreConfig("it.sqlite"), folder, folder / "keys" / "t", StillClock())

    at(folder, meanwhile)
    assert known(folder, first).name == "admin"
    assert (folder / "keys" / "t").read_text().strip() == first
    assert [one.name for one in (folder / "keys").iterdir()] == ["t"]


def test_a_lease_of_another_worker_is_respected(folder, monkeypatch):
    first, _ = begin(folder)

    async def owned(access, audit):
        await Lease(access._store, StillClock(), "apply", "another").take()

    at(folder, owned)
    asked = token_anew(StoreConfig("it.sqlite"), folder, folder / "keys" / "t", StillClock())
    with pytest.raises(Misconfigured, match="the service works on this store: stop it first"):
        asyncio.run(asked)
    assert known(folder, first).name == "admin"


def test_nothing_is_changed_where_the_token_could_not_be_kept(folder, monkeypatch):
    first, _ = begin(folder)
    (folder / "keys" / "t.new").mkdir()
    assert "cannot be written" in str(run(folder).exception)
    (folder / "keys" / "t.new").rmdir()
    assert known(folder, first).name == "admin"
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    assert "belongs to another user" in str(run(folder).exception)
    assert known(folder, first).name == "admin"


def test_without_a_store_there_is_nothing_to_renew(folder):
    assert "the first `syncline run` makes it" in str(run(folder).exception)
    assert not (folder / "it.sqlite").exists()
