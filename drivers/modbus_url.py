"""What does a Modbus endpoint's URL say? Framing, place, and the options of each; every mistake with its way out. Pure."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

MODBUS_SCHEMES = ("tcp", "tls", "rtu", "rtu+tcp", "dtu")
TLS_PORT = 802
"""Modbus/TCP Security, mbaps (IANA)."""
BAUDRATES = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
NOISE_MAX = 64
"""Bytes of a registration or heartbeat: the devices' own settings allow no more."""
GAP_MAX_MS = 1000
_TCP_GAP_S = 0.005
"""What a serial device server makes of the silent interval is its own; this keeps two of our requests apart."""
_OPTIONS: Mapping[str, frozenset[str]] = {
    "tcp": frozenset(),
    "tls": frozenset({"server_name"}),
    "rtu": frozenset({"baudrate", "parity", "stopbits", "gap_ms"}),
    "rtu+tcp": frozenset({"gap_ms"}),
    "dtu": frozenset({"registration", "heartbeat", "gap_ms"}),
}
_FORMS = {
    "tcp": "tcp://host:502",
    "tls": "tls://host:802",
    "rtu": "rtu:///dev/ttyS0?baudrate=9600&parity=E&stopbits=1",
    "rtu+tcp": "rtu+tcp://host:port",
    "dtu": "dtu://0.0.0.0:port?registration=HEX&heartbeat=HEX",
}


@dataclass(frozen=True, slots=True)
class ModbusUrl:
    """One Modbus endpoint: `port` 0 means the profile's; `noise` is what a modem says of itself between the frames."""

    scheme: str
    host: str = ""
    port: int = 0
    device: str = ""
    baudrate: int = 19_200
    parity: str = "E"
    stopbits: int = 1
    gap_s: float = 0.0
    registration: bytes = b""
    heartbeat: bytes = b""
    server_name: str = ""

    @property
    def label(self) -> str:
        """The place without its options: they may hold a registration, and say nothing of where."""
        return f"{self.scheme}://{self.device}" if self.device else f"{self.scheme}://{self.host}:{self.port}"

    @property
    def line(self) -> str:
        """What two endpoints must not share, whatever their framing."""
        if self.device:
            return self.device
        return f"port {self.port}" if self.scheme == "dtu" else f"{self.host}:{self.port}".lower()

    @property
    def noise(self) -> tuple[bytes, ...]:
        """What may stand between the frames."""
        return tuple(noise for noise in (self.heartbeat, self.registration) if noise)


def parse_modbus_url(url: str) -> ModbusUrl:
    """Read a URL; ValueError says what is wrong and how it is written."""
    parts = urlsplit(url)
    scheme = parts.scheme
    if scheme not in MODBUS_SCHEMES:
        raise ValueError(f"{scheme!r} is no Modbus scheme: {', '.join(MODBUS_SCHEMES)}")
    form = f"it is written {_FORMS[scheme]}"
    if parts.username or parts.password or parts.fragment:
        raise ValueError(
            f"holds a user or password, or a fragment: use username and password_env (MQTT); {form}"
        )
    options = _options(scheme, parts.query)
    if scheme == "rtu":
        return _serial(parts.netloc, parts.path, options)
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"has an impossible port; {form}") from None
    if not parts.hostname:
        raise ValueError(f"names no host; {form}")
    if port == 0 or parts.path not in {"", "/"}:
        raise ValueError(f"holds more than host and port; {form}")
    if port is None and scheme in {"rtu+tcp", "dtu"}:
        raise ValueError(f"needs its port: there is no usual one; {form}")
    return ModbusUrl(
        scheme,
        parts.hostname,
        port or (TLS_PORT if scheme == "tls" else 0),
        gap_s=_gap(options, _TCP_GAP_S if scheme in {"rtu+tcp", "dtu"} else 0),
        registration=_bytes(options, "registration"),
        heartbeat=_bytes(options, "heartbeat"),
        server_name=options.get("server_name", ""),
    )


def _options(scheme: str, query: str) -> dict[str, str]:
    given = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    known = _OPTIONS[scheme]
    for name, _ in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
            raise ValueError(f"has the unknown option {name!r}; {hint}")
    options = dict(given)
    if len(options) < len(given):
        raise ValueError("gives an option twice")
    return options


def _serial(netloc: str, path: str, options: Mapping[str, str]) -> ModbusUrl:
    if netloc or not path.startswith("/") or path == "/":
        raise ValueError(f"names no serial port; it is written {_FORMS['rtu']}")
    baudrate = _number(options, "baudrate", 19_200)
    if baudrate not in BAUDRATES:
        raise ValueError(f"baudrate {baudrate} is none of {', '.join(map(str, BAUDRATES))}")
    parity = options.get("parity", "E")
    if parity not in {"N", "E", "O"}:
        raise ValueError(f"parity {parity!r} is none of N, E, O")
    # V1.02, 2.5.1: without parity two stop bits are asked for; most devices are set to one.
    stopbits = _number(options, "stopbits", 1)
    if stopbits not in {1, 2}:
        raise ValueError(f"stopbits {stopbits} is neither 1 nor 2")
    return ModbusUrl(
        "rtu",
        device=path,
        baudrate=baudrate,
        parity=parity,
        stopbits=stopbits,
        gap_s=_gap(options, silent_interval_s(baudrate)),
    )


def silent_interval_s(baudrate: int) -> float:
    """Give 3.5 characters of 11 bits, and 1.75 ms above 19200 baud (V1.02, 2.5.1.1)."""
    return 0.00175 if baudrate > 19_200 else 3.5 * 11 / baudrate


def _number(options: Mapping[str, str], name: str, default: int) -> int:
    text = options.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise ValueError(f"{name} {text!r} is no number")
    return int(text)


def _gap(options: Mapping[str, str], default: float) -> float:
    if "gap_ms" not in options:
        return default
    gap_ms = _number(options, "gap_ms", 0)
    if gap_ms > GAP_MAX_MS:
        raise ValueError(f"gap_ms {gap_ms} is over {GAP_MAX_MS}")
    return gap_ms / 1000


def _bytes(options: Mapping[str, str], name: str) -> bytes:
    try:
        value = bytes.fromhex(options.get(name, ""))
    except ValueError:
        raise ValueError(f"{name} is written in hex digits, two a byte") from None
    if name in options and not 2 <= len(value) <= NOISE_MAX:
        raise ValueError(f"{name} has 2 to {NOISE_MAX} bytes")
    if value and _looks_like_an_answer(value):
        raise ValueError(f"{name} looks like a device's answer; set the modem to another")
    return value


def _looks_like_an_answer(value: bytes) -> bool:
    return value[0] <= 247 and value[1] & 0x7F in {1, 2, 3, 4, 43} and not value.isascii()
