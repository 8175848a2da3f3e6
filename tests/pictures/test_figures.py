"""The paper's figures: cut back into their panels, which must be what each figure promises."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from faceinpaint_fast import InpaintConfig, Inpainter, masks
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.images import read_image
from faceinpaint_fast.pictures.contact_sheet import LABEL, MARGIN, PAGE
from faceinpaint_fast.pictures.figures import (
    FIGURES,
    FigureSettings,
    default_faces,
    figure_sheet,
    rows_of_figures,
    write_figure,
)
from faceinpaint_fast.pictures.panels import steps

SEED = 4
KINDS = ["centre", "free-form", "drop-80"]
# number -> holes, columns between the damaged and the original, and the faces that it has room for
EXPECTED = {
    1: (KINDS, ["black", "DIP", "ours"], 2),
    5: (["centre"], ["L1", "SSIM", "D", "all"], 6),
    7: (["centre"], ["G(z^)", "not blended", "blended"], 8),
    8: (["centre"], ["DIP", "ours"], 12),
    9: (["left", "right", "top", "bottom"], ["DIP", "ours"], 3),
    10: (["free-form", "free-form"], ["DIP", "ours"], 6),
    11: (["drop-20", "drop-40", "drop-60", "drop-80"], ["DIP", "ours"], 2),
    12: (KINDS, ["DIP", "ours"], 3),
    13: (KINDS, ["DIP", "ours"], 3),
    14: (KINDS, ["DIP", "ours"], 3),
}
SIDE = 2 * 64  # pixels of a picture in a sheet


def black(images, holes, seeds):
    assert images.dtype == np.float64
    assert images.max() <= 1
    assert seeds == [SEED] * len(images)
    return np.where(holes[..., None], 0.0, images)


def inverse(images, holes, seeds):  # noqa: ARG001
    return np.where(holes[..., None], 1 - images, images)


@pytest.fixture
def settings(generator, discriminator):
    return FigureSettings(
        inpainter=lambda config: Inpainter(generator, discriminator, config=config, device="cpu"),
        config=InpaintConfig(iterations=2),
        name="ours",
        printed=InpaintConfig.paper(iterations=3),
        methods={"black": black, "DIP": inverse},
        seed=SEED,
    )


@pytest.fixture
def faces(rng):
    return {"one": astronaut(CELEBA_108, 64), "two": rng.integers(0, 255, (64, 64, 3), np.uint8)}


def cut(sheet, rows, columns, blocks=1):
    """The sheet's pictures, [row][column], as small as they were; the sheet must hold no more."""
    line, width, deep = 2 * LABEL + SIDE, MARGIN + (SIDE + MARGIN) * columns, -(-rows // blocks)
    assert sheet.shape == (2 * LABEL + line * deep, width * blocks, 3)
    assert sheet.shape[1] <= PAGE
    found = []
    for j in range(rows):
        top, left = 3 * LABEL + line * (j % deep), width * (j // deep) + MARGIN
        block = sheet[top : top + SIDE, left : left + width]
        enlarged = [block[:, (SIDE + MARGIN) * i :][:, :SIDE] for i in range(columns)]
        for picture in enlarged:
            assert_array_equal(picture, picture[::2, ::2].repeat(2, axis=0).repeat(2, axis=1))
        found.append([picture[::2, ::2] for picture in enlarged])
    return found


@pytest.fixture
def drawn(faces, settings):
    """A figure's panels by column, one a row, and its holes and originals."""

    def panels_of(number):
        holes, names, _ = EXPECTED[number]
        pictures = cut(figure_sheet(number, faces, settings), len(faces) * len(holes), len(names) + 2)
        by_column = dict(zip(["damaged", *names, "original"], map(np.stack, zip(*pictures, strict=True)), strict=True))
        missing = [masks.draw(hole, (64, 64), SEED + i) for i, hole in enumerate(holes)] * len(faces)
        return by_column, np.stack(missing), np.stack([face for face in faces.values() for _ in holes])

    return panels_of


def test_all_figures_of_faces_are_there():
    assert list(FIGURES) == sorted([6, *EXPECTED])


@pytest.mark.parametrize("number", EXPECTED)
def test_a_figure_shows_the_damage_the_known_pixels_and_the_original(number, drawn):
    columns, holes, originals = drawn(number)
    assert_array_equal(columns["original"], originals)
    assert (columns["damaged"][holes] == 255).all()
    for name in set(columns) - {"G(z^)"}:
        assert_array_equal(columns[name][~holes], originals[~holes], err_msg=name)
    for name in set(columns) - {"original"}:
        # in every row something was made of the hole, and not the same everywhere
        assert (columns[name] != originals).any(axis=(1, 2, 3)).all(), name


def test_methods_are_drawn_as_they_restore(drawn, settings):
    columns, holes, originals = drawn(1)
    assert not columns["black"][holes].any()
    assert_array_equal(columns["DIP"][holes], 255 - originals[holes])
    assert_array_equal(columns["ours"], settings.inpainter(settings.config)(originals, holes, seed=SEED).image)


@pytest.mark.parametrize("number", [8, 9, 10, 11, 12, 13, 14])
def test_dip_stands_beside_the_method(number, drawn, settings):
    columns, holes, originals = drawn(number)
    assert_array_equal(columns["DIP"][holes], 255 - originals[holes])
    assert_array_equal(columns["ours"], settings.inpainter(settings.config)(originals, holes, seed=SEED).image)


def test_each_loss_of_the_printed_method_alone(drawn, settings):
    columns, holes, originals = drawn(5)
    for name, lambdas in {"L1": (0, 1, 0), "SSIM": (0, 0, 1), "D": (1, 0, 0), "all": (0.003, 0.2, 0.797)}.items():
        weights = dict(zip(("lambda_d", "lambda_c", "lambda_s"), map(float, lambdas), strict=True))
        config = InpaintConfig.paper(iterations=3, **weights)
        expected = settings.inpainter(config)(originals, holes, seed=SEED)
        assert_array_equal(columns[name], expected.image, err_msg=name)
    different = {columns[name].tobytes() for name in ("L1", "SSIM", "D", "all")}
    assert len(different) == 4


def test_the_steps_of_the_blend(faces, settings):
    images, holes = np.stack(list(faces.values())), np.stack([masks.centre((64, 64))] * 2)
    config = dataclasses.replace(settings.config, blend="poisson")
    found = settings.inpainter(config)(images, holes, seed=SEED)
    # two faces of three rows beside each other
    pictures = cut(figure_sheet(6, faces, settings), 6, 3, blocks=2)
    damaged = np.where(holes[..., None], 0, images)
    for i in range(2):
        expected = steps(damaged[i], holes[i], found.generated[i], found.image[i])
        panels = [picture for row in pictures[3 * i : 3 * i + 3] for picture in row]
        assert len(panels) == len(expected) == 9
        for panel, grey in zip(panels, expected.values(), strict=True):
            assert_array_equal(panel, np.repeat(grey[..., None], 3, axis=-1))


def test_the_psnr_stands_below_what_was_restored(faces, settings):
    """The same sheet but for the PSNR of one method, which is perfect in one of them."""
    line = slice(3 * LABEL + SIDE, 4 * LABEL + SIDE)
    below = [slice(MARGIN + (SIDE + MARGIN) * i, (SIDE + MARGIN) * (i + 1)) for i in range(4)]
    sheet = figure_sheet(8, faces, settings)
    # below the damaged face and the original there is none
    assert [bool((sheet[line, each] < 128).any()) for each in below] == [False, True, True, False]
    other = dataclasses.replace(settings, methods={"DIP": black})
    changed = (figure_sheet(8, faces, other) != sheet).any(axis=(0, 2))
    assert changed[below[1]].any()
    assert not any(changed[below[i]].any() for i in (0, 2, 3))
    both = [figure_sheet(8, faces, dataclasses.replace(settings, methods={"DIP": each})) for each in (black, inverse)]
    assert (both[0][line, below[1]] != both[1][line, below[1]]).any()


@pytest.mark.parametrize("number", EXPECTED)
def test_a_figure_has_as_many_faces_as_it_has_room_for(number, faces, settings, monkeypatch):
    monkeypatch.setattr(
        FigureSettings, "restore", lambda *_: SimpleNamespace(image=images[:rows], generated=images[:rows])
    )
    holes, names, most = EXPECTED[number]
    rows = most * len(holes)
    images = np.zeros((rows, 64, 64, 3), np.uint8)
    many = {f"{name} {i}": face for i in range(7) for name, face in faces.items()}
    cut(figure_sheet(number, many, settings), rows, len(names) + 2)


def test_with_and_without_blending(drawn):
    columns, holes, _ = drawn(7)
    assert_array_equal(columns["not blended"][holes], columns["G(z^)"][holes])
    assert (columns["blended"][holes] != columns["G(z^)"][holes]).any()


def test_holes_of_one_kind_differ(drawn):
    columns, _, _ = drawn(10)
    first, second = (columns["damaged"][i] == 255 for i in (0, 1))
    assert (first != second).any()


def test_the_seed_and_the_config_count(faces, settings):
    expected = figure_sheet(8, faces, settings)
    for changes in ({"seed": SEED + 1}, {"config": InpaintConfig(iterations=3)}):
        assert (figure_sheet(8, faces, dataclasses.replace(settings, **changes)) != expected).any()


def test_a_title_takes_the_place_of_the_figure_s_own(faces, settings):
    own, other = (figure_sheet(12, faces, settings, title)[:LABEL] for title in (None, "heads"))
    assert (own != other).any()


def test_a_figure_is_written_under_its_number(tmp_path, faces, settings):
    path = write_figure(tmp_path / "new", 7, faces, settings)
    assert path == tmp_path / "new" / "fig07.png"
    assert_array_equal(read_image(path), figure_sheet(7, faces, settings))


def test_default_faces_say_which_of_them_flatter(generator, settings):
    faces = default_faces(astronaut(CELEBA_108, 64), settings.inpainter(settings.config), count=2)
    real, *own = faces
    assert real == "astronaut"
    assert_array_equal(faces[real], astronaut(CELEBA_108, 64))
    assert len(own) == 2
    z = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 100))).float()
    drawn = (generator(z).detach().movedim(1, -1).numpy() + 1) * 127.5
    for name, expected in zip(own, drawn, strict=True):
        assert "G's own" in name
        assert "flatter" in name
        assert faces[name].dtype == np.uint8
        # rounded, by sums in another order
        assert abs(faces[name] - expected).max() < 0.51
    assert (faces[own[0]] != faces[own[1]]).any()


def test_refused(tmp_path, faces, settings):
    with pytest.raises(InputError, match=r"figure: expected one of 1, 5, 6, .*, 14, got 4"):
        figure_sheet(4, faces, settings)
    with pytest.raises(InputError, match="faces: expected some, all of one shape, got none"):
        figure_sheet(8, {}, settings)
    with pytest.raises(
        InputError, match=r"faces: expected some, all of one shape, got \[\(32, 64, 3\), \(64, 64, 3\)\]"
    ):
        figure_sheet(8, faces | {"small": faces["one"][:32]}, settings)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="expected a place that can be written to"):
        write_figure(tmp_path / "file", 8, faces, settings)


def test_data_sets_have_figures_of_their_own(faces):
    sets = {name: np.full((15, 64, 64, 3), i, np.uint8) for i, name in enumerate(("a", "b", "c", "d"))}
    found = rows_of_figures(faces, dict(list(sets.items())[:2]))
    assert sorted(found) == [1, *range(5, 14)]
    # all but the last figures are of the first one
    assert all(list(found[number]) == [f"a {i}" for i in range(12)] for number in found if number < 13)
    assert list(found[13])[::11] == ["b 0", "b 11"]
    assert found[13]["b 1"].max() == found[13]["b 1"].min() == 1
    assert sorted(rows_of_figures({}, sets)) == sorted(FIGURES)
    alone = rows_of_figures(faces, {})
    assert sorted(alone) == [1, *range(5, 12)]
    assert all(rows is faces for rows in alone.values())
