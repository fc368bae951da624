"""The plots of docs/performance.md; runs in the environment of bench/requirements.txt."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

_FOLDER = Path(__file__).parents[1] / "docs" / "performance"
_OURS, _OTHERS, _YARDSTICK, _INK = "#0b6e6e", "#b9c2c9", "#e0a030", "#26323a"
_STYLE = {
    "figure.dpi": 160,
    "font.size": 9,
    "axes.edgecolor": "#8a969e",
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_CASES = {"instance": "One caller ID", "list": "A list of 50"}


def requests(rows: list[dict[str, Any]]) -> None:
    """Draw the cost of a request, the cheapest first."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    for ax, (case, title) in zip(axes, _CASES.items(), strict=True):
        shown = sorted(
            (row for row in rows if row["case"] == case and row["ratio"]), key=lambda row: -row["ratio"]
        )
        names, ratios = [row["peer"] for row in shown], [row["ratio"] for row in shown]
        colours = [_OURS if row["ours"] else _YARDSTICK if row["ratio"] == 1 else _OTHERS for row in shown]
        bars = ax.barh(names, ratios, color=colours, height=0.72)
        ax.bar_label(bars, [f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}" for ratio in ratios], padding=3)
        ax.axvline(1, color=_YARDSTICK, linewidth=1, zorder=0)
        ax.set_xscale("log")
        ax.set_xlim(0.08, 90)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        for label, row in zip(ax.get_yticklabels(), shown, strict=True):
            label.set_fontweight("bold" if row["ours"] else "normal")
        ax.set_title(title, loc="left", fontweight="bold")
    figure.supxlabel(
        "CPU time per request, as a multiple of the bare pass-through's (logarithmic)", fontsize=9
    )
    _save(figure, "requests.png")


def growth(sizes: list[dict[str, Any]]) -> None:
    """Draw the cost of lists of every size."""
    items = [size["items"] for size in sizes]
    curves: list[tuple[str, str, list[float | None]]] = [
        ("First answer: the whole list is read", "CPU ms", [1e3 * it["listing"] for it in sizes]),
        (
            "One more page of it, from the cache",
            "CPU µs",
            [it["page"] and 1e6 * it["page"] for it in sizes],
        ),
        ("Memory that the process grows by", "MB", [it["grown"] / 1e6 for it in sizes]),
    ]
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    for ax, (title, unit, values) in zip(axes, curves, strict=True):
        _curve(ax, items, values)
        ax.set_title(title, loc="left", fontweight="bold", fontsize=9.5)
        ax.set_ylabel(unit)
        ax.set_xlabel("items of the list")
    _save(figure, "growth.png")


def _curve(ax: Axes, items: list[int], values: list[float | None]) -> None:
    ax.set_xscale("log")
    ax.set_xlim(1.5, 300_000)
    ax.set_xticks(items, [f"{it:,}" for it in items])
    ax.minorticks_off()
    known = [(x, y) for x, y in zip(items, values, strict=True) if y and y > 0]
    if not known:
        ax.text(0.5, 0.5, "not there", transform=ax.transAxes, ha="center", color="#8a969e")
        ax.set_yticks([])
        return
    ax.set_yscale("log")
    ax.plot(*zip(*known, strict=True), color=_OURS, marker="o", markersize=4, linewidth=1.8)
    low, high = min(y for _, y in known), max(y for _, y in known)
    ax.set_ylim(low / 3, max(high, 10 * low) * 4)
    ax.minorticks_off()
    ax.yaxis.set_major_formatter("{x:g}")
    ax.grid(visible=True, axis="y", color="#e6eaec", linewidth=0.8)
    for x, y in known:
        text = f"{y:,.0f}" if y >= 100 else f"{y:.2g}"
        ax.annotate(text, (x, y), xytext=(-6, 4), textcoords="offset points", ha="right", fontsize=8)


def stall(waits: list[tuple[float, float]]) -> None:
    """Draw the latency of other requests while a long list was read."""
    figure, ax = plt.subplots(figsize=(11, 2.8), layout="constrained")
    ax.vlines([at for at, _ in waits], 0.05, [1e3 * wait for _, wait in waits], color=_OURS, linewidth=1.2)
    ax.axhline(10, color=_YARDSTICK, linewidth=1)
    place = {"xy": (1, 10), "xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    ax.annotate("goal", **place, xytext=(0, 3), ha="right", color=_YARDSTICK)
    ax.set_xlim(0)
    ax.set_yscale("log")
    ax.set_ylim(0.05, max(30, *(3e3 * wait for _, wait in waits)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    title = "PendingCall for a cheap request while 32 clients ask for pages of 10,000 items"
    ax.set_title(title, loc="left", fontweight="bold", fontsize=9.5)
    ax.set_ylabel("ms")
    ax.set_xlabel("seconds")
    _save(figure, "stall.png")


def _save(figure: Any, name: str) -> None:
    _FOLDER.mkdir(parents=True, exist_ok=True)
    figure.savefig(_FOLDER / name, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    mpl.use("agg")
    mpl.rcParams.update(_STYLE)
    results = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    requests(results["rows"])
    growth(results["sizes"])
    stall(results["waits"])
