"""Published networks for low light and HDR: their released weights, the published code's answers, what they do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import golden
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from photofix import model, weights
from photofix.device import Place
from photofix.networks.cidnet import CIDNet
from photofix.networks.expandnet import ExpandNet
from photofix.networks.iat import IAT
from photofix.networks.retinexformer import Retinexformer
from photofix.networks.sci import SCI
from photofix.networks.zero_dce import ZeroDCE

#: A small configuration of each, with the sides of the picture whose answer is on record.
SMALL: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "sci": (SCI, 16),
    "zero_dce": (lambda: ZeroDCE(width=8, curves=4), 16),
    "iat": (lambda: IAT(width=8, blocks=1, global_width=16), 16),
    "cidnet": (lambda: CIDNet(widths=(8, 8, 16, 24), heads=(2, 4, 4), saturation=1.3), 24),
    "retinexformer": (lambda: Retinexformer(width=8, blocks=(1, 1, 2)), 16),
    "expandnet": (lambda: ExpandNet(width=4), 16),
}
ENTRIES = weights.manifest()
FILES = {
    "sci-easy": "low-light/sci_easy.pt",
    "sci-medium": "low-light/sci_medium.pt",
    "sci-difficult": "low-light/sci_difficult.pt",
    "iat-lol": "low-light/iat_lol_v1.pth",
    "iat-exposure": "low-light/iat_exposure.pth",
    "zero-dce": "low-light/zero_dce.pth",
    "expandnet": "hdr/expandnet.pth",
}
CPU = Place(torch.device("cpu"), torch.float32, "for tests")


def released(shared: Path, name: str) -> nn.Module:
    """An entry's network with its released weights, every one of them in its place."""
    return model.load(ENTRIES[name], shared / "published" / FILES[name], CPU).network


def decoded(file: Path, side: int | None = None) -> np.ndarray:
    """(H, W, 3) uint8, shrunk to this many rows."""
    pixels = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR_RGB)
    if side is None:
        return pixels
    return cv2.resize(pixels, (side * pixels.shape[1] // pixels.shape[0], side), interpolation=cv2.INTER_AREA)


def to_tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]


def filled(name: str) -> nn.Module:
    """The small configuration of a network, its parameters by formula."""
    network = golden.fill(SMALL[name][0]())
    if isinstance(network, IAT):  # Its answers depart from these, which would else make every one of them black.
        network.global_net.color_base.copy_(torch.eye(3))
        network.global_net.gamma_base.fill_(1.0)
    return network


def answer_to(network: nn.Module, picture: Tensor) -> Tensor:
    with torch.inference_mode():
        return network(picture)


@pytest.mark.parametrize("name", SMALL)
def test_small_configurations_answer_as_on_record(name: str) -> None:
    side = SMALL[name][1]
    answer = answer_to(filled(name), golden.picture(3, side, side + 8))
    assert golden.distance(answer, golden.recorded(name)) < 1e-4


@pytest.mark.parametrize(
    ("name", "build", "entry"),
    [("hvi_cidnet", CIDNet, "cidnet-lol"), ("retinexformer_lol", Retinexformer, "retinexformer-lol")],
)
def test_answers_are_those_of_the_published_code(shared: Path, name: str, build: type[nn.Module], entry: str) -> None:
    expected = golden.published(shared, name)
    network = build()
    assert golden.state(network) == golden.state(model.build(ENTRIES[entry])) == expected.state
    answer = answer_to(golden.fill(network, expected.phase), expected.picture)
    assert golden.distance(answer, expected.answer) < 1e-4


# SCI


@pytest.mark.parametrize(
    ("kind", "file"),
    [("easy", "0016.png"), ("easy", "0528.png"), ("difficult", "2015_02057.jpg"), ("difficult", "NPE_89.png")],
)
def test_sci_answers_as_its_authors_pictures(shared: Path, kind: str, file: str) -> None:
    network = released(shared, f"sci-{kind}")
    folder = shared / "eval" / "sci_golden" / kind
    answer = answer_to(network, to_tensor(decoded(folder / "input" / file)))
    expected = decoded((folder / "output" / file).with_suffix(".webp"))
    assert difference(answer, expected).max() <= 1


@pytest.mark.parametrize("file", ["2062.jpg", "3008.jpg"])
def test_sci_answers_as_its_authors_pictures_where_jpeg_decoders_agree(shared: Path, file: str) -> None:
    """These have chroma at half the sides, which the authors' decoder enlarged in another way than today's.

    Where an 8 x 8 block of chroma holds one color only, all decoders agree on what lies well inside it.
    """
    network = released(shared, "sci-medium")
    folder = shared / "eval" / "sci_golden" / "medium"
    answer = answer_to(network, to_tensor(decoded(folder / "input" / file)))
    expected = decoded((folder / "output" / file).with_suffix(".webp"))
    differences = difference(answer, expected).max(axis=2)
    flat = plain_blocks(folder / "input" / file)
    rows, columns = flat.shape
    blocks = differences.reshape(rows, 16, columns, 16).swapaxes(1, 2)
    assert flat.sum() > 300
    assert blocks[flat, 5:11, 5:11].max() <= 1
    assert np.median(differences) <= 1


def difference(answer: Tensor, expected: np.ndarray) -> np.ndarray:
    """In levels of 255; the authors cut the fractions off."""
    levels = np.floor(answer[0].permute(1, 2, 0).numpy() * 255)
    return np.abs(levels - expected)


def plain_blocks(file: Path) -> np.ndarray:
    """Which blocks of 16 x 16 pixels of a JPEG with chroma at half the sides have one chroma only."""
    picture = Image.open(file)
    picture.draft("YCbCr", (picture.width // 2, picture.height // 2))  # chroma as it is stored
    chroma = np.asarray(picture)[:, :, 1:]
    blocks = chroma.reshape(chroma.shape[0] // 8, 8, chroma.shape[1] // 8, 8, 2)
    plain: np.ndarray = (blocks.max((1, 3)) == blocks.min((1, 3))).all(-1)
    return plain


def test_sci_runs_one_stage_of_what_its_files_hold(shared: Path) -> None:
    """One module stands in them under two names, and the network of the training's calibration changes nothing."""
    network = released(shared, "sci-easy")
    state = network.state_dict()
    assert len(state) == 83
    assert all(
        torch.equal(state[key], state[key.replace("blocks.0", "conv")])
        for key in state
        if key.startswith("enhance.blocks")
    )
    picture = golden.picture(3, 24, 24)
    before = answer_to(network, picture)
    for parameter in network.calibrate.parameters():
        parameter.zero_()
    assert torch.equal(answer_to(network, picture), before)


# What every one of them does on real photographs


@pytest.mark.parametrize(
    ("name", "gain"),
    [
        ("sci-easy", 3.0),
        ("sci-medium", 6.0),
        ("sci-difficult", 6.0),
        ("iat-lol", 6.0),
        ("zero-dce", 6.0),
    ],
)
def test_dark_photographs_come_nearer_to_well_exposed_ones(shared: Path, name: str, gain: float) -> None:
    network = released(shared, name)
    gains, kept = [], []
    for number in (0, 4, 8, 12):
        folder = shared / "eval" / "sice_pairs"
        dark = decoded(folder / f"{number:02}_dark.jpg", 160) / 255
        reference = decoded(folder / f"{number:02}_reference.jpg", 160) / 255
        answer = answer_to(network, to_tensor(255 * dark))[0].permute(1, 2, 0).numpy()
        assert answer.mean() > 1.2 * dark.mean()
        gains.append(psnr(answer, reference) - psnr(dark, reference))
        kept.append(np.corrcoef(gradient(answer), gradient(reference))[0, 1])
    assert np.mean(gains) > gain
    assert np.mean(kept) > 0.6  # its edges are the photograph's


def psnr(answer: np.ndarray, reference: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((answer - reference) ** 2)))


def gradient(picture: np.ndarray) -> np.ndarray:
    """From each pixel to the next in its row, of its logarithm: edges, whatever the light."""
    return np.diff(np.log(picture.mean(axis=2) + 0.05), axis=1).ravel()


@pytest.mark.parametrize("name", ["sci-medium", "zero-dce"])
def test_plain_pictures_brighten_and_keep_their_order(shared: Path, name: str) -> None:
    """Of plain gray pictures a brighter one stays the brighter one; none gets darker, black and white stay."""
    network = released(shared, name)
    levels = torch.linspace(0, 1, 33)
    # At the middle of a picture larger than the reach, so that its border does not count.
    answers = answer_to(network, levels[:, None, None, None].expand(-1, 3, 17, 17))[:, :, 8, 8].mean(1)
    assert (answers.diff() > -0.002).all()
    assert (answers >= levels - 0.002).all()
    assert answers[0] == 0
    assert answers[-1] == pytest.approx(1, abs=1e-6)
    assert answers[8] > levels[8] + 0.15


def test_exposure_is_corrected_both_ways(shared: Path) -> None:
    """Photographs exposed three stops apart come out nearly alike."""
    network = released(shared, "iat-exposure")
    before, after = [], []
    for number in (10, 20, 30):
        photograph = decoded(sorted((shared / "eval/cbsd68").glob("*.webp"))[number], 200) / 255
        exposed = [(photograph**2.2 * 2**stops).clip(0, 1) ** (1 / 2.2) for stops in (-1.5, 1.5)]
        answers = [answer_to(network, to_tensor(255 * picture)).mean().item() for picture in exposed]
        before.append(exposed[1].mean() - exposed[0].mean())
        after.append(answers[1] - answers[0])
    assert np.mean(before) > 0.3
    assert np.abs(after).mean() < 0.4 * np.mean(before)


def test_expandnet_answers_light(shared: Path) -> None:
    """In the middle range it undoes the sRGB curve; bright pixels are spread further than the curve alone would."""
    network = released(shared, "expandnet")
    for name in ("02", "07", "12"):
        pixels = decoded(shared / "eval/sice_pairs" / f"{name}_reference.jpg", 256)
        light = answer_to(network, to_tensor(pixels))[0].mean(0).numpy()
        gray = pixels.mean(axis=2) / 255
        assert 0 < light.min() < light.max() < 1
        middle = (gray > 0.2) & (gray < 0.7)
        slope = np.polyfit(np.log(gray[middle]), np.log(light[middle]), 1)[0]
        assert 1.5 < slope < 3.5  # sRGB's curve is a power of about 2.2; a display's own picture would have 1


# What each of them sees


def changed(network: nn.Module, side: int) -> tuple[int, int]:
    """How many pixels up and down an answer changes where the middle pixel of a picture does."""
    picture = golden.picture(3, side, side)
    touched = picture.clone()
    touched[:, :, side // 2, side // 2] = 1 - touched[:, :, side // 2, side // 2].round()
    with torch.inference_mode():
        rows = (network(picture) != network(touched)).any(1)[0].any(1).nonzero()
    return side // 2 - int(rows.min()), int(rows.max()) - side // 2


@pytest.mark.parametrize("name", ["sci-easy", "zero-dce"])
def test_local_networks_reach_as_far_as_the_manifest_says(name: str) -> None:
    torch.manual_seed(0)
    entry = ENTRIES[name]
    assert changed(model.build(entry).eval(), 33) == (entry.reach, entry.reach)
    assert entry.view == "tiles"


@pytest.mark.parametrize("name", ["iat", "cidnet", "retinexformer", "expandnet"])
def test_the_others_weigh_the_whole_picture(name: str) -> None:
    assert changed(filled(name), 256) == (128, 127)
    assert {entry.view for entry in ENTRIES.values() if entry.network == name} == {"whole"}


@pytest.mark.parametrize(("name", "reach"), [("iat", 5), ("expandnet", 8)])
def test_tiles_are_exact_where_the_whole_picture_is_shown_too(name: str, reach: int) -> None:
    network = filled(name)
    picture = golden.picture(3, 96, 80)
    tile = slice(24, 72)
    inner, kept = slice(reach, -reach), slice(24 + reach, 72 - reach)
    with torch.inference_mode():
        expected = network(picture)[:, :, kept, kept]
        seen_whole = network(picture[:, :, tile, tile], picture)[:, :, inner, inner]
        alone = network(picture[:, :, tile, tile])[:, :, inner, inner]
    torch.testing.assert_close(seen_whole, expected, atol=1e-5, rtol=0)
    assert (alone - expected).abs().max() > 1e-4


# Details


def test_hvi_goes_there_and_back() -> None:
    """With nothing changed in between, colors come back as they were; the authors' small constant costs a little."""
    colors = torch.cat([torch.rand(3, 400, generator=torch.manual_seed(1)), torch.eye(3), 1 - torch.eye(3)], dim=1)
    colors = torch.cat([colors, torch.linspace(0, 1, 11).expand(3, -1)], dim=1)
    transform = CIDNet(widths=(4, 4, 4, 4), heads=(1, 1, 1)).trans
    hvi = transform.from_rgb(colors[None, :, :, None])
    assert hvi[:, :2].norm(dim=1).max() <= 1 + 1e-6
    torch.testing.assert_close(transform.to_rgb(hvi)[0, :, :, 0], colors, atol=2e-4, rtol=0)


def test_saturation_multiplies_the_answers() -> None:
    plain, strong = (
        answer_to(golden.fill(CIDNet((8, 8, 16, 24), (2, 4, 4), amount)), 0.2 + 0.1 * golden.picture(3, 16, 16))
        for amount in (1.0, 1.3)
    )
    spread = [1 - answer.amin(1) / answer.amax(1) for answer in (plain, strong)]
    free = (spread[0] > 0.05) & (spread[0] < 0.7)
    assert free.sum() > 20
    torch.testing.assert_close(spread[1][free], 1.3 * spread[0][free], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_half_precision_answers_are_finite(name: str) -> None:
    network = filled(name).bfloat16()
    answer = answer_to(network, golden.picture(3, 24, 32).bfloat16())
    assert answer.shape == (1, 3, 24, 32)
    assert torch.isfinite(answer).all()
