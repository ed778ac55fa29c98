"""Who signs? The gateway's Ed25519 key: made on the box, readable by its owner only, never shown."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.frames import sync_directory
from telemetry.errors import ConfigError, Problem
from telemetry.seal import write_public_key

if TYPE_CHECKING:
    from pathlib import Path

KEY_BYTES_MAX = 10_000


def new_key(path: Path) -> str:
    """Make a key file (mode 0600) and give its public key line; FileExistsError rather than overwrite one."""
    key = Ed25519PrivateKey.generate()
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(fd, 0o600)
        os.write(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    sync_directory(path.parent)
    return write_public_key(key.public_key())


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Read a key file; ConfigError when it is missing, no Ed25519 key, or others may read it."""
    name = str(path)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _problem(name, f"cannot be read: {error.strerror}", "make one with: mfl keys new") from None
    with os.fdopen(fd, "rb") as stream:
        mode = stat.S_IMODE(os.fstat(fd).st_mode)
        if mode & 0o077:
            raise _problem(
                name, f"can be read by others than its owner (mode {mode:04o})", f"chmod 600 {path.name}"
            )
        data = stream.read(KEY_BYTES_MAX)
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _problem(name, "is not a private key", "make one with: mfl keys new") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _problem(name, "is not an Ed25519 key", "make one with: mfl keys new")
    return key


def _problem(file: str, message: str, hint: str) -> ConfigError:
    return ConfigError([Problem(file, 0, 0, "", message, hint)])
