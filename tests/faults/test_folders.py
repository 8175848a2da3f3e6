"""Folders restored while pictures, disks and memory fail: what was finished is not lost, and a clear error says why."""

from __future__ import annotations

import random
import shutil
import subprocess

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from faceinpaint_fast import InpaintConfig, Inpainter
from faceinpaint_fast.folders.engine import Damaged, Engine
from faceinpaint_fast.masks import centre
from tests.faults.waiting import wait_for


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_37_poisonous_pictures_cost_no_other(album, batch, disk, size, tmp_path, engine):
    images = tmp_path / "in"
    shutil.copytree(album, images)
    rng = random.Random(3)
    poisoned = rng.sample(sorted(images.rglob("*.png")), size.poisonous)
    for number, path in enumerate(poisoned):
        content = path.read_bytes()
        kinds = (b"", b"words", content[: len(content) // 2], content[:40] + bytes(60), rng.randbytes(5000),
                 b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xff\xff\xff\xff\xff\xff\xff\x08\2\0\0\0" + bytes(20))  # fmt: skip
        path.write_bytes(kinds[number % len(kinds)])
    run = batch(images, engine=engine)
    assert run.wait() == 2, run.said
    found = disk.lines(run.out)
    failed = {name for name, line in found.items() if line["error"]}
    assert failed == {str(path.relative_to(images)) for path in poisoned}
    assert len(found) - len(failed) == size.pictures - size.poisonous
    assert disk.readable(run.out).keys() == found.keys() - failed


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_disk_is_full(album, batch, disk, size, tmp_path, engine):
    """It ends and says so; what is written is whole, and with more room the same command completes it."""
    small = tmp_path / "small"
    small.mkdir()
    room = f"size={2 * size.pictures}k"  # half of what the pictures take
    if subprocess.run(["mount", "-t", "tmpfs", "-o", room, "none", small], check=False).returncode:
        pytest.skip("no right to mount a file system")
    try:
        run = batch(album, out=small / "out", engine=engine)
        assert run.wait() == 1, run.said
        assert "No space left on device" in run.said
        assert "the same command goes on" in run.said
        written, said = disk.readable(run.out), disk.told(run.out)
        assert 0 < len(said) < size.pictures
        assert written.keys() >= said
        subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
        again = batch(album, out=small / "out", engine=engine)
        assert again.wait() == 0, again.said
        assert len(disk.lines(run.out)) == size.pictures
        after = disk.readable(run.out)
        assert {name: after[name] for name in said} == {name: written[name] for name in said}
    finally:
        subprocess.run(["umount", "-l", small], check=True)


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_the_folder_that_is_written_is_taken_away(album, batch, disk, size, engine):
    run = batch(album, engine=engine)
    wait_for(lambda: not run.running() or disk.count(run.out) >= size.pictures // 10)
    assert run.running(), run.said
    gone = run.out.with_name("gone")
    run.out.rename(gone)
    finished = disk.told(gone)
    assert run.wait() == 1, run.said
    assert "No such file or directory" in run.said or "expected a folder that every process sees" in run.said
    # and once it is back, nothing that was finished is done again
    shutil.rmtree(run.out, ignore_errors=True)
    written = disk.readable(gone)
    gone.rename(run.out)
    again = batch(album, engine=engine)
    assert again.wait() == 0, again.said
    after = disk.readable(run.out)
    assert {name: after[name] for name in finished} == {name: written[name] for name in finished}
    assert len(disk.lines(run.out)) == size.pictures


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_manifest_is_cut_in_a_line(album, batch, disk, tmp_path, engine):
    images = tmp_path / "in"
    shutil.copytree(album / "0", images)
    run = batch(images, engine=engine)
    assert run.wait() == 0, run.said
    manifest, written = run.out / "manifest.jsonl", disk.readable(run.out)
    text = manifest.read_text()
    manifest.write_text(text[: len(text) * 2 // 3])
    kept = disk.told(run.out)
    again = batch(images, engine=engine)
    assert again.wait() == 0, again.said
    assert f"{manifest}: its last line was cut short" in again.said
    assert len(disk.lines(run.out)) == len(written)
    after = disk.readable(run.out)
    assert {name: after[name] for name in kept} == {name: written[name] for name in kept}


def test_memory_that_runs_out_at_64_halves_the_batch(generator, discriminator, faces, monkeypatch):
    """The pixels are those of a batch that fits, and a line says so once."""
    inpainter = Inpainter(
        generator, discriminator, config=InpaintConfig.over_z(iterations=2, batch_invariant=True), device="cpu"
    )
    hole = centre((64, 64))
    damaged = [Damaged(pixels=np.roll(faces[i % 16], i, axis=0), missing=hole, seed=i) for i in range(128)]
    whole, said, call = Engine(inpainter, None, 64, lambda _: None), [], Inpainter.__call__
    expected = [each.pixels for half in (damaged[:64], damaged[64:]) for each in whole.restore(half)]
    sizes = []

    def scarce(self, pixels, missing, **options):
        sizes.append(len(pixels))
        if len(pixels) >= 64:
            raise MemoryError
        return call(self, pixels, missing, **options)

    monkeypatch.setattr(Inpainter, "__call__", scarce)
    engine = Engine(inpainter, None, 64, said.append)
    found = [each.pixels for half in (damaged[:64], damaged[64:96], damaged[96:]) for each in engine.restore(half)]
    assert said == ["out of memory with 64 pictures at a time: 32 from now on"]
    assert (engine.batch, sizes) == (32, [64, 32, 32, 32, 32])
    assert_array_equal(found, expected)
