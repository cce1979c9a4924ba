"""Measured values under their names, for what compares two versions of a table, such as `dvc metrics diff`."""

from collections.abc import Iterable

Named = tuple[str, str, str, float | None]


def named_values(measured: Iterable[Named]) -> dict[str, dict[str, dict[str, float]]]:
    """Scale -> row -> quantity -> value, of (scale, row, quantity, value) that have both scale and value."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for scale, row, quantity, value in measured:
        if scale and value is not None:
            found.setdefault(scale, {}).setdefault(row, {})[quantity] = value
    return found
