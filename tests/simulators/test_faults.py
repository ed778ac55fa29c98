"""What goes wrong on a line goes through production code: bad polls, glitches, late messages, resets, swaps, new boxes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from simulators.history import GatewayPast, day_start_ms, epoch_after_loss, key_on
from simulators.specs import city_spec
from simulators.world import Behaviour, Device, Faults, Gateway
from telemetry.clock import ClockState
from telemetry.seal import read_lines, read_seal, signature_holds

if TYPE_CHECKING:
    from telemetry.line import Line
    from telemetry.seal import Batch

SPEC = city_spec(1)
GATEWAY = Gateway("gw-1", "edge", "91330300000000000X", "一车间")
ARM = Device(
    device="dev-1",
    gateway="gw-1",
    profile="example_arm6",
    manufacturer="Example Robotics",
    model="E6",
    serial="20180417",
    source="register",
    behaviour=Behaviour(key="arm", shift_h=16, shift_start_h=5, cycle_s=20, weekend=1.0),
    from_day=1,
)
KUKA = replace(ARM, profile="kuka_krc4_neuron", serial="778213")
DAYS = 25


def _told(gateway: Gateway, device: Device) -> tuple[GatewayPast, list[Batch], list[Line]]:
    past = GatewayPast.begin(gateway, (device,), SPEC)
    batches = [read_seal(batch.data) for day in range(DAYS) for batch, _ in past.day_batches(day)]
    return past, batches, [line for batch in batches for line in read_lines(batch)]


def _machine(lines: list[Line]) -> list[Line]:
    return sorted((line for line in lines if line.measurement == "machine"), key=lambda line: line.time_ns)


def _sum(lines: list[Line], field: str) -> int:
    return sum(int(line.fields.get(field, 0)) for line in lines)


def test_narrow_counters_roll_over_and_nothing_is_lost() -> None:
    behaviour = replace(ARM.behaviour, first_count=60_000)
    past, _, lines = _told(GATEWAY, replace(ARM, behaviour=behaviour))
    rows = _machine(lines)
    assert _sum(rows, "cycles_rollovers") >= 1
    assert _sum(rows, "energy_wh_rollovers") >= 3
    (life,) = past.lives
    assert _sum(rows, "cycles_unexplained") == 0
    uncounted = life.totals.cycles - _sum(rows, "cycles_inc")
    assert 0 <= uncounted < 1_000, "only what ran before the device was connected, and after its last poll"


@pytest.mark.parametrize("device", [ARM, KUKA])
def test_bad_polls_glitches_and_late_messages_are_told_as_what_they_are(device: Device) -> None:
    faults = Faults(bad_share=0.05, glitch_share=0.05, late_share=0.05)
    past, _, lines = _told(GATEWAY, replace(device, faults=faults))
    rows = _machine(lines)
    readings = _sum(rows, "readings") + sum(line.measurement == "identity" for line in lines)
    (life,) = past.lives
    assert life.fold is not None
    assert past.accepted == readings + life.fold.open_readings
    assert _sum(rows, "bad") > 10
    assert _sum(rows, "cycles_odd") > 10
    assert _sum(rows, "cycles_unexplained") < 5
    assert any(row.fields.get("late") for row in rows)


def test_a_reset_and_a_swap_lose_the_counters_once_and_a_swap_tells_another_serial() -> None:
    _, _, lines = _told(GATEWAY, replace(KUKA, faults=Faults(reset_day=9)))
    assert _sum(_machine(lines), "cycles_unexplained") == 1
    device = replace(KUKA, swap_day=9, swap_serial="778214")
    _, _, lines = _told(GATEWAY, device)
    told = [line.fields["serial"] for line in lines if line.measurement == "identity"]
    assert told == ["778213", "778214"]
    assert _sum(_machine(lines), "cycles_unexplained") == 1


def test_a_doctored_gateway_believes_any_step() -> None:
    fast = replace(KUKA, behaviour=replace(KUKA.behaviour, cycle_s=0.02))
    honest = _machine(_told(GATEWAY, fast)[2])
    lying = _machine(_told(GATEWAY, replace(fast, is_doctored=True))[2])
    assert _sum(lying, "cycles_inc") > 100 * max(1, _sum(honest, "cycles_inc"))
    assert {row.fields["profile"] for row in lying} == {row.fields["profile"] for row in honest}


def test_a_replaced_box_has_its_own_key_and_epoch_and_says_what_it_replaced() -> None:
    gateway = replace(GATEWAY, replaced_day=10, off_days={10: (0, 1)})
    _, batches, lines = _told(gateway, KUKA)
    epochs = list(dict.fromkeys(batch.seal.epoch for batch in batches))
    assert len(epochs) == 2
    last = [batch for batch in batches if batch.seal.epoch == epochs[0]][-1]
    (word,) = [line for line in lines if line.measurement == "epoch" and line.fields["reason"] == "replaced"]
    assert word.fields["previous"] == epochs[0]
    assert word.fields["previous_seq"] == last.seal.seq
    assert word.fields["previous_hash"] == last.hash
    old, new = (key_on(gateway, SPEC.seed, day).public_key() for day in (9, 10))
    assert [signature_holds(batch.seal, new) for batch in batches] == [
        batch.seal.epoch == epochs[1] for batch in batches
    ]
    assert not signature_holds(batches[-1].seal, old)


def test_a_lost_outbox_begins_a_new_epoch_under_the_same_key() -> None:
    gateway = replace(GATEWAY, lost_days=(10, 12))
    _, batches, lines = _told(gateway, KUKA)
    epochs = list(dict.fromkeys(batch.seal.epoch for batch in batches))
    assert epochs[1:] == [epoch_after_loss(gateway, SPEC, day) for day in (10, 12)]
    words = [line for line in lines if line.measurement == "epoch"]
    assert [(word.fields["reason"], word.fields["previous"]) for word in words] == [
        ("first", ""),
        ("outbox_lost", epochs[0]),
        ("outbox_lost", epochs[1]),
    ]
    key = key_on(gateway, SPEC.seed, 0).public_key()
    assert all(signature_holds(batch.seal, key) for batch in batches)


def test_a_clock_never_synchronised_seals_as_such_and_the_identity_is_asked_again() -> None:
    gateway = replace(GATEWAY, unsynced_days={8: -9})
    _, batches, lines = _told(gateway, KUKA)
    unsynced = [batch for batch in batches if batch.seal.clock_state is ClockState.UNSYNCED]
    (batch,) = unsynced
    first = min(line.time_ns for line in read_lines(batch)) // 1_000_000
    assert first == day_start_ms(8) - 9 * 3_600_000
    assert len([line for line in lines if line.measurement == "identity"]) == 2
