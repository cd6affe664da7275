"""``card.md``: what a policy is, what it was trained on and how well it does."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from microtwin import files
from microtwin.learn.environments import FINAL, IDS
from microtwin.learn.evaluate import Evaluation
from microtwin.learn.training import Training

TEXT = """# Policy: {algo} on {id}

Trained with microtwin {version}. Observation and action layout: `{layout}`
(`{module}` says what each number means).

    {use}

## Figures

{episodes} held-out episodes (seeds {first} to {last}, in none of the training's), deterministic actions. Mean and 95 %
interval (normal; success: Wilson).

| measure | value |
| --- | --- |
{figures}

It is the best of {evaluations} evaluations during training, by return (after {best:,} steps): `eval.csv`, `curve.png`.

## Training

    {command} --out DIR

{steps:,} environment steps in {minutes:.1f} minutes of wall time ({rate:,.0f} steps/s, evaluations included), seed
{seed}, {sessions}.

| | |
| --- | --- |
{settings}

## Versions

{versions}
"""


def figures(evaluation: Evaluation) -> dict[str, tuple[float, float, float]]:
    """{measure: (mean, lower, upper)} with 95 % intervals; of the time, over the episodes that succeeded."""
    won = evaluation.time_s[evaluation.success]
    return {
        "success": _wilson(int(evaluation.success.sum()), len(evaluation.success)),
        "time_s": _normal(won),
        "error_um": _normal(evaluation.error_um),
        "return": _normal(evaluation.returns),
    }


def write(
    path: Path,
    training: Training,
    task: Any,
    found: dict[str, tuple[float, float, float]],
    facts: dict[str, Any],
    hyper: dict[str, Any],
) -> None:
    """Write the card. ``facts``: versions, steps, minutes, sessions, best_steps, evaluations, episodes."""
    on_path = training.task == "path"
    error = "cross-track error (µm)" if on_path else "distance left (µm)"
    names = {"success": "success", "time_s": "time of those (s)", "error_um": error}
    lines = [
        f"| {names.get(name, name)} | {mean:.3f} ({low:.3f} to {high:.3f}) |"
        for name, (mean, low, high) in found.items()
        if math.isfinite(mean)
    ]
    settings = {
        "environment": training.options,
        "parallel environments": training.envs,
        "hyperparameters": hyper,
        "told and asked": asdict(task),
    }
    times = facts["sessions"]
    text = TEXT.format(
        algo=training.algo.upper(),
        id=IDS[training.task].split(":")[1],
        version=facts["versions"]["microtwin"],
        layout=task.layout,
        module=f"microtwin.control.{training.task}_task",
        use="microtwin push --controller DIR/policy.zip"
        if on_path
        else f"{training.algo.upper()}.load('DIR/policy.zip')",
        episodes=facts["episodes"],
        first=FINAL,
        last=FINAL + facts["episodes"] - 1,
        figures="\n".join(lines),
        evaluations=facts["evaluations"],
        best=facts["best_steps"],
        command=training.command,
        steps=facts["steps"],
        minutes=facts["minutes"],
        rate=facts["steps"] / max(60.0 * facts["minutes"], 1e-9),
        seed=training.seed,
        sessions="in one go" if times == 1 else f"in {times} sessions",
        settings="\n".join(f"| {name} | `{json.dumps(value)}` |" for name, value in settings.items()),
        versions=", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
    )
    with files.whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _normal(values: np.ndarray) -> tuple[float, float, float]:
    values = values[np.isfinite(values)]
    if not values.size:
        return math.nan, math.nan, math.nan
    mean = float(values.mean())
    half = 1.96 * float(values.std(ddof=1)) / math.sqrt(values.size) if values.size > 1 else math.nan
    return mean, mean - half, mean + half


def _wilson(won: int, count: int) -> tuple[float, float, float]:
    """Wilson, J. Am. Stat. Assoc. 22 (1927) 209: sensible at 0 and 1 too."""
    z, share = 1.96, won / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return share, max(0.0, middle - half), min(1.0, middle + half)
