"""A hand-written server answers a read of two registers with every kind of nonsense: none of it becomes a value."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from drivers.modbus_tcp import ModbusTcp
from telemetry.reading import Quality, ReadingKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from drivers.driver import DeviceSpec, Endpoint
    from telemetry.clock import Clock
    from telemetry.profile import Profile
    from telemetry.reading import Reading

    Reply = Callable[[bytes], bytes]

pytestmark = pytest.mark.wall
POINTS = "  n: {table: holding, address: 0, type: uint32}"
GOOD_PDU = bytes.fromhex("03 04 00 07 00 08")
GOOD_VALUE = 0x0007_0008


def adu(
    request: bytes,
    pdu: bytes = GOOD_PDU,
    *,
    transaction: int | None = None,
    unit: int = 1,
    protocol: int = 0,
    length: int | None = None,
) -> bytes:
    asked = int.from_bytes(request[:2], "big")
    head = (asked if transaction is None else transaction & 0xFFFF).to_bytes(2, "big")
    size = len(pdu) + 1 if length is None else length
    return head + protocol.to_bytes(2, "big") + size.to_bytes(2, "big") + bytes([unit]) + pdu


def asked(request: bytes) -> int:
    return int.from_bytes(request[:2], "big")


class Server:
    """Answers each request with `reply(request)`, in pieces of `piece` bytes; an empty reply is silence."""

    def __init__(self, reply: Reply, *, piece: int = 0, close: bool = False) -> None:
        self.reply, self.piece, self.close = reply, piece, close
        self.requests: list[bytes] = []
        self.connections = 0
        self.tasks: set[asyncio.Task[None] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.tasks.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                request = await reader.readexactly(12)
                self.requests.append(request)
                answer = self.reply(request)
                for at in range(0, len(answer), self.piece or len(answer) or 1):
                    writer.write(answer[at : at + (self.piece or len(answer))])
                    await writer.drain()
                    await asyncio.sleep(0.001 if self.piece else 0)
                if self.close:
                    break
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        async with server:
            yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.wait_for(asyncio.gather(*(task for task in self.tasks if task)), 5)
        self.tasks.clear()


@pytest.fixture
def ask(
    clock: Clock,
    make_profile: Callable[..., Profile],
    make_spec: Callable[..., DeviceSpec],
    make_endpoint: Callable[..., Endpoint],
    hear: Callable[..., object],
) -> Callable[..., tuple[list[Reading], str]]:
    """Connect to such a server once and listen until `count` readings, or the end of the line."""

    def run(server: Server, count: int = 2, timeout_ms: int = 400) -> tuple[list[Reading], str]:
        async def main() -> tuple[list[Reading], str]:
            async with server.listening() as url:
                spec = make_spec(make_profile(POINTS))
                async with ModbusTcp(make_endpoint(url, spec, timeout_ms=timeout_ms), clock) as driver:
                    return await hear(driver, count)  # type: ignore[misc, no-any-return]

        return asyncio.run(main())

    return run


def polls(readings: list[Reading]) -> list[Reading]:
    return [reading for reading in readings if reading.kind is ReadingKind.POLL]


FATAL: dict[str, tuple[Reply, str]] = {
    "transaction_plus_one": (lambda r: adu(r, transaction=asked(r) + 1), "was never asked"),
    "transaction_bytes_swapped": (
        lambda r: adu(r, transaction=int.from_bytes(r[1::-1], "big")),
        "was never asked",
    ),
    "transaction_zero": (lambda r: adu(r, transaction=0), "transaction 0"),
    "another_unit": (lambda r: adu(r, unit=2), "unit 2"),
    "unit_0": (lambda r: adu(r, unit=0), "unit 0"),
    "unit_255": (lambda r: adu(r, unit=255), "unit 255"),
    "function_4_to_a_request_with_3": (lambda r: adu(r, b"\x04" + GOOD_PDU[1:]), "function 4"),
    "write_echo_to_a_read": (lambda r: adu(r, bytes.fromhex("06 00 00 00 63")), "function 6"),
    "one_register_instead_of_two": (lambda r: adu(r, bytes.fromhex("03 02 00 07")), "2 bytes"),
    "five_registers_instead_of_two": (lambda r: adu(r, b"\x03\x0a" + bytes(10)), "10 bytes"),
    "no_registers": (lambda r: adu(r, b"\x03\x00"), "0 bytes"),
    "odd_byte_count": (lambda r: adu(r, bytes.fromhex("03 03 00 07 00")), "3 bytes"),
    "byte_count_beyond_the_frame": (lambda r: adu(r, bytes.fromhex("03 08 00 07 00 08")), "8 bytes"),
    "junk_after_the_registers": (lambda r: adu(r, GOOD_PDU + b"\xff\xff"), "holds 6 bytes"),
    "exception_of_another_function": (lambda r: adu(r, b"\x84\x02"), "exception of function 4"),
    "exception_without_a_code": (lambda r: adu(r, b"\x83"), "length of 2"),
    "exception_with_two_codes": (lambda r: adu(r, b"\x83\x02\x02"), "exactly one code"),
    "unknown_function": (lambda r: adu(r, b"\x55" + GOOD_PDU[1:]), "function 85"),
    "protocol_1": (lambda r: adu(r, protocol=1), "protocol identifier 1"),
    "protocol_2_as_xarm_has_it": (lambda r: adu(r, protocol=2), "protocol identifier 2"),
    "length_0": (lambda r: adu(r, length=0), "length of 0"),
    "length_1": (lambda r: adu(r, length=1), "length of 1"),
    "length_65535": (lambda r: adu(r, length=65535), "length of 65535"),
    "length_one_too_many": (lambda r: adu(r, length=8), "timeout"),
    "garbage_then_a_good_answer": (lambda r: bytes(range(1, 65)) + adu(r), "protocol identifier"),
    "one_byte_of_garbage_before_it": (lambda r: b"\x07" + adu(r), "protocol identifier"),
    "an_http_server": (lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP server"),
    "an_ssh_server": (lambda _: b"SSH-2.0-OpenSSH_9.2p1\r\n", "protocol identifier"),
    "silence": (lambda _: b"", "timeout"),
    "half_a_frame_then_silence": (lambda r: adu(r)[:9], "timeout"),
}


@pytest.mark.parametrize("case", FATAL)
def test_nonsense_is_a_bad_reading_and_drops_the_line(
    case: str, ask: Callable[..., tuple[list[Reading], str]]
) -> None:
    reply, reason = FATAL[case]
    server = Server(reply)
    readings, lost = ask(server)
    (reading,) = readings
    assert reading.quality is Quality.BAD
    assert reading.values == {}
    assert reason in reading.reason
    assert lost
    assert len(server.requests) == 1  # nothing is asked twice: a late answer would be taken for the second
    assert server.connections == 1


@pytest.mark.parametrize("answered", [0, 9])
def test_a_device_that_closes_on_the_request(
    answered: int, ask: Callable[..., tuple[list[Reading], str]]
) -> None:
    server = Server(lambda request: adu(request)[:answered], close=True)
    readings, lost = ask(server)
    assert [reading.values for reading in readings] == [{}]
    assert "disconnected" in readings[0].reason
    assert lost


@pytest.mark.parametrize(
    ("code", "words"), [(2, "illegal data address"), (6, "busy"), (0x77, "unknown exception")]
)
def test_a_refusal_is_bad_and_keeps_the_line(
    code: int, words: str, ask: Callable[..., tuple[list[Reading], str]]
) -> None:
    server = Server(lambda request: adu(request, bytes([0x83, code])))
    readings, lost = ask(server, count=4)
    assert not lost
    assert {reading.quality for reading in polls(readings)} == {Quality.BAD}
    assert all(words in reading.reason for reading in polls(readings))
    assert server.connections == 1


@pytest.mark.parametrize("piece", [1, 7, 8])
def test_a_slow_answer_in_pieces_is_good(piece: int, ask: Callable[..., tuple[list[Reading], str]]) -> None:
    readings, lost = ask(Server(adu, piece=piece), timeout_ms=2000)
    assert not lost
    assert {tuple(reading.values.items()) for reading in polls(readings)} == {(("n", GOOD_VALUE),)}


def test_every_answer_sent_twice_is_taken_once(ask: Callable[..., tuple[list[Reading], str]]) -> None:
    count = 0

    def twice(request: bytes) -> bytes:
        nonlocal count
        count += 1
        return 2 * adu(request, b"\x03\x04" + count.to_bytes(4, "big"))

    readings, lost = ask(Server(twice), count=6, timeout_ms=2000)
    assert not lost
    assert [reading.values["n"] for reading in polls(readings)] == list(range(1, len(polls(readings)) + 1))


@pytest.mark.parametrize("honest", [True, False], ids=["honest_ids", "always_id_0"])
def test_a_late_answer_is_never_anothers(honest: bool, ask: Callable[..., tuple[list[Reading], str]]) -> None:
    """The first answer comes with the second request: it must not become the second's value."""
    held: list[bytes] = []

    def late(request: bytes) -> bytes:
        value = 111 + 111 * len(held)
        held.append(adu(request, b"\x03\x04" + value.to_bytes(4, "big"), transaction=None if honest else 0))
        return b"" if len(held) == 1 else b"".join(held)

    server = Server(late)
    first, lost = ask(server)
    assert (first[0].reason, first[0].values) == ("timeout", {})
    assert lost
    second, lost = ask(server)  # a new connection, and the device sends the old answer first
    assert second[0].values == {}
    assert "was never asked" in second[0].reason
    assert lost


def test_a_server_that_floods_costs_one_bad_reading(ask: Callable[..., tuple[list[Reading], str]]) -> None:
    readings, lost = ask(Server(lambda request: 40_000 * adu(request, transaction=9)))
    assert [reading.values for reading in readings] == [{}]
    assert lost
