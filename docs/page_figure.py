"""Draws docs/page*.png, the page at work on scikit-image's astronaut, in a Chromium.

`python docs/page_figure.py ADDRESS`, that of a service, such as http://127.0.0.1:8000 of `faceinpaint serve`.
"""

from __future__ import annotations

import shutil
import sys
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, sync_playwright
from skimage import data

HERE = Path(__file__).parent
SCRATCH = [(258, 24), (247, 74), (255, 103), (240, 128), (250, 152), (238, 196)]
SIDE = 512  # pixels of the photograph
MOST = 300_000  # bytes of a picture


def photograph(scratch: bool) -> bytes:
    """The astronaut as a PNG, with a scratch if asked for."""
    large = Image.fromarray(data.astronaut()).resize((4 * SIDE, 4 * SIDE), Image.Resampling.NEAREST)
    if scratch:
        line = [(4 * x, 4 * y) for x, y in SCRATCH]
        ImageDraw.Draw(large).line(line, fill=(236, 231, 222), width=34, joint="curve")
    file = BytesIO()
    large.resize((SIDE, SIDE), Image.Resampling.BOX).save(file, "PNG")
    return file.getvalue()


def opened(browser: Browser, address: str, *, scratch: bool = True, **options: object) -> Page:
    """A page with the photograph, its faces found."""
    page = browser.new_page(**options)  # type: ignore[arg-type]
    page.goto(address)
    photo = photograph(scratch)
    page.set_input_files("#choose", {"name": "astronaut.png", "mimeType": "image/png", "buffer": photo})
    page.get_by_text("One was found").wait_for()
    return page


def on_screen(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a point of the photograph is seen, when all of it is."""
    box = page.locator("#stage").bounding_box()
    assert box
    covered = page.evaluate("Number(getComputedStyle(document.querySelector('#stage')).getPropertyValue('--covered'))")
    scale = min(box["width"] - 32, box["height"] - 32 - covered) / SIDE
    left = box["x"] + (box["width"] - scale * SIDE) / 2
    top = box["y"] + (box["height"] - covered - scale * SIDE) / 2
    return left + x * scale, top + y * scale


def paint(page: Page) -> None:
    """Paints the scratch over, and goes nearer to the face."""
    page.locator("#size").fill("43")
    page.mouse.move(*on_screen(page, *SCRATCH[0]))
    page.mouse.down()
    for point in SCRATCH[1:]:
        page.mouse.move(*on_screen(page, *point), steps=4)
    page.mouse.up()
    page.mouse.move(*on_screen(page, 225, 60))
    for _ in range(5):
        page.mouse.wheel(0, -60)
    page.wait_for_timeout(300)


def restore(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()
    page.wait_for_selector("body[data-state=restored]", timeout=120_000)
    page.wait_for_timeout(500)


def shot(page: Page) -> Image.Image:
    return Image.open(BytesIO(page.screenshot())).convert("RGB")


def save(image: Image.Image, name: str) -> None:
    """Writes a picture of 256 colours, which are enough and take a third of the room."""
    path = HERE / name
    image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path}: {size} bytes")
    if size > MOST:
        raise SystemExit(f"{path}: expected {MOST} bytes at most")


def main() -> None:
    address = sys.argv[1]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = opened(browser, address, viewport={"width": 1120, "height": 700})
        paint(page)
        save(shot(page), "page-painting.png")
        restore(page, "Restore")
        save(shot(page), "page.png")
        desk = {"viewport": {"width": 1120, "height": 700}, "color_scheme": "dark"}
        page = opened(browser, address, scratch=False, **desk)
        for part in ("Left eye", "Right eye", "Nose", "Mouth"):
            page.get_by_role("button", name=part).click()
        restore(page, "Three variants")
        save(shot(page), "page-variants.png")
        phone = {
            "viewport": {"width": 390, "height": 760},
            "device_scale_factor": 1.25,
            "has_touch": True,
            "is_mobile": True,
        }
        page = browser.new_page(**phone)
        page.goto(address)
        shots = [shot(page)]
        page = opened(browser, address, scratch=False, **phone)
        page.get_by_role("button", name="Right eye").tap()
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(300)
        shots.append(shot(page))
        restore(page, "Restore")
        shots.append(shot(page))
        gap = 24
        width = sum(each.width for each in shots) + gap * (len(shots) - 1)
        side_by_side = Image.new("RGB", (width, shots[0].height), "white")
        for i, each in enumerate(shots):
            side_by_side.paste(each, (i * (each.width + gap), 0))
        save(side_by_side, "page-phone.png")


if __name__ == "__main__":
    main()
