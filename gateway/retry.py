"""How does a dead letter get a second chance? It goes back into the outbox, its bytes unchanged, behind what waits there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.ballast import Ballast
from gateway.keys import load_private_key
from gateway.losses import batch_readings
from gateway.outbox import Outbox
from telemetry.errors import SealError
from telemetry.seal import read_seal

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config import Site
    from telemetry.seal import Batch


def retry_dead_letters(site: Site) -> tuple[int, list[str]]:
    """Offer a site's dead letters again, oldest seal first; gives how many, and what is said of those that cannot be.

    Locked when a gateway runs on the buffer; ConfigError when it is another gateway's or the key cannot be used;
    OSError when the disk refuses: those not yet put back are still dead letters.
    """
    home = site.state_dir / "outbox"
    if not home.is_dir():
        return 0, []
    key = load_private_key(site.key_file)
    outbox = Outbox.open(home, site.gateway, key, make_room=Ballast(site.state_dir / "ballast").drop)
    try:
        letters: list[Batch] = []
        told: list[str] = []
        for path in outbox.dead_letters.paths():
            try:
                letters.append(_letter(path, site.gateway))
            except (SealError, OSError) as error:
                told.append(f"{path.name}: left where it is: {error}")
        letters.sort(key=lambda batch: (batch.seal.sealed_ms, batch.seal.seq))
        return outbox.offer_again(letters), told
    finally:
        outbox.close()


def _letter(path: Path, gateway: str) -> Batch:
    batch = read_seal(path.read_bytes())
    batch_readings(batch)
    if batch.seal.gateway != gateway:
        raise SealError(f"a batch of gateway {batch.seal.gateway}")
    return batch
