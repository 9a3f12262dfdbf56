"""photofix relight."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photofix.cli import options

_LIGHT, _BESIDE = "Light", "Beside the output"


def relight(
    photos: options.Inputs = None,
    light: Annotated[
        list[str] | None,
        typer.Option(
            "--light",
            metavar="SIDE|AZ,EL[,COLOR][,INTENSITY]",
            help="A lamp: left, right, top, front or back, or where it stands in degrees: azimuth 0 at the camera, "
            "positive to the picture's right, 180 behind the subject; elevation positive upwards. Repeat it for more.",
            show_default=False,
            rich_help_panel=_LIGHT,
        ),
    ] = None,
    env: Annotated[
        Path | None,
        typer.Option(
            "--env", metavar="PANORAMA", help="Light of a panorama, Radiance HDR or EXR.", rich_help_panel=_LIGHT
        ),
    ] = None,
    rotate: Annotated[
        float,
        typer.Option("--rotate", metavar="DEG", help="Turn the panorama to the right.", rich_help_panel=_LIGHT),
    ] = 0.0,
    match: Annotated[
        Path | None,
        typer.Option("--match", metavar="PHOTO", help="Light as it is in another photo.", rich_help_panel=_LIGHT),
    ] = None,
    ambient: Annotated[
        float,
        typer.Option("--ambient", min=0, max=1, help="Share of even light from all sides.", rich_help_panel=_LIGHT),
    ] = 0.2,
    soft: Annotated[
        float,
        typer.Option(
            "--soft", min=0, max=1, help="How large lamps are: 0 a point, 1 half of the sky.", rich_help_panel=_LIGHT
        ),
    ] = 0.3,
    mask: Annotated[
        Path | None,
        typer.Option(
            "--mask",
            metavar="PICTURE",
            help="White where the subject is, which alone is relit.",
            rich_help_panel=_LIGHT,
        ),
    ] = None,
    maps: Annotated[
        Path | None,
        typer.Option(
            "--maps",
            metavar="DIR",
            help="Write normals, albedo, shading and the light that is there: PNG to look at, EXR for numbers.",
            rich_help_panel=_BESIDE,
        ),
    ] = None,
    turntable: Annotated[
        int | None,
        typer.Option(
            "--turntable",
            metavar="N",
            min=2,
            max=720,
            help="Write N frames with the light going round, and an animated WebP.",
            rich_help_panel=_BESIDE,
        ),
    ] = None,
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
    """Put a photo into another light: lamps, a panorama's, or another photo's.

    photofix relight portrait.jpg out.png --light left

    photofix relight portrait.jpg out.png --light 45,30,#ffd9b0 --light -120,10,0.4

    photofix relight portrait.jpg out.png --env sunset.hdr --rotate 90

    photofix relight portrait.jpg out.png --light right --turntable 36 --maps maps/
    """
    from photofix import lamps
    from photofix.cli import session
    from photofix.cli.beside import Extras
    from photofix.cli.files import Files
    from photofix.job import Relight, Settings

    wish = lamps.wish(lamps.Words(light, env, rotate, match, ambient, soft, mask))
    settings = Settings(
        task="relight",
        relight=Relight(wish, maps is not None, turntable or 0),
        model=model,
        weights=weights,
        manifest=manifest,
        device=device,
        precision=precision,
        strength=strength,
        exposure=options.exposure_of(exposure),
        roi=options.roi_of(roi),
        offline=offline,
    )
    files = Files(tuple(photos or ()), files_from, output, overwrite, skip_existing, recursive, name, format)
    saving = session.saving_of(quality, bit_depth, strip_metadata)
    work = session.Work(settings, files, saving, extras=Extras(maps, turntable is not None))
    raise typer.Exit(session.run(work, session.manner_of(jobs, fail_fast, json, quiet, verbose)))
