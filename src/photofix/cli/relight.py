"""photofix relight."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photofix.cli import options

_LIGHT, _BESIDE, _STAGE = "Light", "Beside the output", "Light stage"


Light = Annotated[
    list[str] | None,
    typer.Option(
        "--light",
        metavar="SIDE|AZ,EL[,COLOR][,INTENSITY]",
        help="A lamp: left, right, top, front or back, or where it stands in degrees: azimuth 0 at the camera, "
        "positive to the picture's right, 180 behind the subject; elevation positive upwards. Repeat it for more.",
        show_default=False,
        rich_help_panel=_LIGHT,
    ),
]
Env = Annotated[
    Path | None,
    typer.Option("--env", metavar="PANORAMA", help="Light of a panorama, Radiance HDR or EXR.", rich_help_panel=_LIGHT),
]
Rotate = Annotated[
    float,
    typer.Option("--rotate", metavar="DEG", help="Turn the panorama to the right.", rich_help_panel=_LIGHT),
]
Match = Annotated[
    Path | None,
    typer.Option("--match", metavar="PHOTO", help="Light as it is in another photo.", rich_help_panel=_LIGHT),
]
Ambient = Annotated[
    float | None,
    typer.Option(
        "--ambient",
        min=0,
        max=1,
        help="Share of even light from all sides.",
        show_default="0.1; of a light stage 0",
        rich_help_panel=_LIGHT,
    ),
]
Soft = Annotated[
    float | None,
    typer.Option(
        "--soft",
        min=0,
        max=1,
        help="How large lamps are: 0 a point, 1 half of the sky.",
        show_default="0.3; of a light stage 0",
        rich_help_panel=_LIGHT,
    ),
]
Mask = Annotated[
    Path | None,
    typer.Option(
        "--mask",
        metavar="PICTURE",
        help="White where the subject is, which alone is relit.",
        rich_help_panel=_LIGHT,
    ),
]
Maps = Annotated[
    Path | None,
    typer.Option(
        "--maps",
        metavar="DIR",
        help="Write normals, albedo, shading and the light that is there: PNG to look at, EXR for numbers.",
        rich_help_panel=_BESIDE,
    ),
]
Turntable = Annotated[
    int | None,
    typer.Option(
        "--turntable",
        metavar="N",
        min=2,
        max=720,
        help="Write N frames with the light going round, and an animated WebP.",
        rich_help_panel=_BESIDE,
    ),
]
Lights = Annotated[
    str | None,
    typer.Option(
        "--lights",
        metavar="FILE|chrome",
        help="The folder given is a light stage: pictures of one scene, each under one light. Where the lights "
        "stood a JSON file says, or a chrome ball shows.",
        show_default=False,
        rich_help_panel=_STAGE,
    ),
]
Chrome = Annotated[
    Path | None,
    typer.Option(
        "--chrome",
        metavar="DIR",
        help="Pictures of a chrome ball under the same lights, numbered alike, and its mask.",
        show_default=False,
        rich_help_panel=_STAGE,
    ),
]
Normals = Annotated[
    Path | None,
    typer.Option(
        "--normals",
        metavar="OUT",
        help="Write the normals that the stage's pictures show; EXR holds them as numbers.",
        show_default=False,
        rich_help_panel=_STAGE,
    ),
]
Albedo = Annotated[
    Path | None,
    typer.Option(
        "--albedo",
        metavar="OUT",
        help="Write the colors that they show, without light.",
        show_default=False,
        rich_help_panel=_STAGE,
    ),
]
Linear = Annotated[
    bool,
    typer.Option("--linear", help="The stage's files hold light as it is, not sRGB.", rich_help_panel=_STAGE),
]


def relight(
    photos: options.Inputs = None,
    light: Light = None,
    env: Env = None,
    rotate: Rotate = 0.0,
    match: Match = None,
    ambient: Ambient = None,
    soft: Soft = None,
    mask: Mask = None,
    maps: Maps = None,
    turntable: Turntable = None,
    lights: Lights = None,
    chrome: Chrome = None,
    normals: Normals = None,
    albedo: Albedo = None,
    linear: Linear = False,
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

    photofix relight one-light-at-a-time/ -o out.png --lights lights.json --env sunset.hdr --normals normals.png
    """
    from photofix import lamps
    from photofix.cli import session, stage
    from photofix.cli.beside import Extras
    from photofix.cli.files import Files
    from photofix.job import Relight, Settings

    of_stage = stage.files_of(lights, chrome, normals, albedo, linear)
    if of_stage:
        stage.check({"--match": match, "--model": model, "--weights": weights, "--strength": strength != 1})
        words = lamps.Words(light, env, rotate, match, ambient or 0.0, soft or 0.0, mask)
        wish, wanted = stage.wish(words, options.exposure_of(exposure))
    else:
        even, size = 0.1 if ambient is None else ambient, 0.3 if soft is None else soft
        wish, wanted = lamps.wish(lamps.Words(light, env, rotate, match, even, size, mask)), None
    beside = {name: path for name, path in (("normals", normals), ("albedo", albedo)) if path}
    settings = Settings(
        task="relight",
        relight=Relight(wish, maps is not None or bool(beside), turntable or 0, wanted),
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
    named = (tuple(photos or ()), files_from, output, overwrite, skip_existing, recursive, name, format)
    saving = session.saving_of(quality, bit_depth, strip_metadata)
    extras = Extras(None, maps, turntable is not None, beside)
    work = session.Work(settings, Files(*named, stage=of_stage), saving, extras=extras)
    raise typer.Exit(session.run(work, session.manner_of(jobs, fail_fast, json, quiet, verbose)))
