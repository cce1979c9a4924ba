"""Downloads against a real HTTP server on this machine that misbehaves in every way a mirror can."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r3gan.data.content import Request
from r3gan.data.download import http as fetching
from r3gan.data.download.obtain import fetch
from r3gan.data.kinds import Pictures
from r3gan.data.source import Remote
from r3gan.errors import UserError

READ_S = 1.0  # how long a client waits for the next piece of a download
DATA = np.random.default_rng(0).bytes(300_000)
MD5 = hashlib.md5(DATA).hexdigest()
Handler = Callable[["Mirror"], None]


class Mirror(BaseHTTPRequestHandler):
    """One answer: `server.script` holds a behaviour for each request in turn, the last one for all that follow."""

    server: "Server"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range")))
        script = self.server.script
        (script.pop(0) if len(script) > 1 else script[0])(self)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    @property
    def start(self) -> int:
        return int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))

    def log_message(self, *_: Any) -> None:
        pass


def good(mirror: Mirror) -> None:
    """The file, or the rest of it where a range is asked for."""
    if mirror.start == 0:
        return mirror.answer(200, DATA, ETag='"one"')
    if mirror.start >= len(DATA):
        return mirror.answer(416, Content_Range=f"bytes */{len(DATA)}")
    content_range = f"bytes {mirror.start}-{len(DATA) - 1}/{len(DATA)}"
    return mirror.answer(206, DATA[mirror.start :], Content_Range=content_range, ETag='"one"')


def cut(mirror: Mirror) -> None:
    """A good start, and then the connection breaks after another 100,000 bytes."""
    rest = DATA[mirror.start :]
    headers = {"Content_Range": f"bytes {mirror.start}-{len(DATA) - 1}/{len(DATA)}"} if mirror.start else {}
    mirror.answer(206 if mirror.start else 200, rest[:100_000], Content_Length=str(len(rest)), ETag='"one"', **headers)


def stall(mirror: Mirror) -> None:
    """100,000 bytes, and then nothing for longer than anyone waits."""
    cut(mirror)
    mirror.wfile.flush()
    time.sleep(2 * READ_S)


def ignores_ranges(mirror: Mirror) -> None:
    mirror.answer(200, DATA, ETag='"one"')


def changed(mirror: Mirror) -> None:
    """Another file than before: the condition on its tag fails, so all of it is sent."""
    mirror.answer(200, DATA[::-1], ETag='"two"')


def wrong_bytes(mirror: Mirror) -> None:
    mirror.answer(200, b"\0" * len(DATA))


def too_long(mirror: Mirror) -> None:
    mirror.answer(200, DATA + b"more")


def redirect(mirror: Mirror) -> None:
    good(mirror) if mirror.path.endswith("moved") else mirror.answer(302, Location="/moved")


def redirect_forever(mirror: Mirror) -> None:
    mirror.answer(302, Location=mirror.path + "x")


def redirect_to_a_file(mirror: Mirror) -> None:
    mirror.answer(302, Location="file:///etc/passwd")


def endless(mirror: Mirror) -> None:
    """No length, and no end."""
    mirror.send_response(200)
    mirror.end_headers()
    while True:
        mirror.wfile.write(b"\0" * 65536)


def status(code: int, **headers: str) -> Handler:
    return lambda mirror: mirror.answer(code, **headers)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Mirror)
        self.script: list[Handler] = [good]
        self.asked: list[tuple[str, str | None]] = []

    def handle_error(self, *_: Any) -> None:
        pass  # the client hung up, which some tests want


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(fetching, "BACKOFF_S", 0.01)
    monkeypatch.setattr(fetching, "TIMEOUT_S", (10.0, READ_S))
    monkeypatch.setattr(fetching, "CHUNK_BYTES", 16_384)
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


Fetch = Callable[..., bytes]


@pytest.fixture
def get(server: Server, tmp_path: Path) -> Fetch:
    """Fetches set.zip from the server's mirrors into tmp_path/downloads and returns what came."""

    def call(
        *script: Handler, mirrors: int = 1, size: int | None = len(DATA), checksum: str | None = f"md5:{MD5}"
    ) -> bytes:
        server.script = list(script)
        urls = tuple(f"http://127.0.0.1:{server.server_port}/mirror{i}" for i in range(mirrors))
        remote = Remote(name="set.zip", mirrors=urls, size=size, checksum=checksum)
        entry = Pictures(
            title="", licence="", page="example.org/set", resolution=8, count=1, files=(remote,), expects="set.zip"
        )
        return fetch(entry, remote, Request(name="set", downloads=tmp_path / "downloads"))[0].read_bytes()

    return call


def left(tmp_path: Path) -> list[str]:
    """Names below tmp_path/downloads, which is not there where nothing was kept."""
    folder = tmp_path / "downloads"
    names = sorted(file.name for file in folder.iterdir()) if folder.exists() else []
    assert names or not folder.exists()
    return names


def test_a_file_is_fetched_once(get: Fetch, server: Server, tmp_path: Path) -> None:
    assert get(good) == DATA
    assert get(status(500)) == DATA
    assert len(server.asked) == 1
    assert left(tmp_path) == ["set.zip"]


@pytest.mark.parametrize("trouble", [cut, stall])
def test_a_cut_or_stalled_download_is_resumed_where_it_stopped(get: Fetch, server: Server, trouble: Handler) -> None:
    assert get(trouble, good) == DATA
    ranges = [asked[1] for asked in server.asked]
    assert ranges[0] is None
    assert 0 < int(str(ranges[1]).removeprefix("bytes=").rstrip("-")) <= 100_000


def test_a_download_that_is_cut_again_and_again_still_arrives(get: Fetch, server: Server) -> None:
    assert get(cut) == DATA
    assert len(server.asked) == 3


def test_the_next_command_resumes_what_a_dead_mirror_left(get: Fetch, server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="could not be fetched"):
        get(cut, status(404))
    assert left(tmp_path) == ["set.zip.part"]
    assert get(good) == DATA
    assert server.asked[-1][1] == f"bytes={100_000}-"
    assert left(tmp_path) == ["set.zip"]


def test_a_server_that_ignores_ranges_is_read_from_the_start(get: Fetch) -> None:
    assert get(cut, ignores_ranges) == DATA


def test_a_file_that_changed_meanwhile_is_never_glued_to_the_old_start(get: Fetch, tmp_path: Path) -> None:
    assert get(cut, changed, size=None, checksum=None) == DATA[::-1]
    assert left(tmp_path) == ["set.zip", "set.zip.sha256"]


def test_without_a_checksum_the_first_download_is_trusted_and_another_one_refused(get: Fetch, tmp_path: Path) -> None:
    assert get(good, size=None, checksum=None) == DATA
    (tmp_path / "downloads/set.zip").unlink()
    with pytest.raises(UserError, match=r"has sha256 [0-9a-f]{64} where the first download had [0-9a-f]{64}"):
        get(wrong_bytes, size=None, checksum=None)
    assert left(tmp_path) == ["set.zip.sha256"]


def test_wrong_bytes_are_refused_with_both_sums_and_nothing_is_kept(get: Fetch, tmp_path: Path) -> None:
    zeros = hashlib.md5(b"\0" * len(DATA)).hexdigest()
    with pytest.raises(
        UserError, match=f"md5 {zeros} where {MD5} is published.*example.org/set.*--source PATH: set.zip"
    ):
        get(wrong_bytes)
    assert left(tmp_path) == []


@pytest.mark.parametrize("first", [wrong_bytes, too_long, status(404), status(403), redirect_forever, endless])
def test_the_next_mirror_is_asked_where_one_fails(get: Fetch, server: Server, first: Handler) -> None:
    tried = []

    def either(mirror: Mirror) -> None:
        tried.append(mirror.path[:8])
        first(mirror) if mirror.path.startswith("/mirror0") else good(mirror)

    assert get(either, mirrors=2) == DATA
    assert tried[-1] == "/mirror1"


def test_a_file_that_was_damaged_on_disk_is_fetched_anew(get: Fetch, tmp_path: Path) -> None:
    get(good)
    (tmp_path / "downloads/set.zip").write_bytes(DATA[:-1])
    assert get(good) == DATA


@pytest.mark.parametrize("trouble", [status(503), status(503, Retry_After="0"), status(500), status(429)])
def test_a_busy_server_is_asked_again(get: Fetch, server: Server, trouble: Handler) -> None:
    assert get(trouble, trouble, good) == DATA
    assert len(server.asked) == 3


def test_a_redirect_is_followed(get: Fetch) -> None:
    assert get(redirect) == DATA


HOPELESS = {
    "404": status(404),
    "503 for ever": status(503),
    "redirects for ever": redirect_forever,
    "a redirect to a file of this machine": redirect_to_a_file,
    "an answer that is no file": status(204),
    "a page to log in at": lambda mirror: mirror.answer(200, b"<html>", Content_Type="text/html; charset=utf-8"),
    "no length": endless,
    "a range that nobody asked for": lambda mirror: mirror.answer(206, DATA[5:], Content_Range="bytes 5-9/10"),
}


@pytest.mark.parametrize("trouble", HOPELESS.values(), ids=HOPELESS)
def test_a_hopeless_mirror_ends_in_one_sentence_and_leaves_nothing(
    get: Fetch, tmp_path: Path, trouble: Handler
) -> None:
    with pytest.raises(UserError) as caught:
        get(trouble, size=None)
    message = str(caught.value)
    assert "\n" not in message
    for part in ("data set set could not be fetched", "see example.org/set", "--source PATH: set.zip"):
        assert part in message
    assert left(tmp_path) == []


def test_a_machine_that_nobody_answers_at_is_said_in_one_sentence(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = Remote(name="set.zip", mirrors=("http://127.0.0.1:9/set.zip",))
    entry = Pictures(
        title="", licence="", page="example.org", resolution=8, count=1, files=(remote,), expects="set.zip"
    )
    with pytest.raises(UserError, match=r"could not be fetched .*Connection refused\); see .*--source PATH"):
        fetch(entry, remote, Request(name="set", downloads=tmp_path / "downloads"))
    assert left(tmp_path) == []


def test_a_proxy_is_respected(get: Fetch, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    server.script = [good]
    remote = Remote(name="set.zip", mirrors=("http://nowhere.invalid/set.zip",), checksum=f"md5:{MD5}")
    entry = Pictures(title="", licence="", page="", resolution=8, count=1, files=(remote,), expects="")
    assert fetch(entry, remote, Request(name="set", downloads=tmp_path / "downloads"))[0].read_bytes() == DATA
    assert server.asked == [("http://nowhere.invalid/set.zip", None)]


def test_two_commands_at_once_fetch_a_file_once(get: Fetch, server: Server) -> None:
    found: list[bytes] = []
    slow = [stall, good]
    threads = [threading.Thread(target=lambda: found.append(get(*slow))) for _ in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert found == [DATA, DATA]
