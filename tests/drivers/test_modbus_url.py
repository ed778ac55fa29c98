from __future__ import annotations

import pytest

from drivers.modbus_url import BAUDRATES, ModbusUrl, parse_modbus_url, silent_interval_s


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tcp://h:1502", ModbusUrl("tcp", "h", 1502)),
        ("tcp://h", ModbusUrl("tcp", "h")),
        ("tcp://[::1]:502", ModbusUrl("tcp", "::1", 502)),
        ("tls://h", ModbusUrl("tls", "h", 802)),
        ("tls://10.0.0.9:802?server_name=plc", ModbusUrl("tls", "10.0.0.9", 802, server_name="plc")),
        ("rtu+tcp://h:8899", ModbusUrl("rtu+tcp", "h", 8899, gap_s=0.005)),
        ("rtu+tcp://h:8899?gap_ms=300", ModbusUrl("rtu+tcp", "h", 8899, gap_s=0.3)),
        ("rtu:///dev/ttyS0", ModbusUrl("rtu", device="/dev/ttyS0", gap_s=3.5 * 11 / 19_200)),
        (
            "rtu:///dev/serial/by-id/usb-1?baudrate=9600&parity=N&stopbits=2",
            ModbusUrl("rtu", device="/dev/serial/by-id/usb-1", baudrate=9600, parity="N", stopbits=2, gap_s=3.5 * 11 / 9600),
        ),
        (
            "dtu://0.0.0.0:9000?registration=574A01&heartbeat=fefe",
            ModbusUrl("dtu", "0.0.0.0", 9000, gap_s=0.005, registration=b"WJ\x01", heartbeat=b"\xfe\xfe"),  # noqa: S104 a DTU dials in from outside
        ),
    ],
)  # fmt: skip
def test_what_a_url_says(text: str, expected: ModbusUrl) -> None:
    assert parse_modbus_url(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("udp://h:1", "no Modbus scheme"),
        ("tcp:///x", "names no host"),
        ("tcp://h:99999", "impossible port"),
        ("tcp://h:0", "more than host and port"),
        ("tcp://h:1/x", "more than host and port"),
        ("tcp://me:pw@h:1", "user or password"),
        ("tcp://h:1?unit=3", "unknown option 'unit'; known: none"),
        ("rtu+tcp://h", "needs its port"),
        ("dtu://0.0.0.0", "needs its port"),
        ("rtu://ttyS0", "no serial port"),
        ("rtu:///", "no serial port"),
        ("rtu:///dev/ttyS0?baudrate=9601", "9601 is none of"),
        ("rtu:///dev/ttyS0?baudrate=x", "is no number"),
        ("rtu:///dev/ttyS0?baud=9600", "did you mean 'baudrate'?"),
        ("rtu:///dev/ttyS0?parity=even", "none of N, E, O"),
        ("rtu:///dev/ttyS0?stopbits=3", "neither 1 nor 2"),
        ("rtu:///dev/ttyS0?parity=N&parity=E", "twice"),
        ("rtu:///dev/ttyS0?parity", "bad query field"),
        ("rtu+tcp://h:1?gap_ms=5000", "over 1000"),
        ("dtu://0.0.0.0:9?registration=xyz", "hex digits"),
        ("dtu://0.0.0.0:9?registration=", "2 to 64 bytes"),
        ("dtu://0.0.0.0:9?heartbeat=" + "ff" * 65, "2 to 64 bytes"),
        ("dtu://0.0.0.0:9?heartbeat=0103ff", "looks like a device's answer"),
    ],
)
def test_what_is_wrong_is_told_with_its_way_out(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("?", r"\?")):
        parse_modbus_url(text)


def test_the_label_holds_no_registration() -> None:
    url = parse_modbus_url("dtu://0.0.0.0:9000?registration=574A01")
    assert url.label == "dtu://0.0.0.0:9000"
    assert url.noise == (b"WJ\x01",)


def test_the_silent_interval_is_three_and_a_half_characters_and_never_under_1_75_ms() -> None:
    assert silent_interval_s(9600) == pytest.approx(0.00401, rel=0.01)
    assert {silent_interval_s(rate) for rate in BAUDRATES if rate > 19_200} == {0.00175}
