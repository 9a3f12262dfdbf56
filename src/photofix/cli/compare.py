"""photofix compare: how much two pictures differ."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photofix.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from photofix.compare import Comparison
    from photofix.photo import Photo

Picture = Annotated[
    Path,
    typer.Argument(
        show_default=False, help="A picture of any depth, or - for standard input; RAW files are developed."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Sheet = Annotated[
    Path | None,
    typer.Option("--picture", metavar="OUT", help="Save before, after and eightfold difference side by side."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the picture OUT if it exists.")]


def compare(a: Picture, b: Picture, as_json: Json = False, picture: Sheet = None, overwrite: Overwrite = False) -> None:
    """Measure how much two pictures differ: PSNR, SSIM, largest difference."""
    from photofix import compare as measures

    _check_output(picture, (a, b), overwrite)
    before, after = _read(a), _read(b)
    found = measures.compare(before, after)
    if picture:
        _save_sheet(measures.sheet(before, after), picture)
    typer.echo(_as_json(found) if as_json else _as_lines(found))


def _check_output(picture: Path | None, inputs: tuple[Path, Path], overwrite: bool) -> None:
    if picture is None:
        return
    from photofix.cli.files import make_folder_for
    from photofix.write import format_of

    format_of(picture)
    make_folder_for(picture)
    if not picture.exists():
        return
    if any(file.exists() and picture.samefile(file) for file in inputs):
        raise UsageError(f"{picture}: --picture would replace a picture that is compared; choose another name")
    if not overwrite:
        raise UsageError(f"{picture}: exists already; choose another name or give --overwrite")


def _read(path: Path) -> Photo:
    from photofix import development
    from photofix.photo import RawPhoto
    from photofix.read import read

    photo = read(sys.stdin.buffer.read(), "standard input") if str(path) == "-" else read(path)
    return development.develop(photo, photo.mosaic) if isinstance(photo, RawPhoto) else photo


def _save_sheet(pixels: np.ndarray, path: Path) -> None:
    from photofix.photo import Photo
    from photofix.write import SaveOptions, write

    write(Photo(pixels), path, SaveOptions())


def _as_lines(found: Comparison) -> str:
    similarity = "needs 11 x 11 pixels" if found.ssim is None else f"{found.ssim:.4f}"
    ratio = f"{found.psnr:.2f} dB" if found.max_difference else f"infinite{' (identical)' * found.identical}"
    return "\n".join(
        [
            f"PSNR            {ratio}",
            f"SSIM            {similarity}",
            f"max difference  {found.max_difference:.6f} ({found.max_difference * 255:.2f} of 255)",
            *([f"alpha differs   {found.alpha_difference:.6f}"] if found.alpha_difference else []),
        ]
    )


def _as_json(found: Comparison) -> str:
    return json.dumps(
        {
            "psnr": found.psnr if math.isfinite(found.psnr) else None,
            "ssim": found.ssim,
            "max_difference": found.max_difference,
            "alpha_difference": found.alpha_difference,
            "identical": found.identical,
        }
    )
