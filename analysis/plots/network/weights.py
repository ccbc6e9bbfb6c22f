"""How the weights of each layer are spread, in the first refitted network."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from torch import nn

from analysis.plots.style import BLUE, GREY, Drawn, Floats, Missing, frame, grid, number, short
from analysis.result import StudyResult

MOST = 12
"""Layers that are drawn."""


@dataclass(frozen=True)
class Layer:
    """The weights of one layer.

    Args:
        place: of the layer among those that have weights, from 1; several parameters of a module share it.
        name: of the parameter, without ".weight"; empty where it only counts modules, as in ``nn.Sequential``.
        shape: of the parameter.
        edges: (B + 1,) of the bins.
        counts: (B,).
        deviation: standard deviation of the weights.
    """

    place: int
    name: str
    shape: tuple[int, ...]
    edges: Floats
    counts: Floats
    deviation: float

    def __str__(self) -> str:
        return f"layer {self.place}" + (f" ({self.name})" if self.name else "")


def compute(network: nn.Module) -> list[Layer]:
    """Histograms of the parameters with two or more dimensions; biases and other vectors are left out."""
    layers, places = [], dict[str, int]()
    for name, parameter in network.named_parameters():
        if parameter.ndim < 2 or not parameter.numel():
            continue
        values = parameter.detach().cpu().double().numpy().reshape(-1)
        values = values[np.isfinite(values)]
        bins = int(np.clip(np.sqrt(len(values)), 8, 60))
        reach = float(np.abs(values).max(initial=0.0)) or 1.0
        counts, edges = np.histogram(values, bins, range=(-reach, reach))
        deviation = float(values.std()) if len(values) else math.nan
        place = places.setdefault(name.rpartition(".")[0], len(places) + 1)
        layers.append(Layer(place, _telling(name), tuple(parameter.shape), edges, counts, deviation))
    return layers


def draw(layer: Layer, axes: Axes) -> None:
    """A filled step line, symmetric about zero; the parameter's name in small under the title."""
    axes.stairs(layer.counts, layer.edges, fill=True, color=BLUE, alpha=0.8)
    axes.axvline(0, color=GREY, linewidth=0.8)
    frame(axes, "weight", "count")
    shape = " × ".join(map(str, layer.shape))
    axes.set_title(
        f"layer {layer.place}: {shape}\nstandard deviation {number(layer.deviation)}",
        fontsize="medium",
        pad=16 if layer.name else None,
    )
    if layer.name:
        axes.annotate(
            short(layer.name, 36),
            (0.5, 1),
            (0, 3),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize="small",
            color=GREY,
        )


def caption(layers: list[Layer]) -> str:
    """The widest and the narrowest layer."""
    counted = f"{sum(int(layer.counts.sum()) for layer in layers)} weights of the first refitted network"
    left_out = f" (the first {MOST} of {len(layers)} layers are drawn)" if len(layers) > MOST else ""
    if len(layers) == 1:
        return f"The {counted} have a standard deviation of {number(layers[0].deviation)}."
    widest, narrowest = (pick(layers, key=lambda layer: layer.deviation) for pick in (max, min))
    return (
        f"Of the {counted}{left_out}, those of {widest} are spread widest (standard deviation "
        f"{number(widest.deviation)}) and those of {narrowest} least ({number(narrowest.deviation)})."
    )


def plot(result: StudyResult) -> Drawn | Missing:
    """The figure."""
    layers = compute(result.refit.network)
    if not layers:
        return Missing("the network has no weight matrices")
    shown = layers[:MOST]
    figure, panels = grid(len(shown), 3 if len(shown) > 2 else 2, 2.9 if len(shown) > 2 else 4.0, 2.5)
    for layer, axes in zip(shown, panels, strict=True):
        draw(layer, axes)
    return Drawn(figure, caption(layers))


def _telling(name: str) -> str:
    """A parameter's name without ".weight", or nothing where it only counts modules."""
    own = f".{name}".removesuffix(".weight").removeprefix(".")
    return "" if own.replace(".", "").isdecimal() else own
