"""Which mistakes exist, and what each caller does about them.

FactoryError
├─ ConfigError       the operator must edit a file        → exit 2, every problem with file, line and column
├─ DeviceError
│  ├─ Disconnected   the line is down                     → gateway/supervise.py backs off and tries again
│  ├─ BadReply       this answer is unusable              → a bad reading; the line is dropped or drained
│  └─ Refused        the device said no (an exception)    → a bad reading; the line stays
└─ SealError         these bytes are not a sealed batch   → the store answers 400 and keeps nothing

Anything else is our own bug and ends the process.
"""

from __future__ import annotations

from dataclasses import dataclass


class FactoryError(Exception):
    """The root, never raised itself."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in one file: where it stands, what was expected, and the way out.

    `line` and `column` count from 1; 0 means the file as a whole.
    """

    file: str
    line: int
    column: int
    key: str
    message: str
    hint: str = ""
    source: str = ""

    def __str__(self) -> str:
        """Render as `file:line:column: key: message (hint)` with the offending line below."""
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"
        if self.hint:
            text += f" ({self.hint})"
        return f"{text}\n    | {self.source}" if self.source else text


class ConfigError(FactoryError):
    """A file the operator must edit; carries every problem found, not only the first."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DeviceError(FactoryError):
    """What a device or its line did; never raised itself."""


class Disconnected(DeviceError):
    """The connection is gone or never came; the supervisor tries again."""


class BadReply(DeviceError):
    """An answer that cannot be trusted; carries the bytes that caused it."""

    def __init__(self, reason: str, data: bytes = b"") -> None:
        self.reason = reason
        self.data = data
        super().__init__(f"{reason}: {data[:64].hex(' ')}" if data else reason)


class Refused(DeviceError):
    """The device answered with an exception code (Modbus Application Protocol V1.1b3, section 7)."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"exception {code}: {reason}")


class SealError(FactoryError):
    """Bytes that are not a canonical sealed batch, or whose seal does not hold."""
