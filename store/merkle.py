"""Which root hash stands for the first n leaves? The Merkle tree hash of RFC 6962, section 2.1, grown leaf by leaf."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def leaf_hash(data: bytes) -> bytes:
    """Hash one leaf's bytes: SHA-256 over 0x00 and the data."""
    return hashlib.sha256(b"\x00" + data).digest()


def _node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """The tree's right edge: the roots of its full subtrees, at most 64 of them, however many leaves there are."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Append the hash of one leaf."""
        self.size += 1
        carried = leaf
        size = self.size
        while size % 2 == 0:
            carried = _node_hash(self._peaks.pop(), carried)
            size //= 2
        self._peaks.append(carried)

    def root(self) -> bytes:
        """Give the root over all leaves so far; of none, SHA-256 of nothing."""
        if not self._peaks:
            return hashlib.sha256(b"").digest()
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = _node_hash(peak, root)
        return root


def merkle_root(leaf_hashes: Iterable[bytes]) -> bytes:
    """Give the root over leaf hashes in their order."""
    tree = MerkleTree()
    for digest in leaf_hashes:
        tree.add(digest)
    return tree.root()
