"""photofix colorize."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photofix.cli import options
from photofix.errors import UsageError

_COLOR = "Color"


Hints = Annotated[
    Path | None,
    typer.Option(
        "--hints",
        metavar="FILE",
        help='Known colors: points as JSON, [{"x": 12, "y": 34, "color": "#rrggbb"}], or the photo with colored '
        "strokes painted over it.",
        show_default=False,
        rich_help_panel=_COLOR,
    ),
]
Palette = Annotated[
    Path | None,
    typer.Option("--palette", metavar="PHOTO", help="A photo whose colors are wanted.", rich_help_panel=_COLOR),
]
Saturation = Annotated[
    float,
    typer.Option("--saturation", min=0, max=4, help="What chroma is multiplied with.", rich_help_panel=_COLOR),
]
Temperature = Annotated[
    float | None,
    typer.Option(
        "--temperature-of-guess",
        min=0,
        max=1,
        help="0: the likeliest color, vivid and sometimes wrong; 1: the mean of all that are likely, and dull.",
        show_default="0.2",
        rich_help_panel=_COLOR,
    ),
]
Samples = Annotated[
    int | None,
    typer.Option(
        "--samples",
        min=1,
        max=64,
        metavar="N",
        help="Make N plausible colorings, to be seen side by side in --picture.",
        rich_help_panel=_COLOR,
    ),
]
Picture = Annotated[
    Path | None,
    typer.Option("--picture", metavar="FILE", help="Where the sheet of --samples goes.", rich_help_panel=_COLOR),
]
Take = Annotated[
    int,
    typer.Option(
        "--take", min=1, metavar="K", help="Which of the plausible colorings goes to OUT.", rich_help_panel=_COLOR
    ),
]
Recolor = Annotated[
    bool,
    typer.Option("--recolor", help="Of photos in color: drop what color there is, and guess.", rich_help_panel=_COLOR),
]


def colorize(
    photos: options.Inputs = None,
    hints: Hints = None,
    palette: Palette = None,
    saturation: Saturation = 1.0,
    temperature: Temperature = None,
    samples: Samples = None,
    picture: Picture = None,
    take: Take = 1,
    recolor: Recolor = False,
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
    """Color black-and-white photos, by themselves or with a few hints.

    photofix colorize old.jpg out.png

    photofix colorize old.jpg out.png --hints points.json

    photofix colorize old.jpg out.png --samples 9 --picture sheet.png

    photofix denoise old.jpg - --format png | photofix colorize - out.png
    """
    from photofix import hints as files_of
    from photofix.cli import session
    from photofix.cli.beside import Drawing, Extras
    from photofix.cli.files import Files
    from photofix.job import Settings
    from photofix.tasks.colorize import Wishes

    if (samples is None) != (picture is None):
        raise UsageError(
            "--samples N and --picture FILE belong together: give both, or --take K for one coloring alone"
        )
    settings = Settings(
        task="colorize",
        wishes=Wishes(
            hints=files_of.parse(hints) if hints else None,
            palette=files_of.palette(palette) if palette else None,
            saturation=saturation,
            temperature=temperature,
            take=take,
            samples=samples or 0,
            recolor=recolor,
        ),
        model=model,
        weights=weights,
        manifest=manifest,
        device=device,
        precision=precision,
        exposure=options.exposure_of(exposure),
        roi=options.roi_of(roi),
        offline=offline,
    )
    files = Files(tuple(photos or ()), files_from, output, overwrite, skip_existing, recursive, name, format)
    saving = session.saving_of(quality, bit_depth, strip_metadata)
    work = session.Work(settings, files, saving, extras=Extras(Drawing("--picture", picture) if picture else None))
    raise typer.Exit(session.run(work, session.manner_of(jobs, fail_fast, json, quiet, verbose)))
