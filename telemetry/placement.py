"""Where do a profile's points lie, once the integrator has chosen? Addresses as written plus parameters, checked. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telemetry.profile import Point, Profile


def placed_points(profile: Profile) -> dict[str, Point]:
    """Give the points at the addresses that the parameters put them; ValueError when a parameter does not fit."""
    parameters = profile.parameters
    for name, value in profile.bind.items():
        if name not in parameters:
            raise ValueError(f"binds {name!r}; its parameters are: {', '.join(parameters) or 'none'}")
        if not parameters[name].minimum <= value <= parameters[name].maximum:
            least, most = parameters[name].minimum, parameters[name].maximum
            raise ValueError(f"{name} is {value}, it must be from {least} to {most}")
    values = {name: parameter.default for name, parameter in parameters.items()} | profile.bind
    for unused in values.keys() - {point.base for point in profile.points.values()}:
        raise ValueError(f"no point has the parameter {unused!r} as its base")
    placed = dict(profile.points)
    for name, point in profile.points.items():
        if point.base is None or point.address is None:
            continue
        if point.base not in values:
            raise ValueError(f"point {name} names the parameter {point.base!r}, which is not there")
        address = point.address + values[point.base]
        if not 0 <= address <= 65536 - point.words:
            raise ValueError(
                f"{point.base}={values[point.base]} puts {name} at the impossible address {address}"
            )
        placed[name] = point.model_copy(update={"address": address})
    return placed
