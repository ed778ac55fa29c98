"""How is an asset named? Ids and the ISA-95 path enterprise/site/line/cell/device."""

from __future__ import annotations

import re
from dataclasses import dataclass

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def is_id(text: str) -> bool:
    """Tell whether text may name a gateway or a device: 1-64 of letters, digits, `.`, `_`, `-`."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class AssetPath:
    """A device's place in the plant, from the company down (ISA-95 equipment levels)."""

    enterprise: str
    site: str
    line: str
    cell: str
    device: str

    def __post_init__(self) -> None:
        """Refuse a level that is not an id, so that no half-named asset exists."""
        for level in (self.enterprise, self.site, self.line, self.cell, self.device):
            if not is_id(level):
                raise ValueError(f"not an id: {level!r}; use 1-64 of letters, digits, '.', '_', '-'")

    def __str__(self) -> str:
        """Render as `enterprise/site/line/cell/device`."""
        return f"{self.enterprise}/{self.site}/{self.line}/{self.cell}/{self.device}"

    @classmethod
    def parse(cls, text: str) -> AssetPath:
        """Read a path back from its text; ValueError when it has not five levels."""
        parts = text.split("/")
        if len(parts) != 5:
            raise ValueError(f"an asset path has five levels, not {len(parts)}: {text!r}")
        return cls(*parts)
