"""Options that every task has, as annotated types, and what their words mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from photofix.errors import UsageError

if TYPE_CHECKING:
    from photofix.job import Roi as Region

_FILES, _BURST, _NETWORK, _OUTPUT, _RUN = "Files", "Burst", "Network", "Output", "Run"

Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="IN... [OUT]",
        help="Photos, patterns, folders, or - for standard input; with one IN, OUT.",
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="Folder to write to; for one photo or burst also a file, or - for standard output.",
        show_default=False,
        rich_help_panel=_FILES,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.", rich_help_panel=_FILES)]
SkipExisting = Annotated[
    bool,
    typer.Option(
        "--skip-existing", help="Leave out photos whose output exists and is readable.", rich_help_panel=_FILES
    ),
]
Recursive = Annotated[
    bool, typer.Option("--recursive", "-r", help="Look into subfolders; the tree is mirrored.", rich_help_panel=_FILES)
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="TEMPLATE",
        help="Name of outputs: {stem}, {task}, {ext}, {source}.",
        show_default=False,
        rich_help_panel=_FILES,
    ),
]
FilesFrom = Annotated[
    str | None,
    typer.Option(
        "--files-from",
        metavar="FILE|-",
        help="Read inputs from a file, one a line or as find -print0 parts them.",
        rich_help_panel=_FILES,
    ),
]

Burst = Annotated[
    bool,
    typer.Option(
        "--burst", help="The photos are 2 to 32 frames of one scene: make one of them.", rich_help_panel=_BURST
    ),
]
Reference = Annotated[
    int | None,
    typer.Option(
        "--reference",
        metavar="N",
        help="The frame that is kept to, from 1.",
        show_default="sharpest",
        rich_help_panel=_BURST,
    ),
]
Method = Annotated[
    Literal["network", "average", "median"],
    typer.Option(
        "--method",
        help="Merge what agrees and denoise the rest, or only average, or take the median.",
        rich_help_panel=_BURST,
    ),
]

Exposure = Annotated[float, typer.Option("--exposure", metavar="EV", help="Develop RAW brighter or darker.")]

Iso = Annotated[str, typer.Option("--iso", metavar="auto|N", help="Sensitivity that a RAW file's noise is taken from.")]
Noise = Annotated[
    str | None,
    typer.Option(
        "--noise",
        metavar="SHOT,READ",
        help="A RAW file's noise: variance = SHOT * signal + READ, black 0 and white 1.",
        show_default=False,
    ),
]

Model = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", help="Network to use: see photofix models list.", rich_help_panel=_NETWORK),
]
Weights = Annotated[
    Path | None,
    typer.Option("--weights", metavar="FILE", help="Your own weights for that network.", rich_help_panel=_NETWORK),
]
Manifest = Annotated[
    Path | None,
    typer.Option("--manifest", metavar="FILE", help="Add a manifest of your own.", rich_help_panel=_NETWORK),
]
Device = Annotated[
    str, typer.Option("--device", metavar="auto|cpu|cuda[:N]|mps", help="Where to compute.", rich_help_panel=_NETWORK)
]
Precision = Annotated[
    Literal["auto", "float32", "bfloat16", "float16"],
    typer.Option("--precision", help="How exactly to compute.", rich_help_panel=_NETWORK),
]
Tile = Annotated[
    str, typer.Option("--tile", metavar="auto|none|N", help="Side of the tiles in pixels.", rich_help_panel=_NETWORK)
]
Strength = Annotated[
    float, typer.Option("--strength", min=0, max=1, help="Share of the change that is made.", rich_help_panel=_NETWORK)
]
KeepGrain = Annotated[
    float,
    typer.Option(
        "--keep-grain", min=0, max=1, help="Share of the luminance noise that stays.", rich_help_panel=_NETWORK
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Send no request.", rich_help_panel=_NETWORK)]

Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="jpeg, png, tiff, webp, avif, exr, hdr, pnm, pfm, dng.",
        rich_help_panel=_OUTPUT,
    ),
]
Dng = Annotated[
    Literal["cfa", "linear"] | None,
    typer.Option(
        "--dng", help="In a DNG: the mosaic (cfa) or demosaiced colors.", show_default="cfa", rich_help_panel=_OUTPUT
    ),
]
Quality = Annotated[
    int | None,
    typer.Option(
        "--quality", min=1, max=100, help="Of JPEG, WebP and AVIF.", show_default=False, rich_help_panel=_OUTPUT
    ),
]
BitDepth = Annotated[
    int | None,
    typer.Option(
        "--bit-depth", metavar="8|16|32", help="Bits a sample; default: the input's.", rich_help_panel=_OUTPUT
    ),
]
StripMetadata = Annotated[
    bool, typer.Option("--strip-metadata", help="Leave out EXIF, XMP and IPTC.", rich_help_panel=_OUTPUT)
]
Roi = Annotated[
    str | None,
    typer.Option("--roi", metavar="X,Y,W,H", help="Only this part, to try settings.", rich_help_panel=_OUTPUT),
]

Jobs = Annotated[
    str, typer.Option("--jobs", metavar="LOAD:RUN:SAVE", help="Photos in each stage at a time.", rich_help_panel=_RUN)
]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.", rich_help_panel=_RUN)]
JsonLines = Annotated[
    str | None,
    typer.Option(
        "--json", metavar="FILE|-", help="One line of JSON a photo, - for standard error.", rich_help_panel=_RUN
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.", rich_help_panel=_RUN)]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say what was done to each photo.", rich_help_panel=_RUN)
]


def roi_of(text: str | None) -> Region | None:
    """What --roi says."""
    from photofix.job import Roi as Region

    return Region(*numbers_of(text, "--roi", "X,Y,W,H")) if text else None


def tile_of(text: str) -> int | Literal["auto", "none"]:
    """--tile: auto, none, or a side of at least 64 pixels."""
    if text == "auto" or text == "none":
        return text  # type: ignore[return-value]
    if text.isdecimal() and int(text) >= 64:
        return int(text) // 8 * 8
    raise UsageError(f"--tile {text}: give auto, none, or a number of pixels of at least 64")


def number_or_auto(text: str, option: str, low: float, high: float) -> float | Literal["auto"]:
    """A number between bounds, or auto."""
    if text == "auto":
        return "auto"
    try:
        value = float(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: give a number or auto") from error
    if not low <= value <= high:
        raise UsageError(f"{option} {text}: give a number from {low:g} to {high:g}, or auto")
    return value


def exposure_of(stops: float) -> float:
    """--exposure: what anybody may want."""
    if not -8 <= stops <= 8:
        raise UsageError(f"--exposure {stops}: give a number of EV from -8 to 8")
    return stops


def noise_of(text: str) -> tuple[float, float]:
    """--noise: shot and read noise as in a DNG's NoiseProfile."""
    try:
        shot, read = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--noise {text}: give SHOT,READ, such as 0.0016,4e-6") from error
    if not (0 < shot < 1 and 0 <= read < 1):
        raise UsageError(
            f"--noise {text}: variance = shot * signal + read, where signal is 0 at black and 1 at white: "
            "both lie below 1, and shot above 0"
        )
    return shot, read


def evs_of(text: str) -> tuple[float, ...]:
    """--ev: one number of EV for each frame."""
    try:
        evs = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--ev {text}: give a number for each frame, such as -2,0,2") from error
    if not all(abs(ev) <= 30 for ev in evs):
        raise UsageError(f"--ev {text}: give numbers of EV from -30 to 30")
    return evs


def sensor_noise_of(iso: str, noise: str | None) -> tuple[int | Literal["auto"], tuple[float, float] | None]:
    """--iso and --noise, of which one may be given."""
    sensitivity = number_or_auto(iso, "--iso", 25, 4_000_000)
    if noise is not None and sensitivity != "auto":
        raise UsageError("--noise and --iso contradict each other: both say how noisy a RAW file is; give one")
    return "auto" if sensitivity == "auto" else int(sensitivity), None if noise is None else noise_of(noise)


def numbers_of(text: str, option: str, form: str, least: int = 0) -> tuple[int, ...]:
    """Whole numbers in the form that the help shows, such as X,Y,W,H or LOAD:RUN:SAVE."""
    separator = ":" if ":" in form else ","
    parts = text.split(separator)
    whole = all(re.fullmatch("[0-9]+", part) for part in parts)
    if len(parts) != len(form.split(separator)) or not whole or min(map(int, parts)) < least:
        raise UsageError(f"{option} {text}: give {form} as whole numbers of at least {least}")
    return tuple(int(part) for part in parts)


def depth_of(bits: int | None) -> Literal[8, 16, 32] | None:
    """--bit-depth: 8, 16 or 32."""
    if bits in (None, 8, 16, 32):
        return bits  # type: ignore[return-value]
    raise UsageError(f"--bit-depth {bits}: give 8, 16 or 32")
