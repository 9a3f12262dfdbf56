"""Who may import whom, as the design says; a new module takes its place in the list below."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import photofix

SOURCE = Path(photofix.__file__).parent

#: What each module may import of photofix. A name that ends in ".*" stands for every module of that folder.
ALLOWED = {
    "errors": [],
    "metadata": [],
    "settings": [],
    "networks.*": [],
    "photo": [],
    "color": ["photo"],
    "overview": [],
    "chroma": ["photo", "color", "overview"],
    "noise": ["photo", "color"],
    "dark_noise": ["noise"],
    "mosaic": ["photo"],
    "sensor": ["photo"],
    "grain": ["photo", "color"],
    "align": [],
    "lattice": [],
    "frames": ["errors", "photo", "metadata"],
    "brackets": ["errors", "photo", "frames"],
    "response": ["photo", "color"],
    "radiance": ["errors", "photo", "noise", "align", "response"],
    "tone": ["color", "overview"],
    "profile": [],
    "finish": ["photo", "color", "tone", "profile"],
    "burst": ["errors", "photo", "color", "noise", "mosaic", "align", "lattice", "frames"],
    "compare": ["errors", "photo", "color"],
    "fetch": ["errors"],
    "entry": ["errors", "fetch"],
    "weights": ["errors", "settings", "fetch", "entry"],
    "formats.*": ["errors", "photo", "metadata", "formats.*"],
    "kinds": ["errors", "metadata"],
    "libraw": ["errors"],
    "raw": ["errors", "photo", "metadata", "kinds", "libraw"],
    "development": ["errors", "photo", "libraw"],
    "negative": ["errors", "photo", "libraw", "development"],
    "dng": ["errors", "photo", "metadata", "formats.*", "raw", "negative"],
    "read": ["errors", "photo", "color", "metadata", "formats.*", "raw"],
    "write": ["errors", "photo", "color", "metadata", "formats.*", "dng"],
    "device": ["errors"],
    "tiles": ["errors", "device"],
    "kernel_search": ["photo", "color", "found_blur", "tasks.*"],
    "tasks.*": [
        *("errors", "photo", "color", "overview", "chroma", "noise", "grain", "mosaic", "tiles", "environment"),
        *("dark_noise", "lights", "tasks.relight"),
    ],
    "psf": ["errors", "photo", "read"],
    "found_blur": ["photo", "color"],
    "environment": ["errors", "photo", "color", "read"],
    "olat": ["errors", "photo", "color", "environment", "development", "read"],
    "light_stage": ["errors", "photo", "color", "tiles", "environment", "lights", "olat"],
    "stage_files": ["errors", "photo", "color", "read", "olat", "chrome_ball", "batch"],
    "chrome_ball": ["errors"],
    "photometric_stereo": ["errors", "color", "tiles", "olat"],
    "lights": ["environment"],
    "lamps": ["errors", "photo", "color", "read", "environment", "lights", "tasks.*"],
    "hints": ["errors", "photo", "read", "tasks.*"],
    "keras": ["errors"],
    "checkpoint": ["errors", "keras"],
    "zoo": ["errors", "entry"],
    "model": ["errors", "photo", "noise", "networks.*", "weights", "tiles", "device", "checkpoint"],
    "job": ["errors", "photo", "burst", "frames", "brackets", "olat", "light_stage", "model", "tasks.*"],
    "models": ["errors", "weights", "device", "model", "checkpoint", "zoo", "job"],
    "restore_picture": ["errors", "photo", "noise", "tiles", "tasks.*", "networks.*", "model", "job", "models"],
    "restore_color": [
        *("errors", "color", "photo", "tiles", "tasks.*", "model", "job", "models", "restore_picture", "restore_raw"),
    ],
    "restore_raw": [
        *(
            "errors",
            "photo",
            "noise",
            "mosaic",
            "sensor",
            "libraw",
            "development",
            "negative",
            "tiles",
            "tasks.*",
            "job",
        ),
        "models",
        "restore_picture",
    ],
    "restore_blurred": [
        *("photo", "tiles", "tasks.*", "model", "job", "models", "found_blur", "kernel_search"),
        *("restore_picture", "restore_raw"),
    ],
    "restore_burst": [
        *("errors", "photo", "noise", "mosaic", "sensor", "tiles", "burst", "frames", "job", "models"),
        *("restore_picture", "restore_raw"),
    ],
    "restore_hdr": [
        *("errors", "photo", "noise", "sensor", "development", "tiles", "tasks.*", "brackets", "response", "radiance"),
        *("job", "models", "restore_picture", "restore_raw"),
    ],
    "restore_relit": [
        *("errors", "photo", "lights", "tiles", "tasks.*", "model", "job", "models", "restore_picture", "restore_raw"),
    ],
    "restore_low_light": [
        *("errors", "photo", "mosaic", "tiles", "tasks.*", "networks.*", "model", "job", "models"),
        *("restore_picture", "restore_raw"),
    ],
    "restore_stage": [
        *("errors", "photo", "tiles", "environment", "light_stage", "olat", "photometric_stereo", "job", "models"),
        "restore_picture",
    ],
    "pipeline": [
        *("errors", "photo", "frames", "brackets", "olat", "tiles", "tasks.*", "job", "models"),
        *("restore_picture", "restore_raw", "restore_burst", "restore_blurred", "restore_hdr", "restore_low_light"),
        *("restore_color", "restore_relit", "restore_stage"),
    ],
    "batch": ["errors", "photo", "frames", "brackets", "job", "read", "write", "pipeline"],
    "": ["errors", "photo", "psf", "hints", "lamps", "tasks.*", "read", "write", "job", "pipeline"],
}

#: Packages that one part of photofix alone knows.
HOMES = {
    "typer": ["cli.*"],
    "rich": ["cli.*"],
    "torch": ["networks.*", "device", "model", "checkpoint", "keras", "zoo"],
    "safetensors": ["checkpoint"],
    "h5py": ["keras"],
    "spandrel": ["zoo"],
    "rawpy": ["libraw", "raw", "development", "negative"],
    "tifffile": ["formats.*"],
    "imagecodecs": ["formats.*"],
    "OpenImageIO": ["formats.*"],
    **{name: ["fetch"] for name in ("urllib", "http", "socket", "requests", "httpx", "httpx2", "huggingface_hub")},
}

#: Modules that `photofix --help` imports: at their top they may import these alone.
COMMANDS = ["denoise", "deblur", "colorize", "hdr", "low_light", "inspect", "compare", "models", "relight"]
AT_START = ["cli", "cli.options", *(f"cli.{command}" for command in COMMANDS)]
LIGHT = ["", "errors", "settings", "fetch", "entry", "weights", *AT_START]


def modules() -> dict[str, ast.Module]:
    """Every module's syntax tree by its name below photofix; "" is photofix itself."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        found[name.removesuffix("__init__").removesuffix(".")] = ast.parse(path.read_text("utf-8"))
    return found


MODULES = modules()


def imported(tree: ast.AST) -> Iterator[str]:
    """The full names of the modules that are imported anywhere in a tree, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name.removeprefix("photofix.") in MODULES else str(node.module) for name in names)


def of_photofix(tree: ast.AST) -> set[str]:
    """The modules below photofix that a tree imports."""
    return {name.removeprefix("photofix").removeprefix(".") for name in imported(tree) if name.startswith("photofix")}


def fits(module: str, patterns: list[str]) -> bool:
    return any(module == one or (one.endswith(".*") and f"{module}.".startswith(one[:-1])) for one in patterns)


@pytest.mark.parametrize("module", sorted(name for name in MODULES if not fits(name, ["cli.*", "__main__"])))
def test_a_module_imports_only_what_stands_below_it(module: str) -> None:
    places = [allowed for place, allowed in ALLOWED.items() if fits(module, [place])]
    assert len(places) == 1, f"give {module} its place in ALLOWED"
    assert {name for name in of_photofix(MODULES[module]) if not fits(name, places[0])} == set()


@pytest.mark.parametrize("module", sorted(name for name in MODULES if name.startswith("networks.")))
def test_a_network_knows_torch_alone(module: str) -> None:
    packages = {name.split(".")[0] for name in imported(MODULES[module])}
    assert packages - set(sys.stdlib_module_names) <= {"torch"}


@pytest.mark.parametrize("package", sorted(HOMES))
def test_a_package_is_imported_only_where_it_is_at_home(package: str) -> None:
    users = {name for name, tree in MODULES.items() if package in {full.split(".")[0] for full in imported(tree)}}
    assert {name for name in users if not fits(name, HOMES[package])} == set()


def test_nothing_but_the_entry_point_imports_the_command_line() -> None:
    users = {name for name, tree in MODULES.items() if any(fits(one, ["cli.*"]) for one in of_photofix(tree))}
    assert {name for name in users if not fits(name, ["cli.*"])} == {"__main__"}


def test_nothing_imports_training_or_benchmarks() -> None:
    packages = {full.split(".")[0] for tree in MODULES.values() for full in imported(tree)}
    assert not packages & {"training", "benchmarks", "tests"}


@pytest.mark.parametrize("module", AT_START)
def test_commands_import_what_is_heavy_inside_functions(module: str) -> None:
    top = [node for node in MODULES[module].body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {name for name in of_photofix(ast.Module(top, [])) if name not in LIGHT} == set()


def test_the_list_names_no_module_that_is_gone() -> None:
    named = {name for name in ALLOWED if name} | {name for allowed in ALLOWED.values() for name in allowed}
    assert {name for name in named if not any(fits(module, [name]) for module in MODULES)} == set()
