"""How does a box take another's place? Its buffer begins with an epoch that says so, so that the break has its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.keys import load_private_key
from gateway.outbox import Outbox
from telemetry.errors import ConfigError, Problem

if TYPE_CHECKING:
    from gateway.config import Site


def begin_replaced(site: Site) -> str:
    """Make the buffer of a new box that goes on under an old box's name; gives its epoch.

    The first batch then says `replaced` (DESIGN section 5). ConfigError when the box has a buffer already: what is in it
    is still to be sent. Locked when a gateway runs on it.
    """
    home = site.state_dir / "outbox"
    if (home / "cursor.json").exists() or any(home.glob("*.seg")):
        message = "this box has a buffer already, and an epoch that goes on"
        hint = "a box that replaces another begins with an empty state_dir; move this one away, once it is drained"
        raise ConfigError([Problem(str(home), 0, 0, "state_dir", message, hint)])
    outbox = Outbox.open(home, site.gateway, load_private_key(site.key_file), reason="replaced")
    epoch = outbox.place.epoch
    outbox.close()
    return epoch
