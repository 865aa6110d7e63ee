"""What the trials say: paired differences, each with two intervals, as tables and as sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
from scipy.stats import t

from benchmarks.scikit_learn.families import FAMILIES
from benchmarks.scikit_learn.setting import Setting
from benchmarks.scikit_learn.trial import ARMS, BASELINE, END_LOSS, EQUALS, IN_SAMPLE, OUT_OF_BAG, SETTINGS
from drivetrain.evaluation import Difference, Estimate, Rows, estimate, paired_difference
from examples.protocol.store import Row
from examples.protocol.tables import Table

TEST_PER_TRAINING = 0.5
"""Rows tested on for each row trained on: a quarter of the data against a half."""

Cell = tuple[str, str, str]
"""System, family, arm."""


@dataclass(frozen=True)
class Compared:
    """A difference with two intervals, for two questions.

    Attributes:
        rows: what if other rows were tested on? The bootstrap's over the rows of the data set.
        anew: what if models were also trained on other rows? Student's over splits, its variance corrected for splits
            that share rows, ``(1/J + tested/trained) s²`` (Nadeau and Bengio 2003, "Inference for the generalization
            error").
    """

    rows: Difference
    anew: Difference

    def verdict(self, margin: float) -> str:
        """What may be said of it: *better* and *worse* need both intervals."""
        for word in ("better", "worse"):
            on_rows, trained_anew = getattr(self.rows, word)(), getattr(self.anew, word)()
            if on_rows:
                return word if trained_anew else f"{word} on these rows"
        near = self.rows.not_worse(margin) and self.anew.not_worse(margin)
        return f"no difference, not worse by {margin:g}" if near else "no difference"

    def text(self) -> str:
        """The difference and both intervals."""
        ends = (f"[{each.low:+.3f}, {each.high:+.3f}]" for each in (self.rows, self.anew))
        return f"{self.rows.value:+.3f} {' '.join(ends)}"


@dataclass(frozen=True)
class Results:
    """The finished trials of a comparison."""

    rows: Sequence[Row]

    @cached_property
    def cells(self) -> dict[Cell, dict[int, Row]]:
        """The trials of each cell, by seed."""
        found: dict[Cell, dict[int, Row]] = {}
        for row in self.rows:
            found.setdefault((row["setting"], row["family"], row["arm"]), {})[row["seed"]] = row
        return found

    def value(self, cell: Cell) -> Estimate | None:
        """How good an arm is, with the bootstrap's interval over the rows of the data set."""
        return estimate(_joined(list(self.cells[cell].values()))) if cell in self.cells else None

    def difference(self, ours: Cell, theirs: Cell) -> Compared | None:
        """Ours minus theirs on the splits that both have; None where one of them does not apply."""
        if ours not in self.cells or theirs not in self.cells:
            return None
        first, second = self.cells[ours], self.cells[theirs]
        seeds = sorted(first.keys() & second.keys())
        return compared(
            [first[seed] for seed in seeds], [second[seed] for seed in seeds], SETTINGS[ours[0]].higher_is_better
        )

    def tables(self) -> list[Table]:
        """The summary, and one table for each system."""
        named = [setting for setting in SETTINGS.values() if (setting.name, FAMILIES[0], BASELINE) in self.cells]
        return [self._summary(named), *(self._of(setting) for setting in named)]

    def words(self) -> list[str]:
        """One sentence for each system and family, gains and losses alike."""
        return [
            self._sentence(setting, family)
            for setting in SETTINGS.values()
            for family in FAMILIES
            if (setting.name, family, BASELINE) in self.cells
        ]

    def json(self) -> dict[str, Any]:
        """Every cell as plain values."""
        found = []
        for cell in self.cells:
            value, pair = self.value(cell), self.difference(cell, (*cell[:2], BASELINE))
            assert value is not None
            assert pair is not None
            found.append(
                {
                    **dict(zip(("system", "family", "arm"), cell, strict=True)),
                    "value": value.value,
                    "low": value.low,
                    "high": value.high,
                    "difference": pair.rows.value,
                    "verdict": pair.verdict(SETTINGS[cell[0]].margin),
                    "rows": [pair.rows.low, pair.rows.high],
                    "anew": [pair.anew.low, pair.anew.high],
                    "splits": len(self.cells[cell]),
                    "seconds": self._seconds(cell),
                }
            )
        return {"cells": found}

    def _summary(self, named: Sequence[Setting]) -> Table:
        body = []
        for setting in named:
            for family in FAMILIES:
                value = self.value((setting.name, family, BASELINE))
                cells = [self._against(setting, family, arm) for arm in END_LOSS]
                rival = self._best_rival(setting, family)
                ours = self._best_end_loss(setting, family)
                pair = self.difference((setting.name, family, ours), (setting.name, family, rival))
                last = "-" if pair is None else f"{_text(pair, setting)} ({rival})"
                body.append([setting.name, family, _value(value), *cells, last])
        header = ("system", "family", BASELINE, *(f"{arm} minus individual" for arm in END_LOSS),
                  "best end-loss minus best of equal cost")  # fmt: skip
        note = (
            "Both of the last column are chosen by their mean score on validation, over all splits. Costs and errors "
            "are better when smaller, so there a minus is a gain; the words say which it is."
        )
        return Table("Does the end loss help?", header, body, note)

    def _of(self, setting: Setting) -> Table:
        body = []
        for arm in ARMS:
            if not any((setting.name, family, arm) in self.cells for family in FAMILIES):
                continue
            row = [arm]
            for family in FAMILIES:
                cell = (setting.name, family, arm)
                value = self.value(cell)
                row += [
                    _value(value),
                    "" if arm == BASELINE else self._against(setting, family, arm),
                    "-" if value is None else f"{self._seconds(cell):.1f}",
                ]
            body.append(row)
        header = ("arm", *(f"{family}{part}" for family in FAMILIES for part in ("", " minus individual", ", s")))
        return Table(f"{setting.name}: every arm", header, body, setting.story)

    def _against(self, setting: Setting, family: str, arm: str) -> str:
        pair = self.difference((setting.name, family, arm), (setting.name, family, BASELINE))
        return "-" if pair is None else _text(pair, setting)

    def _sentence(self, setting: Setting, family: str) -> str:
        said = []
        for arm in END_LOSS:
            pair = self.difference((setting.name, family, arm), (setting.name, family, BASELINE))
            if pair is not None:
                said.append(f"{arm} {pair.text()} {pair.verdict(setting.margin)}")
        pair = self.difference((setting.name, family, OUT_OF_BAG), (setting.name, family, IN_SAMPLE))
        if pair is not None:
            said.append(f"out-of-bag answers in partial end-loss {pair.text()} {pair.verdict(setting.margin)}")
        control = " (nothing to be gained)" if setting.nothing_to_gain else ""
        return f"{setting.name}{control}, {family}: {'; '.join(said)}."

    def _best_rival(self, setting: Setting, family: str) -> str:
        return self._best(setting, family, [BASELINE, *EQUALS])

    def _best_end_loss(self, setting: Setting, family: str) -> str:
        return self._best(setting, family, list(END_LOSS))

    def _best(self, setting: Setting, family: str, arms: Sequence[str]) -> str:
        known = {arm: self.cells[cell] for arm in arms if (cell := (setting.name, family, arm)) in self.cells}
        return max(known, key=lambda arm: float(np.mean([row["validation"] for row in known[arm].values()])))

    def _seconds(self, cell: Cell) -> float:
        return float(np.mean([row["seconds"] for row in self.cells[cell].values()]))


def compared(ours: Sequence[Row], theirs: Sequence[Row], higher_is_better: bool) -> Compared:
    """Ours minus theirs, trial by trial."""
    rows = paired_difference(_joined(ours), _joined(theirs), higher_is_better=higher_is_better)
    per_split = [
        float(np.mean(one["values"]) - np.mean(other["values"])) for one, other in zip(ours, theirs, strict=True)
    ]
    count = len(per_split)
    error = float(np.std(per_split, ddof=1)) * (1 / count + TEST_PER_TRAINING) ** 0.5 if count > 1 else float("nan")
    half = float(t.ppf(0.975, count - 1)) * error if count > 1 else float("nan")
    anew = Difference(rows.value, rows.value - half, rows.value + half, rows.n, count, higher_is_better)
    return Compared(rows, anew)


def markdown(command: str, results: Results, tempi: Mapping[Cell, str], about: str) -> str:
    """The whole page."""
    chosen = ", ".join(f"{system}, {family}, {arm}: {tempo}" for (system, family, arm), tempo in tempi.items())
    parts = [
        "# scikit-learn models and the end loss",
        f"Generated by `{command}`; do not edit. {datetime.now(UTC):%Y-%m-%d}. {about}",
        "\n".join(f"- {sentence}" for sentence in results.words()),
        *(table.markdown() for table in results.tables()),
        f"## What was chosen before\n\nTempo of the end-loss arms, on seeds that are not compared: {chosen}.\n",
    ]
    return "\n\n".join(parts)


def _joined(rows: Sequence[Row]) -> Rows:
    values = np.concatenate([np.asarray(row["values"], dtype=np.float64) for row in rows])
    units = tuple(unit for row in rows for unit in row["units"])
    ids = tuple((row["seed"], unit) for row in rows for unit in row["units"])
    return Rows(values, np.ones(len(values)), units, ids)


def _text(pair: Compared, setting: Setting) -> str:
    return f"{pair.text()} {pair.verdict(setting.margin)}"


def _value(found: Estimate | None) -> str:
    return "-" if found is None else f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"
