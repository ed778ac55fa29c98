"""Worlds with known truth, device servers, faults, the storm and the demo; imported by none but mfl."""
