"""Which hyperparameters set the best trials apart: PED-ANOVA.

Watanabe, Bansal and Hutter, "PED-ANOVA", IJCAI 2023, as Optuna has it. Of Optuna's evaluators it alone takes
conditional parameters; it respects log scales (its fANOVA does not), and draws no random numbers.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from dataclasses import dataclass

import optuna
from matplotlib.axes import Axes
from optuna.trial import FrozenTrial, TrialState

from analysis.plots.search.search import Search
from analysis.plots.style import BLUE, Drawn, Missing, frame, new_figure, plural, short
from search_spaces.trials.objectives import Objective
from search_spaces.trials.outcome import Outcome

TARGET = 10
"""Trials that count as the best ones, at least (at most half of all). In 30 random studies of a known function the
right parameter came first in 80 % of those with 12 trials and in all with 30; with 5 trials, in 60 % and 83 %."""

PRESENT = 5
"""Completed trials that a conditional parameter must have: with three, noise in one branch outweighs everything."""

MOST = 20
"""Parameters that are drawn."""


@dataclass(frozen=True)
class Importances:
    """Shares that sum to 1, largest first.

    Args:
        names: of the parameters that were searched, in enough completed trials.
        shares: of each.
        trials: completed trials that they were computed from.
        quantile: share of these trials that counts as the best ones.
        pruned: trials that were left out because they were stopped early.
    """

    names: tuple[str, ...]
    shares: tuple[float, ...]
    trials: int
    quantile: float
    pruned: int


def compute(study: optuna.Study, objective: Objective) -> Importances | Missing:
    """Importances of everything that was searched, or why there are none."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances  # takes 0.8 s

    def cost(trial: FrozenTrial) -> float:
        return objective.cost(Outcome.of(trial).value)

    completed = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    usable = [t for t in completed if math.isfinite(cost(t))]
    if len(usable) < 2:
        return Missing(f"importances need at least 2 completed trials, there are {len(usable)}")
    present = Counter(n for t in usable for n, d in t.distributions.items() if not d.single())
    names = sorted(name for name, count in present.items() if count >= min(PRESENT, len(usable)))
    if not names:
        return Missing("no hyperparameter was searched in enough of the completed trials")
    quantile = min(0.5, max(0.1, TARGET / len(usable)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few trials in a branch, or an experimental class: the caption counts trials
        evaluator = PedAnovaImportanceEvaluator(target_quantile=quantile)
        raw = get_param_importances(study, evaluator=evaluator, params=names, target=cost, normalize=False)
    total = sum(raw.values())
    if not total > 0:
        return Missing(f"nothing sets the best of the {len(usable)} completed trials apart")
    order = sorted(names, key=lambda n: (-raw[n], n))
    pruned = len(study.get_trials(deepcopy=False, states=(TrialState.PRUNED,)))
    return Importances(tuple(order), tuple(raw[n] / total for n in order), len(usable), quantile, pruned)


def draw(importances: Importances, axes: Axes) -> None:
    """Horizontal bars, the most important on top."""
    names, shares = importances.names[:MOST], importances.shares[:MOST]
    bars = axes.barh(range(len(names)), shares, color=BLUE, height=0.7)
    axes.bar_label(bars, [f"{100 * s:.0f} %" if s >= 0.005 else "< 1 %" for s in shares], padding=3)
    axes.set_yticks(range(len(names)), [short(n, 24) for n in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1.12 * max(shares))
    frame(axes, "importance (share of all)", "")


def caption(importances: Importances) -> str:
    """The most important parameter, how far to trust it, and which trials say nothing about it."""
    best = math.ceil(importances.quantile * importances.trials)
    hint = "; so few trials give a hint, not an order" if importances.trials < 20 else ""
    pruned = importances.pruned
    left_out = f"; {plural(pruned, 'pruned trial')} {'is' if pruned == 1 else 'are'} left out" if pruned else ""
    return (
        f"{importances.names[0]} does most to set the best {best} of {plural(importances.trials, 'completed trial')} "
        f"apart ({100 * importances.shares[0]:.0f} % of the total; PED-ANOVA){hint}{left_out}."
    )


def plot(search: Search) -> Drawn | Missing:
    """The figure."""
    importances = compute(search.study, search.objective)
    if isinstance(importances, Missing):
        return importances
    figure = new_figure(7.0, 1.1 + 0.32 * min(MOST, len(importances.names)))
    draw(importances, figure.add_subplot())
    return Drawn(figure, caption(importances))
