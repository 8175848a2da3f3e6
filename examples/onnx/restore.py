"""Restores the missing part of a face with onnxruntime and NumPy alone.

python restore.py MODEL.onnx FACE.ppm HOLE.pgm OUT.ppm: MODEL is what `faceinpaint export` wrote, FACE a PPM (P6) of its
size, HOLE a PGM (P5), white = fill.  LD_LIBRARY_PATH names the folder of libfaceinpaint_blend: `make blend`.
"""

import ctypes
import re
import sys
from pathlib import Path

import numpy as np
import onnxruntime


def read(path, kind, size, channels):
    """A binary PPM or PGM, (size, size, channels) uint8."""
    content = Path(path).read_bytes()
    head = re.match(rb"(P[56])\s+(?:#.*\n\s*)*(\d+)\s+(\d+)\s+255\s", content)
    if not head or head.groups() != (kind, b"%d" % size, b"%d" % size):
        sys.exit(f"{path}: expected {kind.decode()} of {size}x{size} pixels with 256 levels")
    return np.frombuffer(content, np.uint8, size * size * channels, head.end()).reshape(size, size, channels)


def blend(image, generated, hole, tension):
    """F of planar I and T, (3, H, W) float32, and the hole (H, W)."""
    blended = np.empty_like(image)
    arrays = [each.ctypes for each in (image, generated, hole.astype(np.uint8), blended)]
    function = ctypes.CDLL("libfaceinpaint_blend.so").faceinpaint_blend
    outcome = function(*arrays[:3], *image.shape, ctypes.c_double(tension), arrays[3])
    if outcome:
        sys.exit(f"expected known and missing pixels, got outcome {outcome} of faceinpaint_blend")
    return blended


def main(model, face, hole, out):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # of one face; more of them wait for each other
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    told = session.get_modelmeta().custom_metadata_map
    size = int(told["size"])
    pixels, missing = read(face, b"P6", size, 3), read(hole, b"P5", size, 1)[..., 0] >= 128
    image = np.ascontiguousarray(np.float32(pixels.transpose(2, 0, 1)) / 255)
    given = {"images": image[None], "holes": np.float32(missing)[None, None]}
    generated = session.run(["generated"], given)[0][0]
    blended = blend(image, generated, missing, float(told["tension"])).clip(0, 1).transpose(1, 2, 0)
    restored = np.where(missing[..., None], np.rint(255 * blended).astype(np.uint8), pixels)
    Path(out).write_bytes(b"P6\n%d %d\n255\n" % (size, size) + restored.tobytes())


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(f"usage: {sys.argv[0]} MODEL.onnx FACE.ppm HOLE.pgm OUT.ppm")
    main(*sys.argv[1:])
