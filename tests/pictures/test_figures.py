"""The paper's figures: cut back into their panels, which must be what each figure promises."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from faceinpaint_fast import InpaintConfig, Inpainter, masks
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.images import read_image
from faceinpaint_fast.pictures.contact_sheet import LABEL, MARGIN
from faceinpaint_fast.pictures.figures import (
    FIGURES,
    FigureSettings,
    default_faces,
    figure_sheet,
    rows_of_figures,
    write_figure,
)
from faceinpaint_fast.pictures.panels import panels

SEED = 4
KINDS = ["centre", "free-form", "drop-80"]
# number -> holes, and columns between the damaged and the original
EXPECTED = {
    1: (KINDS, ["black", "inverse"]),
    5: (["centre"], ["L1", "SSIM", "D", "all"]),
    6: (["centre"], ["generated", "gradients", "divergence", "blended"]),
    7: (["centre"], ["G(z^)", "not blended", "blended"]),
    8: (["centre"], ["G(z^)", "restored"]),
    9: (["left", "right", "top", "bottom"], ["G(z^)", "restored"]),
    10: (["free-form", "free-form"], ["G(z^)", "restored"]),
    11: (["drop-20", "drop-40", "drop-60", "drop-80"], ["G(z^)", "restored"]),
    12: (KINDS, ["G(z^)", "restored"]),
    13: (KINDS, ["G(z^)", "restored"]),
    14: (KINDS, ["G(z^)", "restored"]),
}
WITHOUT_KNOWN = {"G(z^)", "generated", "gradients", "divergence"}


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
        methods={"black": black, "inverse": inverse},
        seed=SEED,
    )


@pytest.fixture
def faces(rng):
    return {"one": astronaut(CELEBA_108, 64), "two": rng.integers(0, 255, (64, 64, 3), np.uint8)}


def cut(sheet, rows, columns, deep):
    """The sheet's pictures, [row][column], as small as they were; the sheet must hold no more."""
    side, line = 3 * 64, LABEL + 3 * 64 + MARGIN
    width = MARGIN + (side + MARGIN) * columns
    assert sheet.shape == (2 * LABEL + line * deep, width * -(-rows // deep), 3)
    found = []
    for j in range(rows):
        top, left = 3 * LABEL + line * (j % deep), width * (j // deep) + MARGIN
        block = sheet[top : top + side, left : left + width]
        enlarged = [block[:, (side + MARGIN) * i :][:, :side] for i in range(columns)]
        for picture in enlarged:
            assert_array_equal(picture, picture[1::3, 1::3].repeat(3, axis=0).repeat(3, axis=1))
        found.append([picture[1::3, 1::3] for picture in enlarged])
    return found


@pytest.fixture
def drawn(faces, settings):
    """A figure's panels by column, one a row, and its holes and originals."""

    def panels_of(number):
        holes, names = EXPECTED[number]
        rows = len(faces) * len(holes)
        pictures = cut(
            figure_sheet(number, faces, settings), rows, len(names) + 2, deep=rows if rows <= 6 else len(holes)
        )
        by_column = dict(zip(["damaged", *names, "original"], map(np.stack, zip(*pictures, strict=True)), strict=True))
        missing = [masks.draw(hole, (64, 64), SEED + i) for i, hole in enumerate(holes)] * len(faces)
        return by_column, np.stack(missing), np.stack([face for face in faces.values() for _ in holes])

    return panels_of


def test_all_figures_of_faces_are_there():
    assert list(FIGURES) == list(EXPECTED)


@pytest.mark.parametrize("number", EXPECTED)
def test_a_figure_shows_the_damage_the_known_pixels_and_the_original(number, drawn):
    columns, holes, originals = drawn(number)
    assert_array_equal(columns["original"], originals)
    assert (columns["damaged"][holes] == 255).all()
    for name in set(columns) - WITHOUT_KNOWN:
        assert_array_equal(columns[name][~holes], originals[~holes], err_msg=name)
    for name in set(columns) - {"original"}:
        # in every row something was made of the hole, and not the same everywhere
        assert (columns[name] != originals).any(axis=(1, 2, 3)).all(), name


def test_methods_are_drawn_as_they_restore(drawn):
    columns, holes, originals = drawn(1)
    assert not columns["black"][holes].any()
    assert_array_equal(columns["inverse"][holes], 255 - originals[holes])


def test_each_loss_alone(drawn, settings):
    columns, holes, originals = drawn(5)
    default = InpaintConfig()
    together = 0.003, default.lambda_c, default.lambda_s
    for name, lambdas in {"L1": (0, 1, 0), "SSIM": (0, 0, 1), "D": (1, 0, 0), "all": together}.items():
        weights = dict(zip(("lambda_d", "lambda_c", "lambda_s"), map(float, lambdas), strict=True))
        expected = settings.inpainter(InpaintConfig(iterations=2, **weights))(originals, holes, seed=SEED)
        assert_array_equal(columns[name], expected.image, err_msg=name)
    different = {columns[name].tobytes() for name in ("L1", "SSIM", "D", "all")}
    assert len(different) == 4


def test_the_steps_of_the_blend(drawn, settings):
    columns, holes, originals = drawn(6)
    found = settings.inpainter(dataclasses.replace(settings.config, blend="poisson"))(originals, holes, seed=SEED)
    assert_array_equal(columns["blended"], found.image)
    for i in range(len(originals)):
        expected = panels(originals[i], holes[i], found.generated[i], settings.config)
        for name in ("generated", "gradients", "divergence"):
            # a grey panel, (H, W), comes back with equal channels
            assert_array_equal(columns[name][i], np.broadcast_to(expected[name].reshape(64, 64, -1), (64, 64, 3)))


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
    sets = {name: np.full((5, 64, 64, 3), i, np.uint8) for i, name in enumerate(("a", "b", "c", "d"))}
    found = rows_of_figures(faces, dict(list(sets.items())[:2]))
    assert sorted(found) == [1, *range(5, 14)]
    assert all(found[number] is faces for number in found if number < 12)
    # as many faces as the others have
    assert list(found[12]) == ["a 0", "a 1"]
    assert list(found[13]) == ["b 0", "b 1"]
    assert found[13]["b 1"].max() == found[13]["b 1"].min() == 1
    assert sorted(rows_of_figures(faces, sets)) == sorted(FIGURES)
