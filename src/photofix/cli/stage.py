"""What the options of photofix relight say of a light stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from photofix import environment, lamps, lights
from photofix.errors import UsageError
from photofix.light_stage import Wanted
from photofix.stage_files import StageFiles
from photofix.tasks.relight import Wish


def files_of(
    told: str | None, chrome: Path | None, normals: Path | None, albedo: Path | None, linear: bool
) -> StageFiles | None:
    """Where the lights of a stage are told; None where the photos are no stage."""
    if told is None:
        given = {"--chrome": chrome, "--normals": normals, "--albedo": albedo, "--linear": linear}
        for option in (option for option, value in given.items() if value):
            raise UsageError(f"{option} is for a light stage: say where its lights stood with --lights FILE or chrome")
        return None
    if told == "chrome":
        if chrome is None:
            raise UsageError("--lights chrome: name the folder with the chrome ball's pictures with --chrome DIR")
        return StageFiles(None, chrome, linear)
    if chrome is not None:
        raise UsageError(f"--lights {told} and --chrome contradict each other: give --lights chrome, or the file alone")
    return StageFiles(Path(told), None, linear)


def check(given: Mapping[str, object]) -> None:
    """UsageError for options that a light stage has no use for."""
    for option in (option for option, value in given.items() if value):
        raise UsageError(f"{option}: a light stage's pictures are added up as they are; leave it out")


def wish(said: lamps.Words, exposure: float) -> tuple[Wish, Wanted]:
    """The subject, and the light that is wanted; UsageError where that is not said, or cannot be."""
    if isinstance(said.env, str | Path):
        said = replace(said, env=environment.read_panorama(Path(said.env)))
    found = lamps.wish(said)
    if isinstance(said.env, np.ndarray):
        return found, Wanted(None, environment.rotated(said.env, said.rotate), said.ambient, exposure)
    words = [said.light] if isinstance(said.light, str) else said.light or []
    # Each lamp is as bright as it says, however many there are: light adds up.
    together = lights.together(*(lamps.parse([word], said.soft) for word in words))
    return found, Wanted(together, None, said.ambient, exposure)
