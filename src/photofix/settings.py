"""What the environment says: the one place that reads it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs


@dataclass(frozen=True)
class Settings:
    """Folders and switches that are the machine's, not the photo's.

    cache: where fetched weights lie (PHOTOFIX_HOME, else the platform's cache folder).
    config: where a user's own weights.toml lies.
    offline: send no request at all (PHOTOFIX_OFFLINE or HF_HUB_OFFLINE).
    hub: address of the Hugging Face Hub or of a mirror of it (HF_ENDPOINT), without a slash at its end.
    """

    cache: Path
    config: Path
    offline: bool
    hub: str


def read() -> Settings:
    """The settings of this moment; nothing is created."""
    home = os.environ.get("PHOTOFIX_HOME")
    return Settings(
        cache=Path(home).expanduser() if home else platformdirs.user_cache_path("photofix", appauthor=False),
        config=platformdirs.user_config_path("photofix", appauthor=False),
        offline=_is_on("PHOTOFIX_OFFLINE") or _is_on("HF_HUB_OFFLINE"),
        hub=(os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/"),
    )


def _is_on(variable: str) -> bool:
    return os.environ.get(variable, "").strip().lower() in {"1", "true", "yes", "on"}
