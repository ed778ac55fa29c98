"""Where do profiles come from? By name from those packaged with the wheel, or by path from the operator's own."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from telemetry.errors import ConfigError, Problem
from telemetry.profile import Profile, parse_profile, profile_digest

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SUFFIX = ".yaml"


@dataclass(frozen=True, slots=True)
class LoadedProfile:
    """A profile with its exact text and the id that names that text (`name@` and 12 hex of its SHA-256)."""

    profile: Profile
    profile_id: str
    text: str


def list_profiles() -> tuple[str, ...]:
    """Give the names of the packaged profiles, sorted."""
    return tuple(
        sorted(
            entry.name.removesuffix(SUFFIX) for entry in _folder().iterdir() if entry.name.endswith(SUFFIX)
        )
    )


def load_profile(name_or_path: str) -> LoadedProfile:
    """Load a packaged profile by name, or any by path (it holds a `/` or ends in `.yaml`).

    ConfigError: a name that is not known (with a suggestion), an unreadable file, or every mistake in it.
    """
    if "/" in name_or_path or name_or_path.endswith(SUFFIX):
        return _parsed(Path(name_or_path), name_or_path)
    return _packaged(name_or_path)


@lru_cache(maxsize=256)
def _packaged(name: str) -> LoadedProfile:
    """Load a packaged profile once: it cannot change under a running process, and a site may name it 1,000 times."""
    known = list_profiles()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"one of {', '.join(known)}"
        raise ConfigError([Problem(name, 0, 0, "", "is not a known profile", hint)])
    return _parsed(_folder() / f"{name}{SUFFIX}", f"config/profiles/{name}{SUFFIX}")


def _folder() -> Traversable:
    return resources.files("config") / "profiles"


def _parsed(entry: Traversable, file: str) -> LoadedProfile:
    """Read bytes first, so that the digest is of the very bytes of the file and no newline is translated."""
    try:
        text = entry.read_bytes().decode()
    except OSError as error:
        raise ConfigError([Problem(file, 0, 0, "", f"cannot be read: {error.strerror or error}")]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(file, 0, 0, "", f"is not UTF-8 at byte {error.start}")]) from None
    profile = parse_profile(text, file)
    stem = entry.name.removesuffix(SUFFIX)
    if profile.profile != stem:
        message = f"names the profile {profile.profile!r}, the file is called {entry.name!r}"
        raise ConfigError([Problem(file, 0, 0, "profile", message, "make the two agree")])
    return LoadedProfile(profile, profile_digest(profile.profile, text), text)
