"""History goes through production code: what comes out is sealed, chained, canonical, and conserves counters."""

from __future__ import annotations

import pytest

from drivers.profiles import list_profiles, load_profile
from gateway.normalize import normalize
from simulators.behaviour import DAY_MS, Moment, Totals, day_moments
from simulators.build import build_world
from simulators.history import GatewayPast, ProviderPast, day_start_ms, private_key
from simulators.specs import small_spec
from simulators.voice import Voice
from simulators.world import Behaviour
from telemetry.reading import MachineState, Quality, Reading, ReadingKind
from telemetry.seal import GENESIS, read_lines, read_seal, signature_holds


@pytest.mark.parametrize("name", list_profiles())
def test_a_voice_says_what_normalizing_understands(name: str) -> None:
    loaded = load_profile(name)
    voice = Voice(loaded.profile)
    moment = Moment(
        at_ms=5,
        state=MachineState.RUNNING,
        cycles=1_000,
        energy_wh=5_000,
        on_s=60,
        run_s=30,
        current_ma=2_000,
    )
    reading = Reading("d", ReadingKind.POLL, 5, 5, Quality.GOOD, voice.say(moment), loaded.profile_id)
    sample = normalize(reading, loaded.profile)
    assert sample.quality is Quality.GOOD
    if loaded.profile.states:
        assert sample.state is MachineState.RUNNING
    expected = {
        "cycles": 1_000,
        "parts": 1_000,
        "rejects": 20,
        "moves": 8_000,
        "energy_wh": 5_000,
        "power_on_s": 60,
        "run_s": 30,
    }
    for metric, value in sample.counters.items():
        assert value == expected[metric]


def test_a_clone_repeats_its_original_and_others_do_not() -> None:
    original = Behaviour(key="a", first_count=7)
    clone = Behaviour(key="a", first_count=900, delay_days=3)
    other = Behaviour(key="b", first_count=7)

    def day(behaviour: Behaviour, number: int) -> list[tuple[MachineState, int, int]]:
        totals = Totals()
        moments = day_moments(behaviour, number, 0, 3_600_000, totals)
        return [(item.state, item.cycles - behaviour.first_count, item.current_ma) for item in moments]

    assert day(original, 10) == day(clone, 13)
    assert day(original, 10) != day(other, 10)
    assert day(original, 10) != day(original, 11)


def test_a_gateways_days_are_sealed_and_chained() -> None:
    world = build_world(small_spec(3))
    gateway = next(
        item for item in world.gateways if item.kind == "edge" and item.enrolled and not item.off_days
    )
    past = GatewayPast.begin(gateway, world.devices, world.spec)
    public = private_key(world.spec.seed, gateway.gateway).public_key()
    previous, readings = GENESIS, 0
    for day in range(gateway.from_day, 12):
        ((sealed, _),) = past.day_batches(day)
        batch = read_seal(sealed.data)
        assert batch.seal.prev == previous
        assert signature_holds(batch.seal, public)
        previous = batch.hash
        for line in read_lines(batch):
            readings += int(line.fields.get("readings", 0)) + (line.measurement == "identity")
            if line.measurement == "machine":
                known = sum(int(line.fields[f"{state}_ms"]) for state in MachineState)
                assert known == line.fields["window_ms"]
    open_readings = sum(life.fold.open_readings for life in past.lives if life.fold is not None)
    assert past.accepted == readings + open_readings


def test_a_broken_chain_breaks_on_every_day_after_the_first() -> None:
    world = build_world(small_spec(3))
    gateway = next(item for item in world.gateways if item.broken_from_day is not None)
    past = GatewayPast.begin(gateway, world.devices, world.spec)
    previous, breaks = GENESIS, 0
    for day in range(5):
        ((sealed, _),) = past.day_batches(day)
        breaks += sealed.seal.prev != previous
        previous = sealed.hash
    assert breaks == 4


def test_a_provider_reports_each_customer_once_a_day() -> None:
    world = build_world(small_spec(3))
    provider = next(item for item in world.gateways if item.kind == "provider")
    past = ProviderPast.begin(provider, world.enterprises, world.spec)
    for day in range(world.spec.days):
        made = past.day_batches(day)
        if not made:
            continue
        ((sealed, received_ms),) = made
        lines = read_lines(read_seal(sealed.data))
        usage = [line for line in lines if line.measurement == "cloud_usage"]
        assert len({line.tags["enterprise"] for line in usage}) == len(usage)
        assert {line.time_ns // 1_000_000 for line in usage} == {day_start_ms(day)}
        assert received_ms > day_start_ms(day) + DAY_MS
