"""Put trained weights into the package: python training/release.py denoise copies the run's file and pins it.

The manifest's size and sha256 of that entry are rewritten; everything else in it is written by hand.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def release(name: str, run: Path) -> None:
    """Copy run/NAME.safetensors to the package and pin its bytes in weights.toml."""
    target = ROOT / "src/photofix/embedded" / f"{name}.safetensors"
    shutil.copyfile(run / target.name, target)
    manifest = ROOT / "weights.toml"
    text = manifest.read_text("utf-8")
    start = text.index(f"[{name}]\n")
    end = text.find("\n[", start) if "\n[" in text[start:] else len(text)
    table = re.sub(r"(?m)^size = .*$", f"size = {target.stat().st_size}", text[start:end])
    table = re.sub(r"(?m)^sha256 = .*$", f'sha256 = "{hashlib.sha256(target.read_bytes()).hexdigest()}"', table)
    manifest.write_text(text[:start] + table + text[end:], "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--run", type=Path, help="default: training/runs/NAME")
    given = parser.parse_args()
    release(given.name, given.run or ROOT / "training/runs" / given.name)


if __name__ == "__main__":
    main()
