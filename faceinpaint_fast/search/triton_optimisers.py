"""An iteration of an optimiser in one launch, Eq. 8 composed on the way; definitions are `objective`'s, `optimisers`'.

A program has a row.  It adds up what the kernels before it left of SSIM and L1 in an order that their number alone
decides, composes Eq. 8 and its gradient, steps, and writes the state where it was:

    bfgs    the inverse Hessian H is held in registers, or walked twice, in blocks of rows: for H y, then to change it
            and for its product with the slope
    adam    a row is walked once, in blocks; if it turns out to have failed, again, to begin anew

H is symmetric, so H y is taken as a sum of rows: each thread adds up columns of its own.  Until something is learnt H
is the identity, and is not read.  At iteration 0 the state is what `begin` makes it, whatever its memory holds.

The threads of a program hold copies of what is shared by all of them: each has read its own when the first one writes.
"""

from __future__ import annotations

import triton
import triton.language as tl

from faceinpaint_fast.search import optimisers

ARMIJO = tl.constexpr(optimisers.ARMIJO)
CURVED = tl.constexpr(optimisers.CURVED)
TINY = tl.constexpr(optimisers.TINY)

PARTS = tl.constexpr(128)  # partial sums that are read at a time

# one compilation serves all batches and images
SIZES = ("B", "p", "q")


# --- what both optimisers ask ---


@triton.jit
def _sum(partial, row, count):
    sums = tl.zeros([PARTS], partial.dtype.element_ty)
    for start in range(0, count, PARTS):
        i = start + tl.arange(0, PARTS)  # [PARTS]
        sums += tl.load(partial + row * count + i, i < count, 0.0)
    return tl.sum(sums)


@triton.jit
def _finite(x):
    return tl.abs(x) < float("inf")


@triton.jit
def _clipped(z, Z_MAX: tl.constexpr):
    """NaN stays NaN."""
    return tl.where(z > Z_MAX, Z_MAX, tl.where(z < -Z_MAX, -Z_MAX, z))


@triton.jit
def _eq8(
    structural, l1, logit, total_weight, share, away_squares, row, p, q,
    LAMBDA_D: tl.constexpr, LAMBDA_C: tl.constexpr, LAMBDA_S: tl.constexpr, LAMBDA_Z: tl.constexpr, n: tl.constexpr,
):  # fmt: skip
    """Eq. 8 of a row; a term of weight 0 may be anything, NaN as well, and is left out."""
    total = tl.zeros([], away_squares.dtype)
    if LAMBDA_D != 0:
        # Eq. 3, log(1 - sigmoid(t))
        t = tl.load(logit + row).to(tl.float64)
        total += LAMBDA_D * (-tl.maximum(t, 0.0) - tl.log(1.0 + tl.exp(-tl.abs(t)))).to(total.dtype)
    if LAMBDA_C != 0:
        context = _sum(l1, row, q)
        if total_weight is not None:
            context /= tl.load(total_weight + row)
        total += LAMBDA_C * context
    if LAMBDA_S != 0:
        total += LAMBDA_S * _sum(structural, row, p)
    if LAMBDA_Z != 0:
        total += LAMBDA_Z * (away_squares / n / tl.load(share + row))
    return total


@triton.jit
def _away(z, centre, row, j, exists, CENTRES: tl.constexpr):
    """How far codes are from the prior's centre, which has CENTRES numbers a row."""
    e = tl.load(centre + row * CENTRES + (j if CENTRES > 1 else 0 * j), exists, 0.0)
    return tl.where(exists, z - e, 0.0)


@triton.jit
def _attempt(attempt, old, failed, row, ATTEMPTS: tl.constexpr):
    """Which of its starts a row is at now, and the one to begin from."""
    now = tl.minimum(tl.load(attempt + row, old, 0) + failed.to(tl.int64), ATTEMPTS)
    return now, tl.minimum(now, ATTEMPTS - 1)


# --- BFGS ---


@triton.jit
def _rows(vector, first, ROWS: tl.constexpr):
    """What a block of rows of H is multiplied with."""
    return tl.gather(vector, first + tl.arange(0, ROWS), 0)[:, None]


@triton.jit
def _block(inverse, first, learnt, n: tl.constexpr, N: tl.constexpr, ROWS: tl.constexpr):
    """A block of rows of H: where it lies, what of it exists, and its numbers."""
    i, j = (first + tl.arange(0, ROWS))[:, None], tl.arange(0, N)[None, :]
    exists = (i < n) & (j < n)
    block = inverse + i * n + j  # [ROWS, N]
    h = tl.load(block, exists & learnt, 0.0)
    return block, exists, tl.where(learnt, h, (i == j).to(h.dtype))


@triton.jit(do_not_specialize=SIZES)
def bfgs(
    z, found, loss, gradient, direction, size, inverse, learnt, attempt, iteration, starts, losses,
    structural, l1, logit, pulled, total_weight, share, centre, B, p, q,
    LAMBDA_D: tl.constexpr, LAMBDA_C: tl.constexpr, LAMBDA_S: tl.constexpr, LAMBDA_Z: tl.constexpr,
    FIRST: tl.constexpr, Z_MAX: tl.constexpr, CENTRES: tl.constexpr, ATTEMPTS: tl.constexpr,
    n: tl.constexpr, N: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """An iteration of BFGS, in one function: its steps share the row in registers."""
    row = tl.program_id(0).to(tl.int64)
    j = tl.arange(0, N)  # [N]
    exists = j < n
    at = row * n + j
    step = tl.load(iteration + row)
    old = step > 0
    was_learnt = tl.load(learnt + row, old, 0) != 0
    inverse += row * n * n
    if ROWS == N:
        block, cells, h = _block(inverse, 0, was_learnt, n, N, ROWS)

    # Eq. 8 and its gradient
    z_row = tl.load(z + at, exists, 0.0)
    zero = tl.zeros([N], z_row.dtype)
    slope = tl.load(pulled + at, exists, 0.0).to(z_row.dtype)
    away = zero
    if LAMBDA_Z != 0:
        away = _away(z_row, centre, row, j, exists, CENTRES)
        slope += (2 * LAMBDA_Z / n) * away / tl.load(share + row)
    now = _eq8(
        structural, l1, logit, total_weight, share, tl.sum(away * away), row, p, q,
        LAMBDA_D, LAMBDA_C, LAMBDA_S, LAMBDA_Z, n,
    )  # fmt: skip

    # the step is taken if it brings enough; where a row begins nothing has moved
    best = tl.load(loss + row, old, float("inf"))
    old_found = tl.where(old, tl.load(found + at, exists & old, 0.0), z_row)
    old_slope = tl.load(gradient + at, exists & old, 0.0)
    finite = _finite(now) & (tl.sum((~_finite(slope)).to(tl.int32)) == 0)
    moved, change = z_row - old_found, slope - old_slope
    taken = finite & (now <= best + tl.sum(old_slope * moved) * ARMIJO)

    # what it teaches of H
    curvature, squares = tl.sum(moved * change), tl.sum(change * change)
    learns = taken & (curvature > tl.sqrt(tl.sum(moved * moved) * squares) * CURVED)
    curvature, squares = tl.where(learns, curvature, 1.0), tl.where(learns, squares, 1.0)
    scale = tl.where(was_learnt, 1.0, curvature / squares)
    ahead = zero
    if ROWS == N:
        h *= scale
        ahead += tl.sum(h * change[:, None], axis=0)
    else:
        for first in range(0, n, ROWS):
            _, _, h_rows = _block(inverse, first, was_learnt, n, N, ROWS)
            ahead += tl.sum(h_rows * scale * _rows(change, first, ROWS), axis=0)
    q_row = ((1 + tl.sum(change * ahead) / curvature) * moved / 2 - ahead) / curvature
    q_row = tl.where(learns, q_row, 0.0)
    moved = tl.where(learns, moved, 0.0)
    slope = tl.where(taken, slope, old_slope)
    old_direction = tl.load(direction + at, exists & old, 0.0)
    newton = zero
    if ROWS == N:
        h += moved[:, None] * q_row[None, :] + q_row[:, None] * moved[None, :]
        newton += tl.sum(h * slope[:, None], axis=0)
        if learns:
            tl.store(block, h, cells)
    else:
        for first in range(0, n, ROWS):
            block, cells, h_rows = _block(inverse, first, was_learnt, n, N, ROWS)
            h_rows *= scale
            h_rows += _rows(moved, first, ROWS) * q_row[None, :] + _rows(q_row, first, ROWS) * moved[None, :]
            newton += tl.sum(h_rows * _rows(slope, first, ROWS), axis=0)
            if learns:
                tl.store(block, h_rows, cells)

    # where to go from here, or to begin again
    knows = was_learnt | learns
    length = tl.sqrt(tl.sum(slope * slope))
    downhill = FIRST * slope / tl.where(length > TINY, length, TINY)
    new_direction = tl.where(taken, -tl.where(knows, newton, downhill), old_direction)
    new_size = tl.where(taken, 1.0, tl.load(size + row, old, 1.0) / 2)
    failed = (best == float("inf")) & ~finite
    attempt_now, start = _attempt(attempt, old, failed, row, ATTEMPTS)
    new_found = tl.where(taken, z_row, old_found)
    if failed:
        new_found = tl.load(starts + (start * B + row) * n + j, exists, 0.0)

    tl.debug_barrier()
    tl.store(losses + step * B + row, now)
    tl.store(z + at, _clipped(new_found + new_size * new_direction, Z_MAX), exists)
    tl.store(found + at, new_found, exists)
    tl.store(loss + row, tl.where(taken, now, best))
    tl.store(gradient + at, slope, exists)
    tl.store(direction + at, new_direction, exists)
    tl.store(size + row, new_size)
    tl.store(learnt + row, knows)
    tl.store(attempt + row, attempt_now)
    tl.store(iteration + row, step + 1)


# --- Adam ---


@triton.jit(do_not_specialize=SIZES)
def adam(
    z, mean, square, age, attempt, iteration, starts, losses, sizes, means, squares,
    structural, l1, logit, pulled, total_weight, share, centre, B, p, q,
    LAMBDA_D: tl.constexpr, LAMBDA_C: tl.constexpr, LAMBDA_S: tl.constexpr, LAMBDA_Z: tl.constexpr,
    MEAN: tl.constexpr, SQUARE: tl.constexpr, EPSILON: tl.constexpr, Z_MAX: tl.constexpr, CENTRES: tl.constexpr,
    ATTEMPTS: tl.constexpr, n: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """An iteration of Adam, in one function as `bfgs`."""
    row = tl.program_id(0).to(tl.int64)
    step = tl.load(iteration + row)
    old = step > 0
    years = tl.load(age + row, old, 0) + 1
    size, per_mean, per_square = tl.load(sizes + step), tl.load(means + years), tl.load(squares + years)
    away_squares = tl.zeros([BLOCK], z.dtype.element_ty)
    lost = tl.zeros([BLOCK], tl.int32)
    for first in range(0, n, BLOCK):
        j = first + tl.arange(0, BLOCK)  # [BLOCK]
        exists = j < n
        at = row * n + j
        z_j = tl.load(z + at, exists, 0.0)
        slope = tl.load(pulled + at, exists, 0.0).to(z_j.dtype)
        if LAMBDA_Z != 0:
            away = _away(z_j, centre, row, j, exists, CENTRES)
            away_squares += away * away
            slope += (2 * LAMBDA_Z / n) * away / tl.load(share + row)
        mean_j = tl.load(mean + at, exists & old, 0.0)
        square_j = tl.load(square + at, exists & old, 0.0)
        mean_j += MEAN * (slope - mean_j)
        square_j += SQUARE * (slope * slope - square_j)
        new = z_j - size * (mean_j / per_mean / (tl.sqrt(square_j / per_square) + EPSILON))
        lost += (~_finite(new)).to(tl.int32)
        # a number of these is written by the thread that read it
        tl.store(z + at, _clipped(new, Z_MAX), exists)
        tl.store(mean + at, mean_j, exists)
        tl.store(square + at, square_j, exists)
    now = _eq8(
        structural, l1, logit, total_weight, share, tl.sum(away_squares), row, p, q,
        LAMBDA_D, LAMBDA_C, LAMBDA_S, LAMBDA_Z, n,
    )  # fmt: skip
    failed = ~_finite(now) | (tl.sum(lost) > 0)
    attempt_now, start = _attempt(attempt, old, failed, row, ATTEMPTS)
    tl.debug_barrier()
    if failed:
        for first in range(0, n, BLOCK):
            j = first + tl.arange(0, BLOCK)
            exists = j < n
            at = row * n + j
            tl.store(z + at, tl.load(starts + (start * B + row) * n + j, exists, 0.0), exists)
            nothing = tl.zeros([BLOCK], z.dtype.element_ty)
            tl.store(mean + at, nothing, exists)
            tl.store(square + at, nothing, exists)
    tl.store(losses + step * B + row, now)
    tl.store(age + row, tl.where(failed, 0, years))
    tl.store(attempt + row, attempt_now)
    tl.store(iteration + row, step + 1)


@triton.jit(do_not_specialize=("count",))
def discriminator_slope(logit, slope, count, LAMBDA_D: tl.constexpr, BLOCK: tl.constexpr):
    """Takes the derivative of lambda_d log(1 - sigmoid(t)) in the logits t."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)  # [BLOCK]
    t = tl.load(logit + i, i < count, 0.0)
    probability = 1.0 / (1.0 + tl.exp(-t.to(tl.float64)))
    tl.store(slope + i, (-LAMBDA_D * probability).to(t.dtype), i < count)
