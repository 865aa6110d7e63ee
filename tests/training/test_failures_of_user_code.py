"""Where a loss or an encoder of the user's fails, the error says which, on what edge, and what it was given."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from drivetrain import System, component, fit, system
from drivetrain.errors import DeclarationError
from drivetrain.training import Individual, Loss, SimultaneousEndLoss


def chain(encode: Any = None) -> System:
    front = component("front", nn.Linear(4, 3), "signal -> code", from_truth=encode)
    back = component("back", nn.Linear(3, 2), "code -> word")

    @system
    def listener(signal: Any) -> Any:
        return back(front(signal))

    return listener


def data() -> dict[str, Tensor]:
    return {"signal": torch.ones(6, 4), "code": torch.ones(6, 3), "word": torch.ones(6, 2)}


def squares(prediction: Tensor, truth: Tensor) -> Tensor:
    return (prediction - truth).square().mean()


def test_a_loss_that_fails_is_named_with_its_edge_and_what_it_was_given() -> None:
    wrong = data() | {"word": torch.ones(6, 5)}
    with pytest.raises(RuntimeError) as failure:
        fit(chain(), wrong, SimultaneousEndLoss(squares), epochs=1)
    assert any(
        "while the loss on word was computed (predictions {word: Tensor(6, 2)}, truths {word: Tensor(6, 5)})" in note
        for note in failure.value.__notes__
    )


def test_numbers_of_another_type_are_named_with_the_line_to_write() -> None:
    with pytest.raises(RuntimeError) as failure:
        fit(chain(), data() | {"signal": torch.ones(6, 4).double()}, SimultaneousEndLoss(squares), epochs=1)
    assert any(
        "'signal' is torch.float64 and the weights are torch.float32: hand over signal.to(torch.float32)" in note
        for note in failure.value.__notes__
    )
    classes = data() | {"word": torch.ones(6, dtype=torch.int32)}
    with pytest.raises(RuntimeError) as failure:
        fit(chain(), classes, SimultaneousEndLoss(nn.functional.cross_entropy), epochs=1)
    assert any("the truth of 'word' is torch.int32: hand over word.long()" in note for note in failure.value.__notes__)


def test_an_encoder_that_fails_is_named_with_its_component() -> None:
    def encode(truth: Tensor) -> Tensor:
        raise ValueError("no such class")

    with pytest.raises(ValueError, match="no such class") as failure:
        fit(chain(encode), data(), Individual({"word": squares}), epochs=1)
    assert "while from_truth of 'front' encoded the truth of edge 'code'" in failure.value.__notes__[0]


@pytest.mark.parametrize("edges", ["", "word, ", "word,,code", 3])
def test_a_loss_without_edges_is_refused_where_it_is_declared(edges: Any) -> None:
    with pytest.raises(DeclarationError, match=r'names no edges; .* Loss\(function, "cones, hits"\)'):
        Loss(squares, edges)


def test_a_loss_that_cannot_be_called_is_refused_where_it_is_declared() -> None:
    with pytest.raises(DeclarationError, match=r"Loss: int is no function of \(predictions, truths\)"):
        Loss(3, "word")
