"""The page in a real browser: it paints, restores, compares and downloads, for whoever comes with whatever device."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageCms
from playwright.sync_api import expect
from scipy.ndimage import uniform_filter

from faceinpaint_fast.images import read_image

SIZE = (256, 256)
TIMES = "\N{MULTIPLICATION SIGN}"
SCRATCH = [(118, 60), (140, 110), (128, 150)]  # over an eye and a cheek of the photograph
PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}


def pixels_of(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(file)))


def stroked(points, diameter, size=SIZE):
    """What a brush covers by its definition: (surely, perhaps), as points of the screen are no whole pixels."""
    y, x = np.mgrid[: size[1], : size[0]] + 0.5
    nearest = np.full(x.shape, np.inf)
    for (ax, ay), (bx, by) in pairwise(points):
        dx, dy = bx - ax, by - ay
        t = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx**2 + dy**2), 0, 1)
        nearest = np.minimum(nearest, np.hypot(x - ax - t * dx, y - ay - t * dy))
    return nearest <= diameter / 2 - 1.5, nearest <= diameter / 2 + 1.5


def paint(visit, points=SCRATCH, place=40):
    """Paints with the mouse; returns the brush's diameter."""
    diameter = visit.resize_brush(place)
    visit.drag(points, SIZE)
    return diameter


def test_paints_restores_compares_and_downloads(visit, face, filed):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010E] = "an astronaut"
    photo = filed(face, "PNG", icc_profile=profile, exif=exif, dpi=(300, 300))
    visit.open(photo)
    expect(visit.page.locator("#faces-found")).to_contain_text("One was found")
    expect(visit.page.locator(".marks .over.face")).to_have_count(1)

    diameter = paint(visit)
    heard = visit.page.evaluate_handle(
        """() => {
          const heard = [], bar = document.querySelector("#progress");
          new MutationObserver(() => heard.push(bar.value)).observe(bar, {attributes: true});
          return heard;
        }"""
    )
    [sent] = visit.restored(visit.button("Restore").click)
    # as it is made, not at once
    assert any(0 < share < 1 for share in heard.json_value())
    assert sent["image"] == photo
    hole = pixels_of(sent["hole"])
    surely, perhaps = stroked(SCRATCH, diameter)
    assert hole[surely].all()
    assert not hole[~perhaps].any()

    # the line between before and after is dragged
    divider = visit.page.get_by_role("slider", name="Line between before and after")
    box = divider.bounding_box()
    visit.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + 150, box["y"] + 80, steps=3)
    visit.page.mouse.up()
    stage = visit.page.locator("#stage").bounding_box()
    assert int(divider.get_attribute("aria-valuenow")) == pytest.approx(100 * (box["x"] + 150) / stage["width"], abs=1)
    name, file = visit.downloaded(visit.page.get_by_role("link", name="Download").click)
    made = Image.open(BytesIO(file))
    assert (name, made.format, made.size) == ("astronaut-restored.png", "PNG", SIZE)
    known = ~hole
    assert np.array_equal(np.asarray(made)[known], np.asarray(face)[known])
    changed = np.abs(np.asarray(made).astype(float) - face).sum(axis=-1)
    assert changed[hole].any()
    # where they differ most, each is seen on its side of the line
    y, x = np.unravel_index(uniform_filter(changed, 3).argmax(), changed.shape)
    point = visit.on_screen(x + 0.5, y + 0.5, SIZE)
    before, after = (np.array(image.getpixel((int(x), int(y)))) for image in (face, made))
    divider.press("Home")
    seen = seen_at(visit, point)
    assert np.abs(seen - after).sum() < np.abs(seen - before).sum()
    divider.press("End")
    seen = seen_at(visit, point)
    assert np.abs(seen - before).sum() < np.abs(seen - after).sum()
    assert made.info["icc_profile"] == profile
    assert made.getexif()[0x010E] == "an astronaut"
    assert made.info["dpi"] == pytest.approx((300, 300), abs=0.1)

    visit.button("Back to painting").click()
    assert np.array_equal(visit.hole(), hole)


def seen_at(visit, point):
    """The colour that the browser shows at a point of the page."""
    visit.page.wait_for_timeout(100)  # for the next frame
    x, y = map(int, point)
    return pixels_of(visit.page.screenshot(clip={"x": x, "y": y, "width": 1, "height": 1}))[0, 0, :3].astype(int)


def test_photographs_are_turned_as_the_service_turns_them(visit, filed):
    image = Image.new("RGB", (48, 32), "white")
    image.paste("black", (0, 0, 12, 12))  # by which each corner is told from the others
    for format_ in ("JPEG", "PNG", "WEBP"):
        for orientation in range(1, 9):
            exif = Image.Exif()
            exif[0x0112] = orientation
            file = filed(image, format_, exif=exif, quality=100)
            told = visit.page.evaluate(
                """async (file) => {
                  const {decoded} = await import("./page/photograph.js");
                  const bitmap = await decoded(new Blob([Uint8Array.from(atob(file), (c) => c.charCodeAt(0))]));
                  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
                  context.drawImage(bitmap, 0, 0);
                  const {data} = context.getImageData(0, 0, bitmap.width, bitmap.height);
                  return [bitmap.height, bitmap.width, Array.from(data)];
                }""",
                base64.b64encode(file).decode(),
            )
            seen = np.reshape(told[2], (*told[:2], 4))[..., :3]
            upright = read_image(BytesIO(file))
            assert seen.shape == upright.shape, (format_, orientation)
            assert np.abs(seen - upright.astype(int)).max() < 20, (format_, orientation)


def test_a_turned_jpeg_comes_back_as_a_jpeg(visit, face, filed):
    exif = Image.Exif()
    exif[0x0112] = 6  # it lies on its left side
    exif[0x010F] = "a camera"
    lying = face.resize((256, 200)).crop((0, 0, 256, 200)).transpose(Image.Transpose.ROTATE_90)
    visit.open(filed(lying, "JPEG", exif=exif, quality=95), "IMG 1.jpg", "image/jpeg")
    assert f"256 {TIMES} 200" in visit.page.locator("#about").inner_text()
    visit.resize_brush(40)
    visit.drag([(40, 20), (60, 20)], (256, 200))
    visit.drag([(118, 60), (140, 90)], (256, 200))
    [sent] = visit.restored(visit.button("Restore").click)
    hole = pixels_of(sent["hole"])
    assert hole.shape == (200, 256)
    assert hole[20, 40:60].all()
    assert visit.page.get_by_text("JPEG cannot keep known pixels").is_visible()
    name, file = visit.downloaded(visit.page.get_by_role("link", name="Download").click)
    made = Image.open(BytesIO(file))
    assert (name, made.format, made.size) == ("IMG 1-restored.jpg", "JPEG", (256, 200))
    assert made.getexif()[0x010F] == "a camera"
    assert made.getexif()[0x0112] == 1
    upright = np.asarray(Image.open(BytesIO(sent["image"])).transpose(Image.Transpose.ROTATE_270))
    assert np.abs(np.asarray(made).astype(int) - upright)[~hole].max() <= 5


def test_the_keyboard_alone_restores(visit, photo, face):
    page, keys = visit.page, visit.page.keyboard
    file = {"name": "astronaut.png", "mimeType": "image/png", "buffer": photo}
    page.on("filechooser", lambda chooser: chooser.set_files(file))
    focus_by_tab(page, "#choose")
    keys.press("Enter")
    visit.wait_for("painting")
    # the photograph has the focus, and the tool begins in its middle
    assert page.evaluate("document.activeElement.id") == "stage"
    keys.press("ArrowUp")
    keys.press("Space")
    for _ in range(4):
        keys.press("ArrowUp")
    keys.press("Space")
    keys.press("ArrowRight")  # lifted, it paints no more
    keys.press("r")
    keys.press("Space")
    for _ in range(3):
        keys.press("ArrowLeft")
        keys.press("ArrowDown")
    keys.press("Space")
    keys.press("Control+z")
    keys.press("b")
    keys.press("[")
    keys.press("Space")
    keys.press("ArrowDown")
    keys.press("Escape")
    focus_by_tab(page, "#restore")
    [sent] = visit.restored(lambda: keys.press("Enter"))
    hole = pixels_of(sent["hole"])
    ys, xs = np.nonzero(hole)
    # one upright stroke in the middle: what was undone and taken back is not in it
    assert xs.mean() == pytest.approx(127.5, abs=1)
    assert ys.max() - ys.min() > xs.max() - xs.min() > 10

    assert page.evaluate("document.activeElement.id") == "result-title"
    focus_by_tab(page, "#divider", backwards=True)
    start = int(page.locator("#divider").get_attribute("aria-valuenow"))
    keys.press("ArrowLeft")
    keys.press("PageUp")
    assert int(page.locator("#divider").get_attribute("aria-valuenow")) == start - 2 + 20
    focus_by_tab(page, "#download")
    name, file = visit.downloaded(lambda: keys.press("Enter"))
    assert name == "astronaut-restored.png"
    assert np.array_equal(pixels_of(file)[~hole], np.asarray(face)[~hole])


def focus_by_tab(page, selector, backwards=False):
    for _ in range(40):
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
    raise AssertionError(f"{selector} is not reached by Tab")


def test_three_variants_by_seed(visit, photo, face):
    visit.open(photo)
    # a large hole in the middle of the face, in which seeds show
    visit.take_tool("Rectangle")
    visit.drag([(85, 60), (165, 160)], SIZE)
    visit.page.get_by_text("Options").click()
    visit.page.get_by_label("Seed").fill("5")
    visit.page.get_by_label("Other half of the face").select_option("off")
    visit.restored(visit.button("Three variants").click)
    cards = visit.page.get_by_role("radio", name="Seed")
    assert [cards.nth(i).locator("..").inner_text() for i in range(cards.count())] == ["Seed 5", "Seed 6", "Seed 7"]
    boxes = [visit.page.locator(".cards canvas").nth(i).bounding_box() for i in range(3)]
    assert len({box["y"] for box in boxes}) == 1
    assert all(a["x"] + a["width"] <= b["x"] for a, b in pairwise(boxes))
    shown = [visit.page.locator(".cards canvas").nth(i).evaluate("(canvas) => canvas.toDataURL()") for i in range(3)]
    assert len(set(shown)) == 3

    hole = np.zeros((256, 256), bool)
    hole[60:160, 85:165] = True
    near = np.zeros_like(hole)
    near[57:163, 82:168] = True
    files = list[np.ndarray]()
    for seed in (5, 6, 7):
        visit.page.get_by_role("radio", name=f"Seed {seed}").check(force=True)
        assert f"with seed {seed}." in visit.page.locator("#told").inner_text()
        _, file = visit.downloaded(visit.page.get_by_role("link", name="Download").click)
        files.append(pixels_of(file))
        assert np.array_equal(files[-1][~near], np.asarray(face)[~near])
        assert (files[-1][hole] != np.asarray(face)[hole]).mean() > 0.5
    assert not np.array_equal(files[0], files[1])
    assert not np.array_equal(files[1], files[2])


def test_every_tool_paints_what_it_says_and_is_undone(visit, photo):
    visit.open(photo)
    undo, redo = visit.button("Undo"), visit.button("Redo")
    assert undo.get_attribute("aria-disabled") == "true"
    states = [np.zeros((256, 256), bool)]

    def done(act) -> np.ndarray:
        act()
        states.append(visit.hole())
        assert not np.array_equal(states[-1], states[-2])
        return states[-1]

    brushed = done(lambda: paint(visit, [(60, 60), (100, 60)]))
    assert brushed[60, 60:100].all()
    visit.take_tool("Rectangle")
    both = done(lambda: visit.drag([(120, 120), (180, 200)], SIZE))
    assert both[122:198, 122:178].all()
    assert not both[:116, 110:].any()
    visit.take_tool("Eraser")
    erased = done(lambda: visit.drag([(150, 110), (150, 210)], SIZE))
    assert not erased[125:195, 150].any()
    assert erased[160, 122]
    inverted = done(visit.button("Invert").click)
    assert np.array_equal(inverted, ~erased)
    covered = done(visit.button("Mouth").click)
    assert covered.sum() > inverted.sum()

    for state in reversed(states[1:-1]):
        undo.click()
        assert np.array_equal(visit.hole(), state)
    undo.click()
    assert undo.get_attribute("aria-disabled") == "true"
    expect(visit.page.locator("#share")).to_contain_text("Nothing is painted")
    for _ in states[1:]:
        redo.click()
    assert np.array_equal(visit.hole(), states[-1])
    assert redo.get_attribute("aria-disabled") == "true"
    visit.button("Clear").click()
    expect(visit.page.locator("#share")).to_contain_text("Nothing is painted")
    visit.page.keyboard.press("Control+z")
    assert np.array_equal(visit.hole(), states[-1])


def test_what_is_zoomed_and_panned_is_painted_where_it_is_seen(visit, photo):
    visit.open(photo)
    visit.page.mouse.move(*visit.on_screen(200, 50, SIZE))
    for _ in range(10):
        visit.page.mouse.wheel(0, -120)
    assert visit.page.locator("#zoom").inner_text().removesuffix(" %").isdigit()
    # what is zoomed at stays where it is
    visit.resize_brush(15)
    visit.page.mouse.down()
    visit.page.mouse.up()
    ys, xs = np.nonzero(visit.hole())
    assert (xs.mean(), ys.mean()) == pytest.approx((200, 50), abs=1.5)
    visit.button("Clear").click()
    # moved by the tool, and by the middle button
    visit.take_tool("Move")
    visit.page.mouse.move(600, 400)
    for button in ("left", "middle"):
        visit.page.mouse.down(button=button)
        visit.page.mouse.move(560, 430, steps=3)
        visit.page.mouse.up(button=button)
        visit.page.mouse.move(600, 400)
    visit.button("See all of it").click()
    visit.take_tool("Brush")
    visit.page.mouse.click(*visit.on_screen(30, 220, SIZE))
    ys, xs = np.nonzero(visit.hole())
    assert (xs.mean(), ys.mean()) == pytest.approx((29.5, 219.5), abs=1)


def test_a_mask_is_taken_instead(visit, photo, filed):
    visit.open(photo)
    mask = np.zeros((256, 256), np.uint8)
    mask[10:90, 33:211] = 255
    mask[100:120] = 127  # darker than half: known
    mask[130:140] = 128
    file = filed(Image.fromarray(mask), "PNG")
    visit.page.set_input_files("#mask", {"name": "mask.png", "mimeType": "image/png", "buffer": file})
    expect(visit.page.locator("#status")).to_have_text("The mask was taken.")
    assert np.array_equal(visit.hole(), mask >= 128)
    other = filed(Image.fromarray(mask[:, :200]), "PNG")
    visit.page.set_input_files("#mask", {"name": "mask.png", "mimeType": "image/png", "buffer": other})
    told(visit, "A mask has the size of its photograph", f"256 {TIMES} 256 pixels, got 200 {TIMES} 256")
    assert np.array_equal(visit.hole(), mask >= 128)


def test_a_face_that_is_drawn_takes_the_place_of_those_found(visit, photo):
    visit.open(photo)
    visit.take_tool("Face")
    visit.drag([(70, 40), (170, 180)], SIZE)
    expect(visit.page.locator("#faces-found")).to_contain_text("The one that you marked")
    visit.take_tool("Brush")
    paint(visit)
    form = visit.asked(visit.button("Restore").click)
    [box] = json.loads(form["boxes"])
    assert box == pytest.approx([70, 40, 100, 140], abs=2)
    with visit.page.expect_response("**/v1/faces"):
        visit.button("Forget them").click()
    visit.page.get_by_text("One was found").wait_for()
    assert "boxes" not in visit.asked(visit.button("Restore").click)


def told(visit, advice, message=""):
    """The page tells what to do, and why."""
    box = visit.page.get_by_role("alert").filter(has_text=advice)
    box.wait_for()
    assert message in box.inner_text()


def test_errors_say_what_to_do(visit, photo, filed, rng):
    page = visit.page
    # of the page's own
    page.set_input_files("#choose", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"no picture"})
    told(visit, "Save it as PNG, JPEG or WebP", "a.txt")
    assert visit.state == "welcome"
    visit.open(photo)
    visit.button("Restore").click()
    told(visit, "Paint over what is missing first")
    page.get_by_text("Options").click()
    page.get_by_label("Iterations").fill("1000")
    page.get_by_text("Options").click()
    paint(visit)
    visit.button("Restore").click()
    assert page.get_by_label("Iterations").evaluate("(input) => input.matches(':focus:invalid')")
    page.get_by_label("Iterations").fill("")
    assert visit.state == "painting"

    # of the service, as it answers
    visit.open(filed(Image.fromarray(rng.integers(0, 256, (200, 300, 3), np.uint8)), "PNG"), "noise.png")
    assert "None was found" in page.locator("#faces-found").inner_text()
    visit.take_tool("Brush")
    visit.drag([(100, 100), (150, 100)], (300, 200))
    visit.button("Restore").click()
    told(visit, "Take the tool “Face”", "expected a face")
    assert visit.state == "painting"
    large = Image.fromarray(rng.integers(0, 256, (1900, 1900, 3), np.uint8))
    visit.open(filed(large, "PNG", compress_level=0), "large.png")
    told(visit, "larger than this service takes", "bytes or fewer")
    # browsers show icons, and the service reads none
    visit.open(filed(Image.new("RGB", (48, 48)), "ICO", bitmap_format="bmp"), "a.ico", "image/x-icon")
    told(visit, "cannot read this kind of file")


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (429, "Try again in 7 seconds"),
        (503, "about to stop"),
        (504, "longer than this service allows"),
        (0, "does not answer"),
    ],
)
def test_what_passes_can_be_tried_again(visit, photo, status, advice):
    visit.open(photo)
    paint(visit)
    body = {"error": {"message": "queue: full", "field": None}, "request_id": "abc"}

    def answer(route):
        if status:
            route.fulfill(status=status, json=body, headers={"Retry-After": "7"})
        else:
            route.abort()

    visit.page.route("**/v1/inpaint", answer)
    visit.button("Restore").click()
    told(visit, advice, "abc" if status else "No answer")
    visit.page.unroute("**/v1/inpaint")
    visit.answer_with(photo)
    # nothing is lost: the hole is there, and so is the button, which has the focus
    assert visit.page.evaluate("document.activeElement.id") == "restore"
    visit.page.keyboard.press("Enter")
    visit.wait_for("restored")
    assert not visit.page.locator("#failure").is_visible()
    visit.wrong = [each for each in visit.wrong if "ERR_FAILED" not in each]


def test_a_token_is_asked_for_and_used(visit, photo):
    seen, refusal = list[str | None](), {"error": {"message": "token: expected one", "field": None}, "request_id": "1"}

    def guard(route, request):
        seen.append(request.headers.get("authorization"))
        if seen[-1] == "Bearer open sesame, please":
            route.continue_()
        else:
            route.fulfill(status=401, json=refusal)

    visit.page.route("**/v1/*", guard)
    visit.open(photo)
    told(visit, "asks for a token")
    visit.page.get_by_label("Token").fill("open sesame, please")
    visit.page.keyboard.press("Enter")
    visit.page.get_by_text("One was found").wait_for()
    assert seen == [None, "Bearer open sesame, please"]


def test_a_restoration_can_be_cancelled(visit, photo):
    visit.open(photo)
    paint(visit)
    hole = visit.hole()
    with visit.page.expect_event("requestfailed"):
        visit.button("Restore").click()
        visit.button("Cancel").click()
    assert visit.state == "painting"
    assert not visit.page.locator("#failure").is_visible()
    assert np.array_equal(visit.hole(), hole)


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_photograph_is_dropped_or_pasted(visit, photo, way):
    visit.page.evaluate(
        """([file, way]) => {
          const bytes = Uint8Array.from(atob(file), (c) => c.charCodeAt(0));
          const data = new DataTransfer();
          data.items.add(new File([bytes], "image.png", {type: "image/png"}));
          const event = way === "drop" ? new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true})
            : new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true});
          document.body.dispatchEvent(event);
        }""",
        [base64.b64encode(photo).decode(), way],
    )
    visit.wait_for("painting")
    assert visit.page.locator("#about").inner_text() == f"image.png, 256 {TIMES} 256"


def test_fingers_paint_pinch_and_restore_on_a_phone(visits, photo, face):
    visit = visits(**PHONE)
    page = visit.page
    assert page.get_by_text("Take one").is_visible()
    assert page.locator("#take").get_attribute("capture") == "environment"
    visit.open(photo)
    touches = page.context.new_cdp_session(page)

    def touch(kind, *points):
        at = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    def see(x, y):
        return visit.on_screen(x, y, SIZE)

    # two fingers that come at once paint nothing: they zoom and pan
    scale = page.locator("#zoom").text_content()
    touch("touchStart", see(100, 128), see(150, 128))
    touch("touchMove", see(60, 128), see(190, 128))
    touch("touchEnd")
    expect(page.locator("#zoom")).not_to_have_text(scale)
    assert "Nothing is painted" in page.locator("#share").inner_text()
    page.get_by_label("See all of it").tap()
    # one finger paints
    touch("touchStart", see(118, 60))
    for i in range(10):
        touch("touchMove", see(118 + 2 * i, 60 + 5 * i))
    touch("touchEnd")
    visit.page.get_by_text("is to be restored").wait_for()
    # a tap at once behind a stroke Chromium takes for what stops a fling, without a click; no finger is so fast
    page.wait_for_timeout(500)
    [sent] = visit.restored(visit.button("Restore").tap)
    hole = pixels_of(sent["hole"])
    assert hole[60, 118]
    assert hole[105, 136]
    _, file = visit.downloaded(page.get_by_role("link", name="Download").tap)
    assert np.array_equal(pixels_of(file)[~hole], np.asarray(face)[~hole])


@pytest.mark.parametrize("width", [320, 820, 1280])
def test_nothing_is_cut_off(visits, photo, width):
    visit = visits(viewport={"width": width, "height": 740})

    def is_whole():
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for element in visit.page.locator("button, .button, input:not(.quiet), select").all():
            if element.is_visible():
                box = element.bounding_box()
                assert box["x"] >= 0
                assert box["x"] + box["width"] <= width
                # WCAG 2.2 asks for 24 pixels; what is in a label is as large as that
                assert min(box["width"], box["height"]) >= 24 or element.get_attribute("type") in ("range", "radio")

    is_whole()
    visit.open(photo)
    for title in ("Options", "Keys"):
        visit.page.get_by_text(title, exact=True).click()
    is_whole()
    # whatever is restored can be seen from here
    assert visit.button("Restore").bounding_box()["y"] < 740


def test_twelve_megapixels_are_painted_as_they_are(visit, face, filed):
    size = (4000, 3000)
    none = {"width": 4000, "height": 3000, "faces": []}  # it would be looked for through all of them
    visit.page.route("**/v1/faces", lambda route: route.fulfill(json=none))
    visit.open(filed(face.resize(size), "JPEG", quality=60), "large.jpg", "image/jpeg")
    diameter = visit.resize_brush(50)
    points = [(1000, 1000), (2500, 1500)]
    visit.drag(points, size)
    hole = visit.hole()
    assert hole.shape == (3000, 4000)
    surely, perhaps = stroked(points, diameter - 8, size)[0], stroked(points, diameter + 8, size)[1]
    assert hole[surely].all()
    assert not hole[~perhaps].any()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["desk", "phone"])
def test_axe_finds_nothing(visits, photo, scheme, device):
    visit = visits(color_scheme=scheme, **(PHONE if device == "phone" else {}))
    axe = Axe()

    def is_accessible(where):
        found = axe.run(visit.page, options={"resultTypes": ["violations"]}).response["violations"]
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == [], where

    is_accessible("welcome")
    visit.open(photo)
    visit.answer_with(photo)
    for title in ("Options", "Keys"):
        visit.page.get_by_text(title, exact=True).click()
    visit.button("Restore").click()
    is_accessible("a failure")
    visit.button("Right eye").click()
    is_accessible("painting")
    visit.button("Three variants").click()
    visit.wait_for("restored")
    is_accessible("restored")


def test_what_is_done_is_told_to_those_who_listen(visit, photo):
    status = visit.page.locator("#status")
    visit.open(photo)
    assert status.inner_text() == "One face was found."
    visit.button("Nose").click()
    assert status.inner_text() == "Nose covered."
    visit.button("Undo").click()
    assert status.inner_text() == "Undone."
    assert visit.page.get_by_role("application").get_attribute("aria-label").startswith("Photograph, 256 by 256 pixels")
