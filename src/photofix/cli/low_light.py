"""photofix low-light."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from photofix.cli import options
from photofix.errors import UsageError

Exposure = Annotated[
    str, typer.Option("--exposure", metavar="auto|EV", help="Stops to brighten by; auto: as many as are lacking.")
]
Method = Annotated[
    Literal["network", "gamma", "clahe"],
    typer.Option("--method", help="How it is brightened; the others are there to compare with."),
]


def low_light(
    photos: options.Inputs = None,
    exposure: Exposure = "auto",
    method: Method = "network",
    iso: options.Iso = "auto",
    noise: options.Noise = None,
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
    dng: options.Dng = None,
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
    """See in the dark: brighten photos and take out the noise that this shows.

    photofix low-light night.jpg out.jpg

    photofix low-light night.dng out.png --exposure 5

    photofix low-light night.nef out.dng

    photofix low-light night.jpg out.png --model sci-medium
    """
    from photofix.cli import session
    from photofix.cli.files import Files
    from photofix.job import Lift, Settings

    if method != "network" and (exposure != "auto" or model is not None or strength != 1):
        raise UsageError(f"--method {method} knows no --exposure, --model or --strength: leave them out")
    sensitivity, profile = options.sensor_noise_of(iso, noise)
    settings = Settings(
        task="low-light",
        lift=Lift(options.number_or_auto(exposure, "--exposure", -2, 12), method),
        model=model,
        weights=weights,
        manifest=manifest,
        device=device,
        precision=precision,
        tile=options.tile_of(tile),
        strength=strength,
        iso=sensitivity,
        noise=profile,
        roi=options.roi_of(roi),
        offline=offline,
        dng=dng,
    )
    files = Files(tuple(photos or ()), files_from, output, overwrite, skip_existing, recursive, name, format)
    work = session.Work(settings, files, session.saving_of(quality, bit_depth, strip_metadata))
    raise typer.Exit(session.run(work, session.manner_of(jobs, fail_fast, json, quiet, verbose)))
