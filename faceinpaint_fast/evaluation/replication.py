"""Markdown tables of which of the claims of Qiang et al. 2019 hold here.

A claim is a difference of two methods, face by face: what it says helps, less the same without it.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from faceinpaint_fast.config import PRESETS
from faceinpaint_fast.evaluation.methods import GENERATED
from faceinpaint_fast.evaluation.results import Record
from faceinpaint_fast.evaluation.tables import (
    EMPTY,
    INTERVAL,
    TABLE_1,
    Column,
    Results,
    cell,
    columns,
    count,
    foremost,
    interval,
    paired,
    table,
)

MASKS = ("centre", "left", "drop-80")
COMPARED = ("DIP", "TV", "PatchMatch")  # with the method, in the paper


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that is to be better than something else.

    text      the claim
    better    the method that is to be the better one
    worse     the other one
    settings  what tells the two apart on the command line
    """

    text: str
    better: str
    worse: str
    settings: str


# the printed method, and what remains of it without the thing; `docs/evidence.sh` runs them under these names
PRINTED = (
    Claim("Better than DIP", "paper", "DIP", "--methods DIP"),
    Claim("The structural loss helps", "paper", "paper without SSIM", "--set lambda_s=0"),
    Claim(
        "The structural loss helps where D has no part",
        "paper without D",
        "paper, L1 alone",
        "--set lambda_d=0 --set lambda_s=0",
    ),
    Claim("The context loss helps", "paper", "paper without L1", "--set lambda_c=0"),
    Claim("The discriminator helps", "paper", "paper without D", "--set lambda_d=0"),
    Claim("The weights W help", "paper", "paper, alpha = 0", "--set alpha=0"),
    Claim("Blending helps", "paper", "paper, no blend", "--set blend=none"),
    Claim("1000 iterations are better than 100", "paper", "paper, 100 iterations", "--set iterations=100"),
    Claim("1000 iterations are better than 300", "paper", "paper, 300 iterations", "--set iterations=300"),
    Claim("A model's own bounds help", "paper-calibrated", "paper", "--methods paper-calibrated"),
)
# the same of the default
DEFAULT = (
    Claim("The structural loss helps", "default", "L1 alone", "--set lambda_c=1 --set lambda_s=0"),
    Claim(
        "The printed balance helps",
        "0.2 L1 and 0.797 SSIM, as printed",
        "default",
        "--set lambda_c=0.2 --set lambda_s=0.797",
    ),
    Claim("The discriminator helps", "with D, 0.003", "default", "--set lambda_d=0.003"),
    Claim("The weights W help", "default", "no weights, alpha = 0", "--set alpha=0"),
    Claim("Blending helps", "default", "no blend", "--set blend=none"),
    Claim("Another blend than Poisson's helps", "default", "Poisson blend", "--set blend=poisson"),
)


def report(found: Mapping[str, Results]) -> dict[str, str]:
    """Returns the tables of CelebA, or else of the first data set, as far as there are results.

    They are "claims paper", "claims default", "rivals of paper" and "printed".  Records of one data set in several
    folders count together; of a method that is in two of them a claim takes those of the first folder, by name
    (choices before evaluation), the other tables those of the last.
    """
    if not found:
        return {}
    data = foremost(found).rpartition("/")[2]
    folders = [columns(found[name]) for name in sorted(found) if name.rpartition("/")[2] == data]
    first, last = ChainMap(*folders), ChainMap(*reversed(folders))
    made = {
        "claims paper": claims(data, first, PRINTED),
        "claims default": claims(data, first, DEFAULT),
        "rivals of paper": rivals(data, last),
        "printed": printed(data, last),
    }
    return {name: text for name, text in made.items() if text is not None}


def claims(data: str, methods: Mapping[str, Column], asked: Sequence[Claim]) -> str | None:
    """Returns a row a claim, a column a mask, with a verdict on PSNR; None where nothing of it was run."""
    found = {
        claim: pairs
        for claim in asked
        if (pairs := _under(paired(methods.get(claim.better, {}), methods.get(claim.worse, {})), MASKS))
    }
    if not found:
        return None
    title = (
        f"{data}: what the claim has in its favour, face by face, in PSNR (dB) / SSIM of the whole face, {INTERVAL}. "
        "yes, no: the interval of PSNR lies above 0, below 0; open: 0 lies within"
    )
    names = [f"{claim.text} (`{claim.settings}`, {count(pairs)})" for claim, pairs in found.items()]
    return table(
        title, ["claim", *names], {mask: [_judged(pairs.get(mask, {})) for pairs in found.values()] for mask in MASKS}
    )


def rivals(data: str, methods: Mapping[str, Column]) -> str | None:
    """Returns `paper` less each method that the paper compares it with, a row a mask; None without any."""
    pairs = {name: paired(methods.get("paper", {}), methods.get(name, {})) for name in COMPARED}
    pairs = {name: column for name, column in pairs.items() if column}
    if not pairs:
        return None
    masks = [mask for mask in methods["paper"] if any(mask in column for column in pairs.values())]
    title = f"{data}: `paper` less its rivals, face by face, in PSNR (dB) / SSIM, {INTERVAL}"
    return table(
        title,
        ["mask", *masks],
        {
            f"less {name} ({count(column)})": [cell(column.get(mask, {}), "+") for mask in masks]
            for name, column in pairs.items()
        },
    )


def printed(data: str, methods: Mapping[str, Column]) -> str | None:
    """Returns the printed Table 1 beside F and G(z^) of every preset that has both; None without one."""
    ours = {name: (methods.get(name, {}), methods.get(f"{name}{GENERATED}", {})) for name in PRESETS}
    ours = {name: pair for name, pair in ours.items() if all(_under(column, TABLE_1) for column in pair)}
    if not ours:
        return None
    beside = {"the method, printed": [f"{psnr:.4f} / {ssim:.4f}" for _, (psnr, ssim) in TABLE_1.values()]}
    for name, pair in ours.items():
        for what, column in zip(("F", "G(z^)"), pair, strict=True):
            here = _under(column, TABLE_1)
            beside[f"{what} of {name} ({count(here)})"] = [cell(here.get(mask, {})) for mask in TABLE_1]
    title = f"PSNR in dB / SSIM of the whole face by share of pixels dropped; here: {data}, {INTERVAL}"
    return table(title, ["dropped", *(f"{mask.removeprefix('drop-')} %" for mask in TABLE_1)], beside)


def _under(column: Column, masks: Collection[str]) -> Column:
    return {mask: faces for mask, faces in column.items() if mask in masks}


def _judged(faces: Mapping[int, Record]) -> str:
    if not faces:
        return EMPTY
    mean, half = interval(record["psnr"] for record in faces.values())
    verdict = "yes" if mean - half > 0 else "no" if mean + half < 0 else "open"
    return f"{verdict}: {cell(faces, '+')}"
