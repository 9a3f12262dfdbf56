"""photofix hdr."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from photofix.cli import options

_BRACKET, _DISPLAY = "Bracket", "Display"


Ev = Annotated[
    str | None,
    typer.Option(
        "--ev",
        metavar="EV,EV,...",
        help="How much more light each frame got, in their order, such as -2,0,2; default: what EXIF says, else "
        "what the frames show.",
        show_default=False,
        rich_help_panel=_BRACKET,
    ),
]
Reference = Annotated[
    int | None,
    typer.Option(
        "--reference",
        metavar="N",
        help="The frame that is kept to where things move, from 1.",
        show_default="best exposed",
        rich_help_panel=_BRACKET,
    ),
]
Each = Annotated[
    bool, typer.Option("--each", help="Lift photos one by one; they are no bracket.", rich_help_panel=_BRACKET)
]
Tone = Annotated[
    Literal["local", "reinhard", "filmic", "aces", "mantiuk"],
    typer.Option("--tone", help="How light is shown by formats that do not hold it.", rich_help_panel=_DISPLAY),
]
Exposure = Annotated[
    float, typer.Option("--exposure", metavar="EV", help="Show brighter or darker.", rich_help_panel=_DISPLAY)
]
GainMap = Annotated[
    bool,
    typer.Option(
        "--gain-map/--no-gain-map",
        help="A JPEG that is brighter on displays that can be (Ultra HDR).",
        rich_help_panel=_DISPLAY,
    ),
]
Pq = Annotated[
    bool,
    typer.Option("--pq", help="An AVIF for bright displays: BT.2100 PQ, 10 bits.", rich_help_panel=_DISPLAY),
]
Heal = Annotated[
    bool, typer.Option("--heal/--no-heal", help="Correct a sensor's stuck photosites, stripes and drifting black.")
]
Lift = Annotated[bool, typer.Option("--lift/--no-lift", help="Let a network say how bright clipped light was.")]


def hdr(
    photos: options.Inputs = None,
    ev: Ev = None,
    reference: Reference = None,
    each: Each = False,
    tone: Tone = "local",
    exposure: Exposure = 0.0,
    gain_map: GainMap = True,
    pq: Pq = False,
    heal: Heal = True,
    lift: Lift = True,
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
    """Find the light of a scene: from several exposures of it, or from one photo. Save it, or show it tone-mapped.

    photofix hdr under.dng normal.dng over.dng -o out.exr

    photofix hdr 1.jpg 2.jpg 3.jpg --ev -2,0,2 -o out.jpg

    photofix hdr one.jpg out.exr

    photofix hdr 1.jpg 2.jpg 3.jpg -o out.png --tone filmic --exposure 0.5
    """
    from photofix.cli import session
    from photofix.cli.files import Files
    from photofix.finish import Finish
    from photofix.job import Light, Settings

    settings = Settings(
        task="hdr",
        light=Light(lifted=lift),
        model=model,
        weights=weights,
        manifest=manifest,
        device=device,
        precision=precision,
        tile=options.tile_of(tile),
        strength=strength,
        heal=heal,
        roi=options.roi_of(roi),
        offline=offline,
    )
    files = Files(
        *(tuple(photos or ()), files_from, output, overwrite, skip_existing, recursive, name, format),
        reference=reference,
        bracket=not each,
        evs=None if ev is None else options.evs_of(ev),
    )
    saving = session.saving_of(quality, bit_depth, strip_metadata)
    shown = Finish(tone, options.exposure_of(exposure), gain_map, pq, saving.bit_depth)
    work = session.Work(settings, files, saving, shown=shown)
    raise typer.Exit(session.run(work, session.manner_of(jobs, fail_fast, json, quiet, verbose)))
