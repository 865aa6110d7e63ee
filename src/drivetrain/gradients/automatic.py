"""Automatic: looks at the code once, chooses an estimator by what it answers and what a call costs, and says why."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

from drivetrain.errors import TrainingError
from drivetrain.gradients.base import AbstractEstimator, Call, Choice, Tensors
from drivetrain.gradients.distributions import is_distribution
from drivetrain.gradients.expected import Expected
from drivetrain.gradients.finite_differences import FiniteDifferences
from drivetrain.gradients.imle import IMLE
from drivetrain.gradients.perturbed import Perturbed
from drivetrain.gradients.probing import Look, look
from drivetrain.gradients.spsa import SPSA
from drivetrain.gradients.surrogate import Surrogate

CHOICES: dict[str, type[AbstractEstimator]] = {
    each.__name__: each for each in (Expected, FiniteDifferences, IMLE, Perturbed, SPSA, Surrogate)
}


@dataclass(frozen=True)
class Automatic(AbstractEstimator):
    """Chooses at the first batch: is the answer continuous, discrete or ragged, and what does a call cost?

    | what the code is given and answers | chosen |
    |---|---|
    | distributions over symbols | ``Expected`` |
    | scores; what is best under them (arg-max, top-k, a path) | ``IMLE`` |
    | anything, slowly | ``Surrogate`` (``Perturbed(samples=2)`` where it is ragged) |
    | answers that jump, or differ from run to run | ``Perturbed`` |
    | smooth answers to few numbers; to many | ``FiniteDifferences``; ``SPSA`` |

    Where samples of a batch influence each other, the batch moves as one (``independent=False``), with more draws.

    The look costs fourteen runs at most and the noise of what was chosen three further estimates, once, with random
    numbers of their own that leave torch's generator alone. The choice is kept in the component's memory, so that
    training resumes with it. Of code whose calls take about as long as ``dear``, two fresh starts may see it on
    different sides: name the method where they must be bitwise the same.

    Attributes:
        few: up to so many numbers in a sample, finite differences; they cost two runs for each.
        dear: a call (of a whole batch) is dear that takes so many seconds.
    """

    chooses: ClassVar[bool] = True
    why: ClassVar[str] = "which one is chosen at the first batch that wants a gradient"
    few: int = 16
    dear: float = 0.1

    def settled(self, call: Call) -> Choice:
        """The choice made before, or a new one."""
        kept = call.memory.get("choice")
        if kept is None:
            choice = self._chosen(call)
            call.memory["choice"] = {
                "method": type(choice.method).__name__, "attributes": asdict(choice.method), "why": choice.why,  # type: ignore[call-overload]
            }  # fmt: skip
            return choice
        return Choice(CHOICES[kept["method"]](**kept["attributes"]), kept["why"])

    def pull_back(self, call: Call, cotangents: Tensors) -> Tensors:
        """Never asked: the chosen method is."""
        raise TrainingError(f"'{call.component}': no method was chosen yet; Automatic().settled(call) chooses one")

    def calls(self, n_inputs: int) -> int:
        """As the method for smooth code; code that jumps costs what ``Perturbed`` says."""
        return FiniteDifferences().calls(n_inputs) if n_inputs <= self.few else SPSA().calls(n_inputs)

    def _chosen(self, call: Call) -> Choice:
        if call.inputs and all(is_distribution(x) and call.is_per_sample(x) for x in call.inputs):
            return _of_symbols(call)
        return self._of_numbers(call, look(call))

    def _of_numbers(self, call: Call, found: Look) -> Choice:
        kind = "its answer is ragged, " if call.ragged else ""
        if found.best:
            return Choice(
                IMLE(),
                f"its answer is discrete, and picks what is best under {call.input_names[0]} (the {found.best})",
            )
        if found.seconds > self.dear:
            cost = f"{kind}a call is dear ({found.seconds:.2g} s)"
            if call.ragged or call.batch is None or found.mixing:
                return Choice(Perturbed(samples=2, independent=not found.mixing), f"{cost}, so few are made")
            return Choice(Surrogate(), f"{cost}, so a network learns what it answers")
        if found.mixing:
            smooth = found.jumping is not None and found.jumping < 0.25 and not found.moody
            method = SPSA(samples=32, step=0.01, independent=False) if smooth else Perturbed(32, independent=False)
            return Choice(method, f"{kind}it mixes the samples of a batch, which therefore moves as one")
        if found.moody:
            return Choice(Perturbed(), f"{kind}its answer differs from run to run, which small steps would magnify")
        if found.jumping is None:
            return Choice(Perturbed(), f"{kind}its answer did not change when its inputs moved by half their spread")
        if found.jumping >= 0.25:  # one flag among three or four values that move smoothly is enough
            return Choice(
                Perturbed(),
                f"{kind or 'its answer is discrete: '}{found.jumping:.0%} of an answer that changes does so in jumps, "
                f"which small steps miss",
            )
        kind = kind or "its answer is continuous, "
        if call.n_inputs <= self.few:
            return Choice(FiniteDifferences(), f"{kind}and it has few inputs ({call.n_inputs} in a sample)")
        return Choice(SPSA(step=0.01), f"{kind}and it has many inputs ({call.n_inputs} in a sample)")


def _of_symbols(call: Call) -> Choice:
    if call.outputs and not call.ragged and all(map(is_distribution, call.outputs)):
        return Choice(
            Expected(),
            "it makes one choice out of distributions over symbols, and in training answers with "
            "the distribution of that choice; several symbols are tried",
        )
    return Choice(
        Expected(changes="gradient"),
        "its inputs are distributions over symbols, of which several are tried; "
        "its answer is no choice among classes, so that its value stays",
    )
