"""Files over SFTP, against a real server on this machine."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from random import Random

import pytest
from tests.connectors.files_bench import ITEMS, ORDERS, STATUS, STOCK, FilesBench

from syncline.connectors.files import CONNECTOR, FilesSettings
from syncline.model.delivery import Result
from syncline.model.errors import AuthExpired, Conflict, Misconfigured, OutcomeUnknown, Retryable
from syncline.ports import Opening
from syncline.runtime.clock import SystemClock
from syncline.sdk.governor import ConcurrencySlots
from syncline.testing.bench import Surroundings

asyncssh = pytest.importorskip("asyncssh", reason="the sftp extra is not installed")
from syncline.connectors.files.sftp import SftpFolder  # noqa: E402 (it needs the extra)


class Server:
    """A server with one user, who sees one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host, self.user = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        self.connections: list[asyncssh.SSHServerConnection] = []

    async def start(self) -> None:
        keys = self.root.parent / "authorized_keys"
        keys.write_bytes(self.user.export_public_key())
        self.acceptor = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[self.host],
            authorized_client_keys=str(keys),
            sftp_factory=partial(asyncssh.SFTPServer, chroot=str(self.root).encode()),
            acceptor=self.connections.append,
        )
        self.port = self.acceptor.get_port()

    async def stop(self) -> None:
        self.acceptor.close()
        await self.acceptor.wait_closed()

    async def hang_up(self) -> None:
        """Every connection is cut."""
        for connection in self.connections:
            connection.abort()
            await connection.wait_closed()
        self.connections.clear()

    def settings(self, **more: object) -> FilesSettings:
        return FilesSettings(
            **{
                "folder": f"sftp://127.0.0.1:{self.port}/exchange",
                "spool": str(self.root.parent / "spool"),
                "user": "syncline",
                "private_key": self.user.export_private_key().decode(),
                "host_key": self.host.export_public_key().decode(),
                "reads": (STOCK, ITEMS, STATUS),
                "writes": (ORDERS,),
                "untold": ("payments", "refunds"),
                **more,
            }
        )


@pytest.fixture
async def server(tmp_path):
    root = tmp_path / "served"
    for name in ("stock", "orders", "orders-done"):
        (root / "exchange" / name).mkdir(parents=True)
    found = Server(root)
    await found.start()
    yield found
    await found.hang_up()
    await found.stop()


@pytest.fixture
async def folder(server):
    made = SftpFolder(server.settings(), ConcurrencySlots(SystemClock(), 4))
    yield made
    await made.close()


async def whole(folder: SftpFolder, path: str, name: str) -> bytes:
    return b"".join([piece async for piece in folder.read(path, name)])


async def test_files_are_listed_read_and_moved(server, folder):
    inbox = server.root / "exchange" / "stock"
    body = bytes(range(256)) * 40_000
    (inbox / "b.csv").write_bytes(body)
    (inbox / "a.csv").write_bytes(b"x")
    (inbox / ".hidden").write_bytes(b"x")
    (inbox / "folder").mkdir()
    (inbox / "link.csv").symlink_to(inbox / "a.csv")
    listed = await folder.list("stock")
    assert [(entry.name, entry.size) for entry in listed] == [("a.csv", 1), ("b.csv", len(body))]
    assert await whole(folder, "stock", "b.csv") == body
    await folder.move("stock", "b.csv", "archive/new", "c.csv")
    assert (server.root / "exchange" / "archive" / "new" / "c.csv").read_bytes() == body
    await folder.move("stock", "b.csv", "archive/new", "c.csv")  # gone already: nothing to do
    assert await folder.find("stock", "b.csv") is None


async def test_files_are_moved_where_a_server_has_plain_renames_only(server, folder):
    inbox = server.root / "exchange" / "stock"
    (await folder._open())._handler._supports_posix_rename = False
    for body in (b"x", b"y"):
        (inbox / "a.csv").write_bytes(body)
        await folder.move("stock", "a.csv", "archive", "b.csv")
        assert (server.root / "exchange" / "archive" / "b.csv").read_bytes() == body
        assert await folder.find("stock", "a.csv") is None
    await folder.move("stock", "a.csv", "archive", "b.csv")  # gone already: what was moved stays
    assert (server.root / "exchange" / "archive" / "b.csv").read_bytes() == b"y"


async def test_what_is_gone_or_a_link_is_not_read(server, folder):
    inbox = server.root / "exchange" / "stock"
    (inbox / "link.csv").symlink_to("/etc/passwd")
    for name in ("gone.csv", "link.csv"):
        with pytest.raises(Conflict):
            await whole(folder, "stock", name)


async def test_a_file_appears_whole_and_replaces_nothing(server, folder):
    out = server.root / "exchange" / "orders"
    await folder.stage("orders", "o.csv", b"one")
    assert [path.name for path in out.iterdir()] == [".o.csv.part"]
    assert await folder.staged("orders", "o.csv")
    await folder.publish("orders", "o.csv", b"one")
    assert not await folder.staged("orders", "o.csv")
    await folder.stage("orders", "o.csv", b"two")
    with pytest.raises(Conflict):
        await folder.publish("orders", "o.csv", b"two")
    assert (out / "o.csv").read_bytes() == b"one"


async def test_another_host_key_is_refused_without_fallback(server):
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    folder = SftpFolder(server.settings(host_key=other), ConcurrencySlots(SystemClock(), 4))
    with pytest.raises(AuthExpired, match="not the pinned one"):
        await folder.list("stock")
    await folder.close()


async def test_another_user_is_refused(server):
    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    folder = SftpFolder(server.settings(private_key=other), ConcurrencySlots(SystemClock(), 4))
    with pytest.raises(AuthExpired) as refused:
        await folder.list("stock")
    assert "PRIVATE KEY" not in str(refused.value)
    await folder.close()


async def test_a_server_that_is_not_there_is_tried_again(server):
    folder = SftpFolder(server.settings(), ConcurrencySlots(SystemClock(), 4))
    await server.stop()
    with pytest.raises(Retryable):
        await folder.list("stock")
    await folder.close()


async def test_a_connection_that_was_cut_is_made_again(server, folder):
    await folder.list("stock")
    await server.hang_up()
    failed = 0
    for _ in range(3):
        try:
            await folder.list("stock")
        except (Retryable, OutcomeUnknown):
            failed += 1
    assert failed <= 1


def test_a_key_that_is_none_is_a_misconfiguration(tmp_path):
    settings = FilesSettings(folder="sftp://h/x", spool="/s", user="u", host_key="no key", private_key="p")
    with pytest.raises(Misconfigured, match=r"files\.host_key or private_key cannot be read"):
        SftpFolder(settings, ConcurrencySlots(SystemClock(), 4))


async def test_stock_is_read_and_an_order_is_written_once(server):
    """The whole connector; the partner fetches the order and deletes it before our answer is there."""
    clock = SystemClock()
    exchange = server.root / "exchange"
    for name in ("items", "status"):
        (exchange / name).mkdir()
    (exchange / "stock" / "STOCK_1.csv").write_bytes(b"ITEM,AT,QTY\r\nA,MAIN,3\r\n")
    bench = FilesBench.__new__(FilesBench)
    bench._made, bench.around = 0, Surroundings.__new__(Surroundings)
    bench.around.clock = clock  # type: ignore[assignment]
    opening = Opening("erp", server.settings(), clock, Random(1), None)  # type: ignore[arg-type]
    system = CONNECTOR.open(opening)
    assert system.check is not None
    assert [ok for _, ok, _ in await system.check()] == [True] * 5
    pages = [page async for page in system.source.poll("stock", None)]
    assert sum(len(page.events) for page in pages) == 1
    assert [path.name for path in (exchange / "stock").iterdir()] == []
    item = bench._order()
    (outcome,) = await system.sink.deliver("put_order", [item], "key")
    assert outcome.result is Result.DONE
    (file,) = (exchange / "orders").iterdir()
    assert file.name == "orders-shop-1-r1.csv"
    file.unlink()
    again = CONNECTOR.open(opening)
    found = await again.sink.look_up("put_order", item)
    assert found is not None and found.result is Result.DONE
    await server.hang_up()
