"""Pictures beside a table: sample grids of every row on one sheet, and loss curves."""

import csv
from pathlib import Path
from typing import Any

from r3gan.files import atomic

DPI = 110


def _new_figure(rows: int, columns: int, width: float, height: float):  # type: ignore[no-untyped-def]
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "r3gan"  # else an SVG's identifiers are random
    from matplotlib import pyplot

    return pyplot.subplots(rows, columns, figsize=(width, height), squeeze=False, layout="constrained")


def _save(figure, path: Path) -> None:  # type: ignore[no-untyped-def]
    from matplotlib import pyplot

    with atomic(path) as temporary:
        # No software version in the file, so that the same numbers give the same bytes.
        unversioned = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(temporary, dpi=DPI, metadata=unversioned)
    pyplot.close(figure)


def draw_samples(path: Path, grids: dict[str, Path]) -> None:
    """The sample grids of all rows, two side by side, each under its title."""
    from PIL import Image

    rows = max(1, -(-len(grids) // 2))
    figure, axes = _new_figure(rows, 2, 15, 2.75 * rows)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (title, grid) in zip(axes.flat, grids.items(), strict=False):
        with Image.open(grid) as image:
            axis.imshow(image)
        axis.set_title(title, fontsize=11, loc="left")
    if not grids:
        _say_there_is_nothing(axes.flat[0])
    _save(figure, path)


def _label_plainly(axis) -> None:  # type: ignore[no-untyped-def]
    """Plain numbers at 1, 2 and 5 times powers of ten on a logarithmic axis."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _say_there_is_nothing(axis) -> None:  # type: ignore[no-untyped-def]
    axis.axis("off")
    axis.text(0.5, 0.5, "no run has been recorded yet", ha="center")


def read_curve(path: Path) -> dict[str, list[float]]:
    """Columns of a loss.csv; a lazy quantity's empty fields are nan."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return {name: [float(line[name] or "nan") for line in lines] for name in (lines[0] if lines else ())}


def draw_curves(path: Path, curves: dict[str, Path]) -> None:
    """D and G loss over kimg, a panel a row on shared axes."""
    columns = 4
    rows = -(-len(curves) // columns)
    figure, axes = _new_figure(rows, columns, 15, 2.9 * rows)
    for axis in axes.flat[len(curves) :]:
        axis.axis("off")
    for axis, (title, path_csv) in zip(axes.flat, curves.items(), strict=False):
        curve = read_curve(path_csv)
        for name, label in (("loss_d", "D loss"), ("loss_g", "G loss")):
            axis.plot(curve.get("kimg", []), curve.get(name, []), label=label, linewidth=1.2)
        axis.set_title(title, fontsize=10, loc="left")
        axis.set_xlabel("kimg")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes.flat[0].legend()
    _save(figure, path)


def draw_trajectories(path: Path, found: list[dict[str, Any]]) -> None:
    """Paths in the (theta - c, psi) plane, a panel a setting: both players at once, and in turns."""
    columns = 4
    rows = -(-len(found) // columns)
    figure, axes = _new_figure(rows, columns, 13, 3.2 * rows)
    limit = 1.5
    for axis, result in zip(axes.flat, found, strict=True):
        for name, style in (("simultaneous", "-"), ("alternating", "--")):
            axis.plot(*zip(*result["paths"][name], strict=True), style, label=name, linewidth=1.0)
        axis.plot([0], [0], "k+")
        axis.set_title(f"{result['name']}, data at {result['data']:g}", fontsize=10, loc="left")
        axis.set_xlim(-limit, limit)
        axis.set_ylim(-limit, limit)
        axis.set_xlabel("theta - c")
        axis.set_ylabel("psi")
        axis.set_aspect("equal")
        axis.grid(alpha=0.3)
    axes.flat[0].legend(fontsize=8)
    _save(figure, path)


def draw_parameters_against_fid(
    path: Path, published: dict[str, tuple[float, float]], ours: dict[str, tuple[float, float]]
) -> None:
    """Millions of parameters (log axis) against FID: published points named, ours beside them."""
    figure, axes = _new_figure(1, 1, 7, 4.5)
    axis = axes[0][0]
    for name, (millions, fid) in published.items():
        axis.plot([millions], [fid], "o", color="tab:blue")
        axis.annotate(name, (millions, fid), textcoords="offset points", xytext=(8, 4))
    for scale, (millions, fid) in ours.items():
        axis.plot([millions], [fid], "*", color="tab:red", markersize=12)
        axis.annotate(f"ours, {scale}", (millions, fid), textcoords="offset points", xytext=(8, -12))
    axis.set_xscale("log")
    axis.set_xlim(20, 400)
    ticks = (20, 40, 100, 200, 400)
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.minorticks_off()
    axis.set_xlabel("parameters of G and D, millions")
    axis.set_ylabel("FID, CIFAR-10")
    axis.set_ylim(0, max(fid for _, fid in [*published.values(), *ours.values()]) * 1.4)
    axis.grid(alpha=0.3)
    _save(figure, path)


def draw_losses(path: Path, panels: dict[str, dict[str, tuple[dict[str, list[float]], bool]]]) -> None:
    """G's loss over kimg on a log axis, a panel a scale; a run that failed ends in a cross."""
    figure, axes = _new_figure(1, max(1, len(panels)), 6.5 * max(1, len(panels)), 4.2)
    for axis, (scale, curves) in zip(axes.flat, panels.items(), strict=False):
        for row, (curve, failed) in curves.items():
            kimg, loss = curve.get("kimg", []), curve.get("loss_g", [])
            (line,) = axis.plot(kimg, loss, label=f"{row} (Fail)" if failed else row, linewidth=1.4)
            if failed and kimg:
                axis.plot(kimg[-1:], loss[-1:], "x", color=line.get_color(), markersize=10, markeredgewidth=2)
        axis.set_title(f"{scale} scale", fontsize=10, loc="left")
        axis.set_yscale("log")
        for each in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
            each("{x:g}")
        axis.set_xlabel("kimg")
        axis.set_ylabel("generator loss")
        axis.grid(alpha=0.3, which="both")
        axis.legend(fontsize=8)
    if not panels:
        _say_there_is_nothing(axes.flat[0])
    _save(figure, path)


def draw_relative(path: Path, panels: dict[str, dict[str, dict[str, float]]]) -> None:
    """Distances relative to a baseline on a log axis: a panel a scale, a line a row, a mark a way of measuring."""
    lines = max((len(rows) for rows in panels.values()), default=1)
    figure, axes = _new_figure(1, max(1, len(panels)), 8.5 * max(1, len(panels)), 1.2 + 0.42 * lines)
    for axis, (scale, rows) in zip(axes.flat, panels.items(), strict=False):
        names = list(rows)
        measured = dict.fromkeys(name for values in rows.values() for name in values)
        for name, mark in zip(measured, "os^Dv", strict=False):
            known = [row for row in names if name in rows[row]]
            axis.plot([rows[row][name] for row in known], [names.index(row) for row in known], mark, label=name)
        axis.axvline(1, color="black", linestyle="--", linewidth=1)
        axis.set_yticks(range(len(names)), names)
        axis.invert_yaxis()
        axis.set_xscale("log")
        _label_plainly(axis.xaxis)
        axis.set_xlabel("distance relative to the row without projection")
        axis.set_title(f"{scale} scale", fontsize=10, loc="left")
        axis.grid(alpha=0.3, which="both")
        axis.legend(fontsize=8)
    if not panels:
        _say_there_is_nothing(axes.flat[0])
    _save(figure, path)


def draw_convergence(path: Path, curves: dict[str, list[dict[str, Any]]], metric: str, target: float | None) -> None:
    """A metric over images and over seconds of training, both on log axes, with the target."""
    figure, axes = _new_figure(1, 2, 13, 4.4)
    clocks = (("kimg", "thousands of images"), ("train_seconds", "seconds of training"))
    for axis, (clock, label) in zip(axes.flat, clocks, strict=True):
        for row, points in curves.items():
            axis.plot([p[clock] for p in points], [p["values"][metric] for p in points], "o-", label=row, markersize=3)
        if target is not None:
            axis.axhline(target, color="black", linestyle="--", linewidth=1, label="target")
        axis.set_xscale("log")
        axis.set_yscale("log")
        for each in (axis.xaxis, axis.yaxis):
            _label_plainly(each)
        axis.set_xlabel(label)
        axis.set_ylabel(metric)
        axis.grid(alpha=0.3, which="both")
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    _save(figure, path)
