"""photofix deblur."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from photofix.cli import options
from photofix.errors import UsageError

Psf = Annotated[
    str | None,
    typer.Option(
        "--psf",
        metavar="BLUR",
        help="The blur, the same everywhere, where it is known: motion:LENGTH,ANGLE (counter-clockwise from the "
        "right), disk:RADIUS, gauss:SIGMA, a path X,Y;X,Y;... in pixels, or a kernel's picture. auto: found first.",
        show_default=False,
    ),
]
Method = Annotated[
    Literal["plug-and-play", "wiener", "richardson-lucy"],
    typer.Option("--method", help="How a known blur is undone; the others are there to compare with."),
]
Mode = Annotated[
    Literal["auto", "motion", "defocus"],
    typer.Option("--mode", help="What blurred the picture, where you can tell; for a blur that is not known."),
]
ShowPsf = Annotated[
    Path | None,
    typer.Option(
        "--show-psf",
        metavar="FILE",
        help="Draw the blur that was found: its kernel, or one for each part of the picture.",
        show_default=False,
    ),
]
Sigma = Annotated[str, typer.Option("--sigma", metavar="auto|N", help="Noise level, 0-100 of 255.")]


def deblur(
    photos: options.Inputs = None,
    psf: Psf = None,
    method: Method = "plug-and-play",
    mode: Mode = "auto",
    show_psf: ShowPsf = None,
    sigma: Sigma = "auto",
    exposure: options.Exposure = 0.0,
    output: options.Output = None,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    recursive: options.Recursive = False,
    name: options.Name = None,
    files_from: options.FilesFrom = None,
    model: options.Model = None,
    weights: options.Weights = None,
    manifest: options.Manifest = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    tile: options.Tile = "auto",
    strength: options.Strength = 1.0,
    offline: options.Offline = False,
    format: options.Format = None,
    quality: options.Quality = None,
    bit_depth: options.BitDepth = None,
    strip_metadata: options.StripMetadata = False,
    roi: options.Roi = None,
    jobs: options.Jobs = "1:1:1",
    fail_fast: options.FailFast = False,
    json: options.JsonLines = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Undo blur that is not known, by a network; or one that is, by --psf.

    photofix deblur in.jpg out.png

    photofix deblur shoot/ -o sharp/ --mode motion

    photofix deblur in.jpg out.png --psf motion:20,30

    photofix deblur shaken.jpg out.png --psf auto --show-psf kernel.png

    photofix deblur in.dng out.tif --psf disk:3.5

    photofix deblur in.jpg out.png --psf kernel.png --method wiener
    """
    from photofix import psf as kernels
    from photofix.cli import session
    from photofix.cli.beside import Drawing, Extras
    from photofix.cli.files import Files
    from photofix.job import KnownBlur, Settings

    if psf is None and method != "plug-and-play":
        raise UsageError(f"--method {method} undoes a blur that is known: give --psf")
    settings = Settings(
        task="deblur",
        blur=None if psf is None else KnownBlur("auto" if psf == "auto" else kernels.rows(kernels.parse(psf)), method),
        mode=mode,
        show_psf=show_psf is not None,
        model=model,
        weights=weights,
        manifest=manifest,
        device=device,
        precision=precision,
        tile=options.tile_of(tile),
        strength=strength,
        sigma=options.number_or_auto(sigma, "--sigma", 0, 100),
        exposure=options.exposure_of(exposure),
        roi=options.roi_of(roi),
        offline=offline,
    )
    files = Files(tuple(photos or ()), files_from, output, overwrite, skip_existing, recursive, name, format)
    saving = session.saving_of(quality, bit_depth, strip_metadata)
    work = session.Work(settings, files, saving, extras=Extras(Drawing("--show-psf", show_psf) if show_psf else None))
    raise typer.Exit(session.run(work, session.manner_of(jobs, fail_fast, json, quiet, verbose)))
