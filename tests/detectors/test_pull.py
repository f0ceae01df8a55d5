"""Pulling a model from a real HTTP server, and everything that can go wrong on the way."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from detectors.tiny import BYTES_MAX, guessed_card
from tiny_onnx import build_person_detector
from vedette.detectors.catalog import BUILT_IN, Catalog, CatalogModel
from vedette.detectors.pull import pull
from vedette.detectors.shelf import Shelf
from vedette.domain.errors import ConfigError, Conflict, DetectorUnavailable, ModelUnreadable

TIMEOUT_S = 5.0
Answer = Callable[[BaseHTTPRequestHandler], None]


class Mirror:
    """A real server on this machine that answers as it is told."""

    def __init__(self, answer: Answer) -> None:
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append((self.path, dict(self.headers)))
                answer(self)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Mirror]]:
    mirrors: list[Mirror] = []

    def start(answer: Answer) -> Mirror:
        mirrors.append(Mirror(answer))
        return mirrors[-1]

    yield start
    for mirror in mirrors:
        mirror.stop()


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return build_person_detector(tmp_path_factory.mktemp("m") / "tiny.onnx").read_bytes()


@pytest.fixture
def model(content: bytes, tmp_path: Path) -> CatalogModel:
    path = tmp_path / "tiny.onnx"
    path.write_bytes(content)
    return CatalogModel(
        guessed_card(path),
        "http://127.0.0.1:9/far/tiny-1.onnx",
        hashlib.sha256(content).hexdigest(),
        len(content),
        "small",
    )


@pytest.fixture
def shelf(tmp_path: Path, model: CatalogModel) -> Shelf:
    return Shelf(tmp_path / "cache", Catalog(model), bytes_max=BYTES_MAX)


def sends(body: bytes, *, said: int | None = None) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(body) if said is None else said))
        request.end_headers()
        request.wfile.write(body)

    return answer


def pulled(model: CatalogModel, shelf: Shelf, mirror: Mirror, **options: object):
    return pull(
        model, shelf, timeout_s=TIMEOUT_S, models_url=f"http://{mirror.address}/m/", **options
    )


def assert_nothing_is_left(tmp_path: Path, shelf: Shelf) -> None:
    assert shelf.models() == []
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_a_pulled_model_is_whole_and_can_be_used_by_name(model, shelf, content, serve) -> None:
    mirror, told = serve(sends(content)), []

    installed = pulled(model, shelf, mirror, progress=lambda got, size: told.append((got, size)))

    assert installed.path.read_bytes() == content
    assert shelf.resolve("tiny") == (installed.path, model.card)
    assert told[-1] == (len(content), len(content))
    assert mirror.asked[0][0] == "/m/tiny-1.onnx"


def test_what_is_installed_is_not_pulled_again(model, shelf, content, serve) -> None:
    mirror = serve(sends(content))
    first = pulled(model, shelf, mirror)

    assert pulled(model, shelf, mirror) == first
    assert len(mirror.asked) == 1


def test_another_model_of_that_name_is_not_overwritten(
    model, shelf, content, serve, tmp_path
) -> None:
    card = tmp_path / "card.toml"
    card.write_text('licence = "mine"')
    shelf.add(tmp_path / "tiny.onnx", card_file=card)

    with pytest.raises(Conflict, match="vedette models remove tiny"):
        pulled(model, shelf, serve(sends(content)))


def test_no_network_is_told_with_the_way_by_hand(model, shelf, tmp_path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    with pytest.raises(DetectorUnavailable, match="Connection refused") as told:
        pull(model, shelf, timeout_s=TIMEOUT_S, models_url=f"http://127.0.0.1:{port}")

    assert "vedette models add FILE --name tiny" in str(told.value)
    assert_nothing_is_left(tmp_path, shelf)


def test_a_name_that_leads_nowhere_is_told(model, shelf, tmp_path) -> None:
    with pytest.raises(DetectorUnavailable, match=r"nowhere\.invalid"):
        pull(model, shelf, timeout_s=TIMEOUT_S, models_url="http://nowhere.invalid/m")

    assert_nothing_is_left(tmp_path, shelf)


@pytest.mark.parametrize("status", [404, 403, 500])
def test_an_answer_that_says_no_is_told_with_its_number(
    model, shelf, serve, tmp_path, status: int
) -> None:
    mirror = serve(lambda request: request.send_error(status))

    with pytest.raises(DetectorUnavailable, match=f"answers {status}"):
        pulled(model, shelf, mirror)

    assert_nothing_is_left(tmp_path, shelf)


def test_a_download_cut_off_leaves_nothing_and_can_be_repeated(
    model, shelf, content, serve, tmp_path
) -> None:
    half = serve(sends(content[: len(content) // 2], said=len(content)))
    with pytest.raises(DetectorUnavailable, match=f"of {len(content)} bytes|cannot be pulled"):
        pulled(model, shelf, half)
    assert_nothing_is_left(tmp_path, shelf)

    installed = pulled(model, shelf, serve(sends(content)))

    assert installed.path.read_bytes() == content


@pytest.mark.parametrize("change", ["one byte", "more", "a page"])
def test_another_file_than_the_pinned_one_is_not_installed(
    model, shelf, content, serve, tmp_path, change: str
) -> None:
    body = {
        "one byte": content[:-1] + bytes([content[-1] ^ 1]),
        "more": content + b"x" * 1_000_000,
        "a page": b"<html>please log in</html>".ljust(len(content)),
    }[change]

    with pytest.raises(ModelUnreadable, match="SHA-256"):
        pulled(model, shelf, serve(sends(body)))

    assert_nothing_is_left(tmp_path, shelf)


def test_a_server_that_falls_silent_is_given_up(model, shelf, content, serve, tmp_path) -> None:
    awake = threading.Event()

    def stall(request: BaseHTTPRequestHandler) -> None:
        sends(content[:1000], said=len(content))(request)
        request.wfile.flush()
        awake.wait(240)

    mirror = serve(stall)
    try:
        with pytest.raises(DetectorUnavailable, match=r"no answer for 0\.3 s"):
            pull(model, shelf, timeout_s=0.3, models_url=f"http://{mirror.address}")
    finally:
        awake.set()
    assert_nothing_is_left(tmp_path, shelf)


def test_a_redirect_is_followed_but_a_password_is_not_sent_on(model, shelf, content, serve) -> None:
    far = serve(sends(content))

    def elsewhere(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", f"http://localhost:{far.address.split(':')[1]}/x")
        request.end_headers()

    near = serve(elsewhere)

    pull(model, shelf, timeout_s=TIMEOUT_S, models_url=f"http://ann:secret@{near.address}/m")

    assert near.asked[0][1]["Authorization"].startswith("Basic ")
    assert "Authorization" not in far.asked[0][1]


def test_a_password_in_the_mirrors_address_is_never_told(model, shelf, serve) -> None:
    mirror = serve(lambda request: request.send_error(404))

    with pytest.raises(DetectorUnavailable) as told:
        pull(model, shelf, timeout_s=TIMEOUT_S, models_url=f"http://ann:secret@{mirror.address}")

    assert "secret" not in str(told.value)
    assert "ann" not in str(told.value)


@pytest.mark.parametrize("address", ["file:///etc", "ftp://host/m", "host/m", "http://"])
def test_a_mirror_is_reached_by_http_alone(model, shelf, address: str) -> None:
    with pytest.raises(ConfigError, match="VEDETTE_MODELS_URL"):
        pull(model, shelf, timeout_s=TIMEOUT_S, models_url=address)


def test_a_proxy_of_the_environment_is_used(
    model, shelf, content, serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(sends(content))
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://{proxy.address}")

    pull(model, shelf, timeout_s=TIMEOUT_S, models_url="http://far.invalid/m")

    assert proxy.asked[0][0] == "http://far.invalid/m/tiny-1.onnx"


def test_a_full_disk_is_told_as_the_folders_trouble(model, content, serve, tmp_path) -> None:
    mirror = serve(sends(content))
    # A limit on the size of files stands for a full disk: the same call fails, with one sentence.
    attempt = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from vedette.detectors.card import read_card\n"
        "from vedette.detectors.catalog import Catalog, CatalogModel\n"
        "from vedette.detectors.pull import pull\n"
        "from vedette.detectors.shelf import Shelf\n"
        "from vedette.domain.errors import ConfigError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        f"model = CatalogModel(read_card(Path({str(tmp_path / 'c.toml')!r})), 'http://x/t.onnx',"
        f" {model.sha256!r}, {model.size_bytes}, '')\n"
        f"shelf = Shelf(Path({str(tmp_path / 'cache')!r}), Catalog(model), bytes_max=10**8)\n"
        "try:\n"
        f"    pull(model, shelf, timeout_s=5, models_url='http://{mirror.address}')\n"
        "except ConfigError as error:\n"
        "    print(error)\n"
    )
    from vedette.detectors.card import card_toml

    (tmp_path / "c.toml").write_text(card_toml(model.card))

    out = subprocess.run(
        [sys.executable, "-c", attempt], capture_output=True, text=True, check=True, timeout=240
    ).stdout

    assert "cannot be written: File too large" in out
    assert "VEDETTE_CACHE_DIR" in out
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_two_at_once_both_end_with_the_model_or_a_word(model, shelf, content, serve) -> None:
    mirror = serve(sends(content))
    gate, ended = threading.Barrier(2), []

    def attempt() -> None:
        def wait_once(*_: int, seen: list[int] = []) -> None:  # noqa: B006
            if not seen:
                seen.append(1)
                gate.wait(240)

        try:
            ended.append(pulled(model, shelf, mirror, progress=wait_once))
        except Conflict as error:
            ended.append(error)

    threads = [threading.Thread(target=attempt) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)

    assert len(ended) == 2
    assert shelf.resolve("tiny")[0].read_bytes() == content
    assert len(list(shelf.resolve("tiny")[0].parent.parent.iterdir())) == 1


def test_the_built_in_catalog_pins_every_file() -> None:
    for model in BUILT_IN:
        assert model.url.startswith("https://")
        assert len(model.sha256) == 64
        assert int(model.sha256, 16) > 0
        assert model.size_bytes > 1_000_000
        assert model.card.licence == "Apache-2.0"
    assert [model.card.name for model in BUILT_IN] == ["yolox-s", "yolox-tiny", "yolox-nano"]
