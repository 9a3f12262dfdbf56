"""An entry of the manifest: what is known of one network's weights, and the schema that reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

from photofix.errors import WeightsError
from photofix.fetch import Source

_KINDS = {str: "a text", int: "a whole number", bool: "true or false", dict: "a table", list: "a list"}
_FILE = r"[\w-][\w.-]*"
Encoding = Literal["srgb", "linear", "gray", "lightness", "stabilised", "k-sigma"]
Gives = Literal[
    "residual", "noise", "image", "level", "ab", "odds", "light", "missing", "stops", "intrinsics", "lightness"
]
View = Literal["tiles", "whole"]
Condition = Literal["sigma", "motion", "defocus", "clipped", "psf", "exposure", "hints", "light"]
T = TypeVar("T")


@dataclass(frozen=True)
class Takes:
    """What a network is fed, black = 0 and white = 1.

    encoding: "srgb"; "linear" light; of an sRGB picture "gray", the neutral value of the same lightness, or
        "lightness", the L of CIE Lab (D65), 0 to 100; for packed mosaics "stabilised" (noise.stabilise) or "k-sigma"
        (networks.pmrid.to_anchor).
    channels: 1 gray, 3 RGB, 4 packed Bayer (R, G, G, B).
    conditions: what follows the picture, in this order: "sigma", a plane of the noise's standard deviation; "motion"
        and "defocus", planes of ones where the user says that this is what blurred it, else of zeros; "clipped", which
        share of each channel is; "psf", the blur, and "exposure", the stops that are wanted, for networks of a way of
        their own (model.Model.deconvolved, model.Model.stops); "hints", a, b and 1 where a color is
        known, else 0 in all three; "light", the harmonics of the light that is wanted (networks.dpr).
    """

    encoding: Encoding
    channels: int
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class Entry:
    """All that is known of one network's weights.

    network: a module of photofix.networks, built with arguments.
    embedded: a file of photofix/embedded, or "" for one that is fetched from sources.
    unwrap: where in the checkpoint the state dict is ("params", "model.ema"), or "".
    size: bytes, 0 where not known; sha256 is "" where nobody vouches for one, and then nothing is loaded.
    gives: the residual to add to the picture, the noise in it, the image itself, the noise level of its cells, the
        ab planes of CIE Lab in their own units, logits of colors, linear light, black at 0, the EV that clipped samples
        are missing, the stops by which places are brightened, shape and light (networks.intrinsics), or the L of CIE
        Lab.
    reach: how many pixels away one can influence another; for a network that pools or attends over all it sees, how
        far its convolutions and windows alone reach. margin: the pixels of a tile that are discarded at a cut.
    multiple: the sides of what it takes must be multiples of this.
    view: "tiles" where the picture may be cut; "whole" where the answer hangs on the whole picture (a tone curve, the
        colors of things), so that it is never cut and is shown shrunk where that is enough.
    tile: in tiles, the side that keeps the quality of a network which pools or attends over all it sees, mostly that of
        its training; 0 where any does. Smaller ones are run only where memory is short or the user asks, and that is
        said; larger ones where the user asks. For "whole", the longest side it is shown, 0 for the picture's own.
    half: whether its answer in bfloat16 stays within 48 dB of float32's (PSNR, white at 1); where not, precision auto
        is float32 for it.
    bytes_per_pixel: peak memory for each pixel of a tile beyond the weights, at auto's precision where bfloat16 is in
        the hardware; seconds_per_megapixel: its time there. Both are of benchmarks/zoo.py; 0: not measured.
    figures: measured and published quality, by what was measured.
    """

    name: str
    task: str
    best_for: str
    network: str
    arguments: Mapping[str, Any]
    embedded: str
    sources: tuple[Source, ...]
    unwrap: str
    size: int
    sha256: str
    takes: Takes
    gives: Gives
    reach: int
    margin: int
    multiple: int
    view: View
    tile: int
    half: bool
    bytes_per_pixel: int
    seconds_per_megapixel: float
    licence: str
    commercial: bool
    trained_on: str
    paper: str
    figures: Mapping[str, str]


def read(path: Path, name: str, table: Mapping[str, Any]) -> Entry:
    """The entry that a table of a manifest holds; path is for the messages.

    Raises:
        WeightsError: a field is missing, unknown or wrong; names the file, the entry and the field.
    """
    fields = _Fields(f"{path}: [{name}]", table)
    entry = Entry(
        name=name,
        task=fields.take("task", str),
        best_for=fields.take("best_for", str),
        network=fields.matching("network", r"[a-z]\w*", "a module of photofix.networks"),
        arguments=fields.take("arguments", dict, {}),
        embedded=fields.matching("embedded", _FILE, "a file's name", ""),
        sources=_sources(fields),
        unwrap=fields.take("unwrap", str, ""),
        size=fields.number("size", 0, 0),
        sha256=fields.matching("sha256", "[0-9a-f]{64}", "64 digits of lower-case hex", ""),
        takes=_takes(fields.inner("takes")),
        gives=cast(Gives, fields.choice("gives", Gives)),
        reach=fields.number("reach", 0),
        margin=fields.number("margin", 0),
        multiple=fields.number("multiple", 1),
        view=cast(View, fields.choice("view", View, "tiles")),
        tile=fields.number("tile", 0, 0),
        half=fields.take("half", bool, True),
        bytes_per_pixel=fields.number("bytes_per_pixel", 0, 0),
        seconds_per_megapixel=fields.quantity("seconds_per_megapixel", 0.0),
        licence=fields.take("licence", str),
        commercial=fields.take("commercial", bool),
        trained_on=fields.take("trained_on", str),
        paper=fields.take("paper", str, ""),
        figures=fields.take("figures", dict, {}),
    )
    fields.finish()
    if not entry.embedded and not entry.sources:
        raise fields.wrong("sources", "is missing, and so is embedded: one of them must say where the file is")
    if entry.tile % entry.multiple:
        raise fields.wrong("tile", f"must be a multiple of {entry.multiple}, not {entry.tile}")
    if entry.embedded and not entry.sha256:
        raise fields.wrong("sha256", "is missing: an embedded file needs it")
    for figure, value in entry.figures.items():
        if type(value) is not str:
            raise fields.wrong("figures", f"must be texts: {figure} is {value!r}")
    return entry


def _takes(fields: _Fields) -> Takes:
    takes = Takes(
        encoding=cast(Encoding, fields.choice("encoding", Encoding)),
        channels=fields.number("channels", 1),
        conditions=cast(tuple[Condition, ...], fields.choices("conditions", Condition)),
    )
    if takes.channels not in {1, 3, 4}:
        raise fields.wrong("channels", f"must be 1, 3 or 4, not {takes.channels}")
    fields.finish()
    return takes


def _sources(fields: _Fields) -> tuple[Source, ...]:
    tables = fields.take("sources", list, [])
    return tuple(_source(f"{fields.where} sources[{place}]", table) for place, table in enumerate(tables))


def _source(where: str, table: object) -> Source:
    if not isinstance(table, dict):
        raise WeightsError(f"{where} must be a table with url, or with hub, file and revision")
    fields = _Fields(where, table)
    if "url" in table:
        source = Source(url=fields.matching("url", r"https?://[\w.-]+(:\d+)?/\S+", "a web address"))
    else:
        source = Source(
            hub=fields.matching("hub", f"{_FILE}/{_FILE}", "owner/name"),
            file=fields.matching("file", rf"{_FILE}(/{_FILE})*", "a path in the repository"),
            revision=fields.matching("revision", "[0-9a-f]{40}", "a commit's 40 digits of hex, no branch"),
        )
    fields.finish()
    return source


class _Fields:
    """A table read field by field; every complaint names the file, the entry and the field."""

    def __init__(self, where: str, table: Mapping[str, Any]) -> None:
        self.where = where
        self.left = dict(table)

    def take(self, field: str, kind: type[T], default: T | None = None) -> T:
        value = self.left.pop(field, default)
        if value is None:
            raise self.wrong(field, "is missing")
        if type(value) is not kind:  # Not isinstance: true is an int to Python.
            raise self.wrong(field, f"must be {_KINDS[kind]}, not {value!r}")
        return value

    def matching(self, field: str, pattern: str, meaning: str, default: str | None = None) -> str:
        value = self.take(field, str, default)
        if value != default and not re.fullmatch(pattern, value):
            raise self.wrong(field, f"must be {meaning}, not {value!r}")
        return value

    def choice(self, field: str, words: Any, default: str | None = None) -> str:
        """One of the words of a Literal."""
        *others, last = get_args(words)
        return self.matching(field, "|".join([*others, last]), f"{', '.join(others)} or {last}", default)

    def quantity(self, field: str, default: float) -> float:
        value = self.left.pop(field, default)
        if type(value) not in (int, float) or not 0 <= value < float("inf"):
            raise self.wrong(field, f"must be a number of at least 0, not {value!r}")
        return float(value)

    def number(self, field: str, least: int, default: int | None = None) -> int:
        value = self.take(field, int, default)
        if value < least:
            raise self.wrong(field, f"must be at least {least}, not {value}")
        return value

    def choices(self, field: str, words: Any) -> tuple[str, ...]:
        """A list of words of a Literal, none of them twice."""
        values = self.take(field, list, [])
        if not set(map(str, values)) <= set(get_args(words)) or len(set(map(str, values))) < len(values):
            raise self.wrong(field, f"must be a list of {', '.join(get_args(words))}, each once, not {values!r}")
        return tuple(values)

    def inner(self, field: str) -> _Fields:
        return _Fields(f"{self.where} {field}:", self.take(field, dict))

    def finish(self) -> None:
        for field in self.left:
            raise self.wrong(field, "is not a field of the manifest")

    def wrong(self, field: str, complaint: str) -> WeightsError:
        return WeightsError(f"{self.where} {field} {complaint}")
