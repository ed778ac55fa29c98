"""Where do profiles come from? By name from those packaged with the wheel, or by path from the operator's own.

What an integrator chose follows a `?`, as `inovance_h5u_cell?parts=300&rejects=302`. It becomes a line of the profile's
text, so the id is of the map that was really read, and a shelf that keeps texts needs nothing else.
"""

from __future__ import annotations

import difflib
import re
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
_NEWLINE = "\n"
_BINDING = re.compile(r"([a-z][a-z0-9_]{0,63})=(0|[1-9][0-9]{0,4})")


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
    """Load a packaged profile by name, or any by path (it holds a `/` or ends in `.yaml`), with its `?bindings`.

    ConfigError: a name that is not known (with a suggestion), an unreadable file, every mistake in it, or a binding
    that the profile does not allow.
    """
    name, asked, bindings = name_or_path.partition("?")
    is_path = "/" in name or name.endswith(SUFFIX)
    loaded = _parsed(Path(name), name) if is_path else _packaged(name)
    return _bound(loaded, name, _bindings(name_or_path, bindings)) if asked else loaded


def _bindings(name: str, text: str) -> dict[str, int]:
    """Read `a=1&b=2`, each name once."""
    found: dict[str, int] = {}
    for part in text.split("&"):
        match = _BINDING.fullmatch(part)
        if match is None or match[1] in found:
            hint = "write name?parameter=number&parameter=number, each parameter once, numbers in decimal"
            raise ConfigError([Problem(name, 0, 0, "", f"cannot be read at {part!r}", hint)])
        found[match[1]] = int(match[2])
    return found


def _bound(loaded: LoadedProfile, name: str, bindings: dict[str, int]) -> LoadedProfile:
    """Write bindings into the profile's text; what equals the default is left out, so that one map has one id."""
    parameters = loaded.profile.parameters
    if loaded.profile.bind:
        raise ConfigError(
            [Problem(name, 0, 0, "bind", "has its parameters bound already", "change them there")]
        )
    for unknown in bindings.keys() - parameters.keys():
        close = difflib.get_close_matches(unknown, parameters, n=1) or parameters
        hint = f"one of {', '.join(close)}" if parameters else "this profile has none"
        raise ConfigError([Problem(name, 0, 0, unknown, "is not a parameter of this profile", hint)])
    chosen = {key: value for key, value in sorted(bindings.items()) if value != parameters[key].default}
    if not chosen:
        return loaded
    line = ", ".join(f"{key}: {value}" for key, value in chosen.items())
    text = f"{loaded.text.removesuffix(_NEWLINE)}{_NEWLINE}bind: {{{line}}}{_NEWLINE}"
    profile = parse_profile(text, name)
    return LoadedProfile(profile, profile_digest(profile.profile, text), text)


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
