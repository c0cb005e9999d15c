"""The client of object stores: signatures by Amazon's own examples, and answers that are not the store's."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from syncline.connectors.files import FilesSettings
from syncline.connectors.files.client import ObjectFolder, Signer
from syncline.connectors.files.simulator import ACCESS_KEY, ORIGIN, SECRET_KEY, ObjectStoreSimulator
from syncline.model.errors import Conflict, OutcomeUnknown, Retryable, SynclineError, Throttled
from syncline.ports import Request, Response, Transport
from syncline.sdk.governor import ConcurrencySlots
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.transport import AsgiTransport

DAY_MS = 1_369_353_600_000  # 20130524T000000Z
HOST = "https://examplebucket.s3.amazonaws.com"

# Amazon S3 API Reference, "Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk",
# Examples.
EXAMPLES = [
    (
        "GET",
        "/test.txt",
        {},
        {"Range": "bytes=0-9"},
        b"",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    (
        "PUT",
        "/test%24file.text",
        {},
        {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
        b"Welcome to Amazon S3.",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    (
        "GET",
        "/",
        {"lifecycle": ""},
        {},
        b"",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    (
        "GET",
        "/",
        {"max-keys": "2", "prefix": "J"},
        {},
        b"",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
]


@pytest.mark.parametrize(("method", "path", "query", "headers", "body", "signature"), EXAMPLES)
def test_requests_are_signed_as_amazons_examples_are(method, path, query, headers, body, signature):
    settings = FilesSettings(
        folder="s3://examplebucket",
        spool="/spool",
        access_key="AKIAIOSFODNN7EXAMPLE",
        secret_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )
    loop = VirtualLoop(DAY_MS)
    signed = Signer(settings, VirtualClock(loop)).headers(method, HOST + path, query, headers, body)
    loop.close()
    assert signed["authorization"].endswith(f"Signature={signature}")


class Wire(Transport):
    """What lies between: it may answer by itself."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.change: Callable[[Request, Response], Response] = lambda _, answer: answer

    async def send(self, request: Request) -> Response:
        return self.change(request, await self._inner.send(request))


class Bench:
    """A store with one object, and our folder of it."""

    def __init__(self) -> None:
        self.loop = VirtualLoop(DAY_MS)
        clock = VirtualClock(self.loop)
        self.store = ObjectStoreSimulator(clock=clock, rng=Random(1))
        self.store.put("in/a.csv", b"x" * 100)
        self.wire = Wire(AsgiTransport({ORIGIN: self.store}))
        settings = FilesSettings(
            folder="s3://exchange",
            spool="/spool",
            endpoint=ORIGIN,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
        )
        self.folder = ObjectFolder(settings, clock, self.wire, ConcurrencySlots(clock, 4))

    def run(self, work):
        return self.loop.run_until_complete(work)

    async def whole(self, name: str) -> bytes:
        return b"".join([piece async for piece in self.folder.read("in", name)])


@pytest.fixture
def bench():
    made = Bench()
    yield made
    made.loop.close()


def login_page(_: Request, __: Response) -> Response:
    return Response(200, {"content-type": "text/html"}, b"<html><body>Please log in</body></html>")


@pytest.mark.parametrize(
    ("work", "raises"),
    [
        (lambda b: b.folder.list("in"), Retryable),
        (lambda b: b.folder.find("in", "a.csv"), Retryable),
        (lambda b: b.whole("a.csv"), Retryable),
        (lambda b: b.folder.publish("out", "b.csv", b"x"), OutcomeUnknown),
        (lambda b: b.folder.move("in", "a.csv", "done", "a.csv"), OutcomeUnknown),
    ],
    ids=["list", "find", "read", "publish", "move"],
)
def test_whoever_else_answers_is_not_believed(bench, work, raises):
    bench.wire.change = login_page
    with pytest.raises(raises):
        bench.run(work(bench))


@pytest.mark.parametrize(
    ("said", "waits"),
    [("7.5", 7.5), ("9" * 400, 600.0), ("inf", 600.0), ("nan", 0.0), ("-1", 0.0), ("\xb2", 2.0), ("", 2.0)],
)
def test_nobody_can_send_us_away_for_ever(bench, said, waits):
    bench.wire.change = lambda _, __: Response(503, {"retry-after": said}, b"")
    with pytest.raises(Throttled) as told:
        bench.run(bench.folder.list("in"))
    assert told.value.retry_after_s == waits


def test_a_name_is_not_found_by_its_beginning(bench):
    bench.store.put("in/a.csv.done", b"")
    assert bench.run(bench.folder.find("in", "a")) is None
    found = bench.run(bench.folder.find("in", "a.csv"))
    assert found is not None and found.size == 100


@pytest.mark.parametrize("name", ["a b+c.csv", "a%2fb.csv", "é&<>.csv", "a\x01b.csv"])
def test_odd_names_are_listed_and_read_as_they_are(bench, name):
    bench.store.put(f"in/{name}", b"odd")
    assert name in [entry.name for entry in bench.run(bench.folder.list("in"))]
    assert bench.run(bench.whole(name)) == b"odd"


@pytest.mark.parametrize(
    ("encodes", "told"), [(True, b"<Key>in/a+b%2Bc%25.csv<"), (False, b"<Key>in/a b+c%.csv<")]
)
def test_a_space_in_a_name_is_a_plus_sign_in_a_listing_that_is_encoded(bench, encodes, told):
    """As S3 itself answers; a store that does not encode is taken at its word."""
    bodies = []
    bench.wire.change = lambda _, answer: bodies.append(answer.body) or answer
    bench.store.encodes = encodes
    bench.store.put("in/a b+c%.csv", b"odd")
    assert "a b+c%.csv" in [entry.name for entry in bench.run(bench.folder.list("in"))]
    assert told in bodies[0]
    assert bench.run(bench.folder.find("in", "a b+c%.csv")) is not None


def test_many_pages_are_listed(bench, monkeypatch):
    monkeypatch.setattr("syncline.connectors.files.client.PAGE_KEYS", 3)
    for n in range(10):
        bench.store.put(f"in/{n}.csv", b"")
        bench.store.put(f"in/deeper/{n}.csv", b"")
    assert len(bench.run(bench.folder.list("in"))) == 11


def test_a_large_object_is_read_in_pieces_and_never_of_two_versions(bench, monkeypatch):
    monkeypatch.setattr("syncline.connectors.files.client.PIECE_BYTES", 40)
    assert bench.run(bench.whole("a.csv")) == b"x" * 100

    async def changed() -> None:
        async for _ in bench.folder.read("in", "a.csv"):
            bench.store.put("in/a.csv", b"y" * 100)

    with pytest.raises(Conflict):
        bench.run(changed())


def test_an_empty_object_and_one_that_is_gone(bench):
    bench.store.put("in/empty.csv", b"")
    assert bench.run(bench.whole("empty.csv")) == b""
    with pytest.raises(Conflict):
        bench.run(bench.whole("gone.csv"))
    bench.run(bench.folder.move("in", "gone.csv", "done", "x.csv"))
    assert bench.store.keys("done/") == []


def test_another_bucket_is_no_empty_one(bench):
    bench.store.bucket = "another"
    for work in (bench.folder.list("in"), bench.folder.publish("out", "b.csv", b"x")):
        with pytest.raises(SynclineError, match=r"does not exist"):
            bench.run(work)


def test_what_is_there_is_not_replaced(bench):
    with pytest.raises(Conflict):
        bench.run(bench.folder.publish("in", "a.csv", b"other"))
    assert bench.store.objects["in/a.csv"].body == b"x" * 100
