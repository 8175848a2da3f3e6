"""A service on a free port, and a visitor with a Chromium: `make test-e2e`, since `make test` asks for no browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from email.parser import BytesParser
from functools import partial
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, Route, expect, sync_playwright
from skimage import data

SECONDS = 120  # to start, and for what a visitor waits for: others may keep the machine busy
# names that no other program of a machine with a browser has
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
expect.set_options(timeout=1000 * SECONDS)


@pytest.fixture(scope="session")
def serving() -> Callable[..., AbstractContextManager[str]]:
    """Has a service, with more options, for as long as a context."""
    return _serving


@pytest.fixture(scope="session")
def service() -> Iterator[str]:
    """The address of a service that is ready."""
    with _serving() as address:
        yield address


@contextmanager
def _serving(*options: str) -> Iterator[str]:
    """Has a service; returns its address once it is ready."""
    command = [sys.executable, "-m", "faceinpaint_fast", "serve", "--port", "0", "--deadline", "600", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = next((line for line in process.stderr if '"listening"' in line), None)
        assert told, "the service did not start"
        # what it logs is read on, or it would wait for room in the pipe
        log = threading.Thread(target=process.stderr.read, daemon=True)
        log.start()
        address = f"http://127.0.0.1:{json.loads(told)['port']}"
        end = time.monotonic() + SECONDS
        while not _is_ready(address):
            assert time.monotonic() < end, "the service did not warm up"
            time.sleep(0.1)
        yield address
        process.terminate()
        assert process.wait(SECONDS) == 0
        log.join()


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/readyz") as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    assert found, "expected a Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        # root has no sandbox, and containers have little shared memory
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


class Visit:
    """A visitor on the page; what went wrong in it, and which hosts it asked, is noted."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.context, self.address = context, address
        self.hosts, self.wrong = set[str](), list[str]()
        context.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        self.page: Page = context.new_page()
        self.page.set_default_timeout(SECONDS * 1000)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda told: self._note(told.type, told.text))
        self.page.goto(address)

    def _note(self, kind: str, text: str) -> None:
        # a status that is an error is one that a test has asked for
        if kind in ("error", "warning") and "the server responded with a status" not in text:
            self.wrong.append(text)

    def open(self, file: bytes, name: str = "astronaut.png", kind: str = "image/png") -> None:
        """Chooses a photograph, and waits for its faces."""
        self.page.set_input_files("#choose", {"name": name, "mimeType": kind, "buffer": file})
        expect(self.page.locator("#about")).to_contain_text(name)
        expect(self.page.locator("#faces-found")).not_to_contain_text("Looking")

    @property
    def state(self) -> str | None:
        return self.page.locator("body").get_attribute("data-state")

    def wait_for(self, state: str) -> None:
        self.page.wait_for_selector(f"body[data-state={state}]")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def take_tool(self, name: str) -> None:
        self.page.get_by_role("radio", name=name).check()

    def resize_brush(self, place: int) -> float:
        """Sets the slider of the brush's size; returns its diameter in pixels of the photograph."""
        self.page.locator("#size").fill(str(place))
        return float(self.page.locator("#size-shown").inner_text().removesuffix(" px"))

    def on_screen(self, x: float, y: float, size: tuple[int, int]) -> tuple[float, float]:
        """Where a point of the photograph, of so many pixels across and down, is seen, when all of it is."""
        box = self.page.locator("#stage").bounding_box()
        assert box
        covered = float(
            self.page.evaluate("getComputedStyle(document.querySelector('#stage')).getPropertyValue('--covered')")
        )
        width, height = box["width"] - 32, box["height"] - 32 - covered
        scale = min(width / size[0], height / size[1])
        left = box["x"] + 16 + (width - scale * size[0]) / 2
        top = box["y"] + 16 + (height - scale * size[1]) / 2
        return left + x * scale, top + y * scale

    def drag(self, points: list[tuple[float, float]], size: tuple[int, int]) -> None:
        """Drags the mouse from point to point of the photograph."""
        mouse = self.page.mouse
        mouse.move(*self.on_screen(*points[0], size))
        mouse.down()
        for point in points[1:]:
            mouse.move(*self.on_screen(*point, size), steps=5)
        mouse.up()

    def asked(self, act: Callable[[], Any]) -> dict[str, bytes]:
        """Returns the fields of the form that the page sends for what `act` does, which is answered by a refusal."""
        refusal = {"error": {"message": "service: ending", "field": None}, "request_id": "1"}
        with self.forms(lambda route: route.fulfill(status=503, json=refusal)) as forms:
            act()
            self.page.wait_for_selector("#failure:not([hidden])")
        return forms[0]

    @contextmanager
    def forms(self, answer: Callable[[Route], None]) -> Iterator[list[dict[str, bytes]]]:
        """Gathers the fields of the forms that are sent to restore, each of which is answered so."""
        forms = list[dict[str, bytes]]()

        def gather(route: Route) -> None:
            # only of a request that is held up here a browser tells the whole body
            forms.append(fields_of(route.request))
            answer(route)

        self.page.route("**/v1/inpaint", gather)
        yield forms
        self.page.unroute("**/v1/inpaint")

    def hole(self) -> np.ndarray:
        """Returns the hole (H, W) as the page sends it."""
        return np.asarray(Image.open(BytesIO(self.asked(self.button("Restore").click)["hole"])))

    def answer_with(self, picture: bytes) -> None:
        """Has the page answered at once, where a test is not about what is restored."""
        result = {"picture": b64encode(picture).decode(), "media_type": "image/png", "faces": [], "remarks": [],
                  "seconds": {"total": 0.1}}  # fmt: skip
        body = f"event: result\ndata: {json.dumps(result)}\n\n"
        self.page.route("**/v1/inpaint", lambda route: route.fulfill(body=body, content_type="text/event-stream"))

    def restored(self, act: Callable[[], Any]) -> list[dict[str, bytes]]:
        """Waits for what `act` has restored; returns the fields of the forms that were sent."""
        with self.forms(lambda route: route.continue_()) as forms:
            act()
            self.wait_for("restored")
        return forms

    def downloaded(self, act: Callable[[], Any]) -> tuple[str, bytes]:
        """Returns the name and the bytes of the file that `act` downloads."""
        with self.page.expect_download() as download:
            act()
        return download.value.suggested_filename, download.value.path().read_bytes()


def fields_of(request: Request) -> dict[str, bytes]:
    """Returns the fields of a request's form."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    parts = BytesParser().parsebytes(head + (request.post_data_buffer or b"")).get_payload()
    return {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in parts}


@pytest.fixture
def visits_to(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Begins visits, each in a context with its options; in the end nothing was wrong, and no other asked."""
    begun = list[Visit]()

    def begin(address: str, **options: Any) -> Visit:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        begun.append(Visit(context, address))
        return begun[-1]

    yield begin
    for visit in begun:
        visit.context.close()
        assert visit.wrong == []
        assert visit.hosts <= {urlsplit(visit.address).netloc, ""}  # blob: has none


@pytest.fixture
def visits(visits_to: Callable[..., Visit], service: str) -> Callable[..., Visit]:
    """Begins visits to the service."""
    return partial(visits_to, service)


@pytest.fixture
def visit(visits: Callable[..., Visit]) -> Visit:
    return visits()


@pytest.fixture(scope="session")
def face() -> Image.Image:
    """The face of scikit-image's astronaut, with what is around it: 256x256 pixels."""
    return Image.fromarray(data.astronaut()[:256, 110:366])


@pytest.fixture(scope="session")
def photo(face: Image.Image) -> bytes:
    return file_of(face, "PNG")


def file_of(image: Image.Image, format_: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


@pytest.fixture(scope="session")
def filed() -> Callable[..., bytes]:
    """Makes a file of an image, in a format."""
    return file_of
