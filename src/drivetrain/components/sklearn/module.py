"""scikit-learn estimators and pipelines as components: tensors in and out, and how they learn from the end loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from drivetrain.components.fitting import Array, Columns, FittingModule, Pull
from drivetrain.components.sklearn.estimator import OUTPUTS, Estimator
from drivetrain.components.sklearn.forests import forest_answer
from drivetrain.components.sklearn.forms import Form, form_of
from drivetrain.components.sklearn.merging import merged
from drivetrain.components.sklearn.state import from_tensor, let_go_of_the_generator, to_tensor
from drivetrain.components.sklearn.table import Table
from drivetrain.components.sklearn.targets import fit_moved, labels
from drivetrain.components.sklearn.unseen import Fitted, recall_unseen, remember_unseen
from drivetrain.errors import ComponentError, listed


class EstimatorModule(FittingModule):
    """An estimator in a system.

    Where its output has a formula in torch (``forms``), its weights are parameters here and lead: what an
    optimizer writes into them is handed to the user's object before it runs again. Else it is fitted anew.
    """

    def __init__(self, wrapped: Estimator) -> None:
        super().__init__()
        self.wrapped, self.upstream = wrapped, wrapped.upstream
        if wrapped.output == "transform":  # it has no truth of its own, so that it is no model
            del self.asked
            self.asked = torch.zeros(())  # type: ignore[assignment]
        self.weights = nn.ParameterDict()
        self._stored: Tensor | None = None
        self._form: Form | None = None
        self._read()

    @property
    def estimator(self) -> Any:
        return self.wrapped.estimator

    @property
    def model(self) -> Any:
        """The user's own object, up to date."""
        self.hand_back()
        return self.estimator

    @property
    def is_fitted(self) -> bool:
        try:
            check_is_fitted(self.estimator)
        except NotFittedError:
            return False
        return True

    @property
    def has_gradient(self) -> bool:
        return len(self.weights) > 0

    @property
    def step_size(self) -> float:
        return self.wrapped.step

    def forward(self, *values: Any) -> Any:
        """Run it; rows and their order stay, a ragged edge is a list of [rows, features]."""
        table = Table.of(values, self.estimator)
        x = table.features
        learning = torch.is_grad_enabled() and self.asked.requires_grad
        if not self.is_fitted:
            raise ComponentError(
                f"{type(self.estimator).__name__} is not fitted, so it cannot answer yet. Train it on its own truth "
                f"first: Stages(Individual({{...}}), ...), or call its fit before"
            )
        if not learning and not (torch.is_grad_enabled() and x.requires_grad):
            return table.shaped(self._answer(x))
        if self._form is None:
            return table.shaped(_Heard.apply(self, x, self.asked))  # type: ignore[no-untyped-call]
        weights = {name: w if learning else w.detach() for name, w in self.weights.items()}
        exact = self._form.run(x.double(), self._all(weights))
        if (
            learning and not self.has_gradient
        ):  # it is refitted all the same, and what lies before has its exact gradient
            exact = _Heard.apply(self, x.detach(), self.asked) + (exact - exact.detach())  # type: ignore[no-untyped-call]
        return table.shaped(exact)

    def hand_back(self) -> None:
        """Write what an optimizer changed into the user's object."""
        form = self._form
        if form is None or not len(self.weights):
            return
        values = {k: w.detach().numpy().astype(form.weights[k].dtype) for k, w in self.weights.items()}
        if any(not np.array_equal(value, form.weights[k]) for k, value in values.items()):
            form.write(values)
            self._form, self._stored = form._replace(weights={**form.weights, **values}), None

    def examples(self, values: tuple[Any, ...], truth: Any) -> Columns:
        table = Table.of(values, self.estimator)
        return table.features.detach().numpy(), labels(truth, table)

    def fit_truth(self, features: Array, truth: Array) -> None:
        self.estimator.fit(features, truth)
        self._learned(Fitted(features, np.arange(len(features)), truth))

    def fit_moved(self, features: Array, outputs: Array, moves: Array) -> None:
        self._learned(fit_moved(self.estimator, self.wrapped.output, features, outputs, moves))

    def merge(self, others: list[FittingModule]) -> None:
        for other in others:
            other.hand_back()  # type: ignore[operator]
        self._become(merged([other.estimator for other in others]))

    def get_extra_state(self) -> Tensor:
        """The estimator as data."""
        self.hand_back()
        if self._stored is None:
            self._stored = to_tensor(self.estimator)
        return self._stored

    def set_extra_state(self, state: Tensor) -> None:
        """Make the user's own object what was stored."""
        if self._stored is None or not torch.equal(state, self._stored):
            self._become(from_tensor(state, self.estimator))

    def _learned(self, fitted: Fitted) -> None:
        if self.wrapped.unseen:
            remember_unseen(self.estimator, self.wrapped.output, fitted)
        self._read()

    def _become(self, other: Any) -> None:
        self.estimator.__dict__.clear()
        self.estimator.__dict__.update(other.__dict__)
        self._read()

    def _read(self) -> None:
        """Take over what the user's object holds now; parameters stay the same objects where they can."""
        let_go_of_the_generator(self.estimator)
        self._form = None  # what was known of it must not be written over what it holds now
        self._form = self._found() if self.is_fitted else None
        fresh = {} if self._form is None or not self._learns_exactly else self._form.weights
        for name in [name for name in self.weights if name not in fresh]:
            del self.weights[name]
        for name, value in fresh.items():
            tensor = torch.from_numpy(np.array(value, dtype=np.float64, order="C"))
            if name in self.weights:
                self.weights[name].data = tensor
            else:
                self.weights[name] = nn.Parameter(tensor)
        self._stored = None

    def _found(self) -> Form | None:
        return form_of(self.estimator, lambda x: self._answer(torch.from_numpy(x)).numpy(), self.wrapped.output)

    @property
    def _learns_exactly(self) -> bool:
        return self.wrapped.exact

    def _all(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        assert self._form is not None
        return {
            name: weights[name] if name in weights else torch.from_numpy(np.array(value, dtype=np.float64, order="C"))
            for name, value in self._form.weights.items()
        }

    def _answer(self, x: Tensor) -> Tensor:
        self.hand_back()
        features = x.detach().numpy()
        answer = forest_answer(self.estimator, self.wrapped.output, features)
        answer = getattr(self.estimator, self.wrapped.output)(features) if answer is None else answer
        if isinstance(answer, list):
            raise ComponentError(
                f"{type(self.estimator).__name__}.{self.wrapped.output} answers {len(answer)} arrays, one for each of "
                f"its targets; declare one estimator for each target"
            )
        answer = answer.toarray() if hasattr(answer, "toarray") else np.asarray(answer)
        if not np.issubdtype(answer.dtype, np.number):
            raise ComponentError(
                f"{type(self.estimator).__name__}.{self.wrapped.output} answers {answer.dtype}, not numbers; fit it "
                f"to numbered classes (sklearn.preprocessing.LabelEncoder)"
            )
        return torch.from_numpy(np.array(answer))

    @property
    def cannot_follow(self) -> str:
        if self.wrapped.output != "predict" or not is_classifier(self.estimator):
            return ""
        smooth = listed(name for name in OUTPUTS[:2] if hasattr(self.estimator, name))
        name = type(self.estimator).__name__
        cure = f"let it answer {smooth}: Estimator({name}(...), output=...)" if smooth else "it answers nothing else"
        return f"{name}.predict answers classes, which have no gradient; {cure}"

    def pull_back(self, x: Tensor, answer: Tensor, cotangent: Tensor) -> Tensor:
        """The gradient for what lies before, where there is no formula.

        Raises:
            ComponentError: nobody estimates it.
        """
        if self.way_back is None:
            raise ComponentError(
                f"{type(self.estimator).__name__} has no gradient for the models before it. fit estimates one by "
                f"moving its inputs; outside of it, freeze what lies before, requires_grad_(False), or run under "
                f"torch.no_grad()"
            )
        return self.way_back(lambda moved: self._answer(moved).double(), x, answer, cotangent)

    def __getstate__(self) -> dict[str, Any]:
        self.hand_back()
        return {k: v for k, v in super().__getstate__().items() if k not in ("_form", "_stored")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._stored = self._form = None
        self._form = self._found() if self.is_fitted else None


def wrap(thing: Any) -> EstimatorModule:
    """The torch side of an estimator, a pipeline or an ``Estimator``."""
    return EstimatorModule(thing if isinstance(thing, Estimator) else Estimator(thing))


class _Heard(torch.autograd.Function):
    """Forward: the estimator's own answer. Backward: remembers what the loss asked of it."""

    @staticmethod
    def forward(ctx: Any, module: EstimatorModule, x: Tensor, asked: Tensor) -> Tensor:
        answer = module._answer(x).double()
        ctx.module, ctx.x, ctx.answer = module, x.detach(), answer
        if ctx.needs_input_grad[2] and module.wrapped.unseen:
            answer = torch.from_numpy(recall_unseen(module.estimator, x.detach().numpy(), answer.numpy()))
        ctx.pull = Pull(x.detach().numpy(), answer.numpy(), np.zeros(answer.shape))
        return answer.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, cotangent: Tensor) -> Any:
        if ctx.needs_input_grad[2]:
            ctx.pull.gradient += len(cotangent) * cotangent.numpy()  # of a sample, where the loss is a mean of samples
            if not any(pull is ctx.pull for pull in ctx.module.pulls):
                ctx.module.pulls.append(ctx.pull)
        back = ctx.module.pull_back(ctx.x, ctx.answer, cotangent) if ctx.needs_input_grad[1] else None
        return None, back, torch.zeros(()) if ctx.needs_input_grad[2] else None
