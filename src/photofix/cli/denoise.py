"""photofix denoise."""

from __future__ import annotations

from typing import Annotated

import typer

from photofix.cli import options
from photofix.errors import UsageError

Sigma = Annotated[str, typer.Option("--sigma", metavar="auto|N", help="Noise level, 0-100 of 255.")]
Heal = Annotated[
    bool, typer.Option("--heal/--no-heal", help="Correct a sensor's stuck photosites, stripes and drifting black.")
]


def denoise(
    photos: options.Inputs = None,
    sigma: Sigma = "auto",
    iso: options.Iso = "auto",
    noise: options.Noise = None,
    heal: Heal = True,
    exposure: options.Exposure = 0.0,
    burst: options.Burst = False,
    reference: options.Reference = None,
    method: options.Method = "network",
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
    keep_grain: options.KeepGrain = 0.0,
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
    """Take the noise out of photos, RAW before it is developed.

    photofix denoise in.dng out.png

    photofix denoise in.nef out.dng

    photofix denoise shoot/ -r -o clean/

    photofix denoise f1.dng f2.dng f3.dng f4.dng --burst -o merged.png

    cat in.jpg | photofix denoise - - --format jpeg > out.jpg
    """
    from photofix.cli import session
    from photofix.cli.files import Files
    from photofix.job import Settings

    sensitivity, profile = options.sensor_noise_of(iso, noise)
    settings = Settings(
        model=model,
        weights=weights,
        manifest=manifest,
        device=device,
        precision=precision,
        tile=options.tile_of(tile),
        strength=strength,
        sigma=options.number_or_auto(sigma, "--sigma", 0, 100),
        iso=sensitivity,
        noise=profile,
        heal=heal,
        keep_grain=keep_grain,
        exposure=options.exposure_of(exposure),
        roi=options.roi_of(roi),
        offline=offline,
        dng=dng,
        method=method,
    )
    if not burst and (reference is not None or method != "network"):
        raise UsageError("--reference and --method are for the frames of one scene: add --burst")
    files = Files(
        *(tuple(photos or ()), files_from, output, overwrite, skip_existing, recursive, name, format),
        burst=burst,
        reference=reference,
    )
    work = session.Work(settings, files, session.saving_of(quality, bit_depth, strip_metadata))
    raise typer.Exit(session.run(work, session.manner_of(jobs, fail_fast, json, quiet, verbose)))
