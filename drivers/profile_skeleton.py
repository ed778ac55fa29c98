"""What does a new profile start from? A commented example that already passes the schema and its own golden examples."""

from __future__ import annotations

_HEAD = """\
# Say in a line what this device is and which server or gateway of it is read.
# Take nothing from memory: every address needs a source. `mfl profile test {name}.yaml` checks this file,
# `mfl probe URL --profile {name}.yaml` compares it with a device (reads only).
profile: {name}                     # as the file is called
kind: {kind}                        # robot | plc | meter; only a robot can be claimed as one
manufacturer: Maker                 # as on the nameplate
models: [Model 1]                   # every model that was checked against the sources
name: {{zh: 某型号, en: Maker Model 1}}
axes: {axes}                             # 0 for anything that is no robot
category: {category}           # articulated | scara | cartesian | parallel | cylindrical | none
firmware: "any"                     # for which versions the map holds
sources:                            # A the vendor's document, B a mirror of it, C public code, D secondary, U unknown
  - {{title: "manual, chapter, page", grade: U, ref: "where it can be found"}}
caveats:                            # what misleads: units not stated, counters that restart, look-alike maps, ...
  - {{text: "The map was not checked on hardware.", ref: this profile}}
"""
_MODBUS = """\
modbus: {port: 502, unit: 1, order: ABCD, max_registers: 125, gap_max: 0}   # CDAB: low word first
identity: {fc43: true}              # name the points that hold serial, model, firmware; fc43: ask FC 43/14
states:                             # the first rule that holds decides; what no rule says is unknown
  - {state: fault, point: mode, equals: [9]}
  - {state: "off", point: mode, equals: [0]}
  - {state: running, point: mode, equals: [2]}
  - {state: ready, point: mode, equals: [1]}
points:
  # Addresses count from 0, as on the wire: a manual's 40001 is holding 0. Golden words come from the source, or from an
  # encoder that is not ours (pymodbus: ModbusClientMixin.convert_to_registers).
  mode: {table: holding, address: 0, type: uint16, name: {zh: 模式, en: mode}, golden: [{words: [2], value: 2, source: "manual"}]}
  # raw * multiply / divide gives the metric's unit; minimum and maximum stand in that unit.
  current: {table: holding, address: 1, type: int16, unit: 0.1 A, metric: joint_current_ma, multiply: 100, minimum: -50000, maximum: 50000, name: {zh: 电流, en: current}, golden: [{words: [65524], value: -12, source: "manual"}]}
  # A counter names its largest possible increase a minute, and where it starts again at 0 when that is known.
  cycles: {table: holding, address: 2, type: uint32, metric: cycles, rate_max: 60, modulus: 4294967296, name: {zh: 工作循环数, en: work cycles}, golden: [{words: [1, 57920], value: 123456, source: "pymodbus"}]}
"""
_MQTT = """\
mqtt: {topic: factory/+/state, timestamp: ts, timestamp_unit: ms, interval_s: 1}   # + is the device's own name
identity: {serial: serial}          # which point holds it
states:                             # the first rule that holds decides; what no rule says is unknown
  - {state: fault, point: mode, equals: [fault]}
  - {state: "off", point: mode, equals: ["off"]}
  - {state: running, point: mode, equals: [running]}
  - {state: ready, point: mode, equals: [ready]}
points:
  # path: keys of the JSON payload, joined by dots.
  mode: {path: values.mode, type: string, name: {zh: 模式, en: mode}, golden: [{json: running, value: running}]}
  serial: {path: values.serial, type: string, name: {zh: 序列号, en: serial number}, golden: [{json: "A-1", value: "A-1"}]}
  # raw * multiply / divide gives the metric's unit; minimum and maximum stand in that unit.
  current: {path: values.current, type: float64, unit: A, metric: joint_current_ma, multiply: 1000, minimum: -50000, maximum: 50000, name: {zh: 电流, en: current}, golden: [{json: 1.5, value: 1.5}]}
  # A counter names its largest possible increase a minute, and where it starts again at 0 when that is known.
  cycles: {path: values.cycles, type: uint32, metric: cycles, rate_max: 60, modulus: 4294967296, name: {zh: 工作循环数, en: work cycles}, golden: [{json: 48211, value: 48211}]}
"""


def skeleton(name: str, kind: str, protocol: str) -> str:
    """Write a profile to start from: `kind` robot, plc or meter, over `protocol` modbus or mqtt."""
    robot = kind == "robot"
    head = _HEAD.format(
        name=name, kind=kind, axes=6 if robot else 0, category="articulated" if robot else "none"
    )
    return head + (_MODBUS if protocol == "modbus" else _MQTT)
