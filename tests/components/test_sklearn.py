"""scikit-learn estimators in a system: what they answer, how they learn by every pattern, and how they are kept."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

sklearn = pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.ensemble import (  # noqa: E402
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.gaussian_process import GaussianProcessRegressor  # noqa: E402
from sklearn.linear_model import LogisticRegression, Ridge  # noqa: E402
from sklearn.model_selection import KFold, cross_val_predict  # noqa: E402
from sklearn.neighbors import KNeighborsClassifier  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.svm import SVC, SVR, LinearSVC  # noqa: E402

from drivetrain import System, component, fit, system  # noqa: E402
from drivetrain.components.conformance import examine as examine_adapter  # noqa: E402
from drivetrain.components.sklearn import Estimator  # noqa: E402
from drivetrain.components.sklearn.forests import forest_answer  # noqa: E402
from drivetrain.components.sklearn.state import from_tensor, to_tensor  # noqa: E402
from drivetrain.components.sklearn.targets import duplicated, on_the_simplex  # noqa: E402
from drivetrain.components.sklearn.unseen import recall_unseen  # noqa: E402
from drivetrain.errors import CheckpointError, ComponentError, DeclarationError, ShapeError  # noqa: E402
from drivetrain.gradients import FiniteDifferences  # noqa: E402
from drivetrain.gradients.through import InputGradient  # noqa: E402
from drivetrain.training import (  # noqa: E402
    AlternatingEndLoss,
    FederatedMerge,
    Individual,
    MergedLoss,
    PartialEndLoss,
    SimultaneousEndLoss,
    Stages,
)
from drivetrain.training.conformance import examine  # noqa: E402

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(48, 5, generator=GENERATOR, dtype=torch.float64)
STATES = (X @ torch.randn(5, 3, generator=GENERATOR, dtype=torch.float64)).argmax(1)
WORDS = (X[:, 0] + X[:, 1] * X[:, 2] > 0).long()
DATA = {"image": X, "state": STATES, "word": WORDS, "sign": 1 - WORDS}

CLASSIFIERS = {
    "forest": RandomForestClassifier(10),
    "linear model": LogisticRegression(),
    "kernel machine by pairs": make_pipeline(StandardScaler(), SVC(decision_function_shape="ovo")),
    "kernel machine": SVC(),
    "boosted trees": GradientBoostingClassifier(n_estimators=3),
    "neighbours": KNeighborsClassifier(),
}


def test_a_classifier_answers_probabilities_in_the_number_type_of_its_inputs() -> None:
    forest = RandomForestClassifier(5, random_state=0).fit(X.numpy(), STATES.numpy())
    light = component("light", forest, "image -> state")
    assert light(X.float()).dtype == torch.float32
    assert np.array_equal(light(X).detach().numpy(), forest.predict_proba(X.numpy()))
    assert light(X.reshape(48, 5, 1, 1)).shape == (48, 3)


def test_a_ragged_edge_is_a_list_of_rows_for_each_sample() -> None:
    light = component("light", RandomForestClassifier(5).fit(X.numpy(), STATES.numpy()), "crops[] -> states[]")
    answer = light([X[:2], X[:0], X[2:5]])
    assert [len(part) for part in answer] == [2, 0, 3]
    assert torch.equal(torch.cat(answer), light([X[:5]])[0])


def test_another_number_of_features_is_refused_by_name() -> None:
    light = component("light", Ridge().fit(X.numpy(), STATES.numpy()), "image -> state")
    with pytest.raises(ShapeError, match="Ridge has learned from 5 features a row, found 6"):
        light(torch.ones(2, 6))
    with pytest.raises(ShapeError, match="reads tensors with one row per sample"):
        light(3.0)


def test_the_output_can_be_chosen_and_one_that_is_not_there_is_refused() -> None:
    svm = SVC().fit(X.numpy(), STATES.numpy())
    chosen = component("light", Estimator(svm, output="predict"), "image -> state")
    assert np.array_equal(chosen(X).detach().numpy(), svm.predict(X.numpy()))
    with pytest.raises(DeclarationError, match=r"SVC has no output transform; it has: .*decision_function, predict"):
        Estimator(svm, output="transform")


def test_an_unfitted_estimator_says_how_it_gets_fitted() -> None:
    with pytest.raises(ComponentError, match=r"is not fitted.*Stages\(Individual"):
        component("light", Ridge(), "image -> state")(X)


def test_before_data_is_touched_it_is_said_which_labels_fit_what_was_never_fitted() -> None:
    eye = component("eye", nn.Linear(5, 5, dtype=torch.float64), "image -> seen")
    light = component("light", LogisticRegression(), "seen -> state")
    head = component("head", nn.Linear(3, 3, dtype=torch.float64), "state -> word")

    @system
    def short(image: Any) -> Any:
        return light(eye(image))

    @system
    def long(image: Any) -> Any:
        return head(light(eye(image)))

    end = SimultaneousEndLoss(probability_loss)
    with pytest.raises(DeclarationError, match=r"'light' \(LogisticRegression\) was never fitted.*is an output"):
        fit(short, DATA, end, epochs=1)
    with pytest.raises(DeclarationError, match=r"Call its own fit before, or fit it to truth of its edge 'state'"):
        fit(long, DATA, SimultaneousEndLoss(F.cross_entropy), epochs=1)
    first = Individual({"state": probability_loss}, inputs="system")  # the line that the first of them says
    report = fit(short, DATA, Stages(first, end), epochs=(1, 2), seed=0)
    assert min(report.updates.values()) > 0


SMOOTH = {
    "ridge": (Ridge(), "value"),
    "ridge of two": (Ridge(), "values"),
    "logistic": (LogisticRegression(), "class"),
    "logistic, two classes": (LogisticRegression(), "side"),
    "linear svm": (LinearSVC(), "class"),
    "svr": (SVR(), "value"),
    "svc": (SVC(), "side"),
    "svc, pairs": (SVC(kernel="poly", decision_function_shape="ovo"), "class"),
    "perceptron": (MLPClassifier((4,), activation="tanh", max_iter=5), "class"),
    "scaled": (make_pipeline(StandardScaler(), LogisticRegression()), "class"),
}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_where_there_is_a_formula_its_gradients_equal_finite_differences(name: str) -> None:
    estimator, target = SMOOTH[name]
    truth = {"value": X[:, 0] * 2, "values": X[:, :2], "class": STATES, "side": WORDS}[target].numpy()

    def make() -> Any:
        return component("light", clone(estimator).fit(X.numpy(), truth), "image -> state")

    if name != "perceptron":  # its weights are drawn anew at each fit
        examine_adapter(make, X[:4])
    light = make()
    assert light.module.has_gradient
    assert torch.allclose(light(X.requires_grad_()), light(X.detach()), atol=1e-9)
    X.requires_grad_(False)


def pattern_for(estimator: Any, name: str) -> Any:
    own = probability_loss if hasattr(estimator, "predict_proba") else F.cross_entropy
    return {
        "individual": Individual({"state": own, "word": F.cross_entropy}, inputs="system"),
        "partial": PartialEndLoss("light", F.cross_entropy),
        "simultaneous": SimultaneousEndLoss(F.cross_entropy),
        "alternating": AlternatingEndLoss(F.cross_entropy),
    }[name]


def probability_loss(probabilities: Tensor, truth: Tensor) -> Tensor:
    return F.nll_loss(probabilities.clamp_min(1e-6).log(), truth)


def chain(estimator: Any) -> System:
    light = component("light", copy.deepcopy(estimator), "image -> state")
    head = component("head", nn.Linear(3, 2).double(), "state -> word")

    @system
    def reader(image):
        return head(light(image))

    return reader


SLOW = ("boosted trees",)
KINDS = [pytest.param(kind, marks=pytest.mark.slow if kind in SLOW else ()) for kind in CLASSIFIERS]


@pytest.mark.parametrize("pattern", ["individual", "partial", "simultaneous", "alternating"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_estimator_passes_the_exam_of_every_pattern(kind: str, pattern: str) -> None:
    estimator = clone(CLASSIFIERS[kind]).fit(X.numpy(), STATES.numpy())
    examine(chain(estimator), DATA, pattern_for(estimator, pattern))


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_an_unfitted_estimator_is_fitted_individually_as_by_hand(kind: str) -> None:
    estimator = CLASSIFIERS[kind]
    reader = chain(estimator)
    report = fit(reader, DATA, pattern_for(estimator, "individual"), epochs=2, batch_size=48, seed=3)
    assert report.updates["light"] == 1  # the second epoch showed nothing new
    mine = reader.component("light").thing
    assert mine.score(X.numpy(), STATES.numpy()) > 0.8
    assert "a model was not fitted yet" in " ".join(report.notes)


def fork(trunk: Any) -> System:
    shared = component("light", copy.deepcopy(trunk), "image -> state")
    left = component("left", nn.Linear(3, 2).double(), "state -> word")
    right = component("right", nn.Linear(3, 2).double(), "state -> sign")

    @system
    def traffic(image):
        state = shared(image)
        return {"word": left(state), "sign": right(state)}

    return traffic


BRANCHES = {"word": F.cross_entropy, "sign": F.cross_entropy}


@pytest.mark.slow
@pytest.mark.parametrize("pattern", [MergedLoss(BRANCHES), FederatedMerge(BRANCHES, rounds=2)], ids=lambda p: p.name)
@pytest.mark.parametrize("kind", ["forest", "linear model", "kernel machine by pairs"])
def test_a_trunk_of_scikit_learn_learns_by_the_patterns_of_forks(kind: str, pattern: Any) -> None:
    examine(fork(clone(CLASSIFIERS[kind]).fit(X.numpy(), STATES.numpy())), DATA, pattern)


def test_a_merge_of_boosted_trees_is_refused_by_name() -> None:
    trunk = fork(clone(CLASSIFIERS["boosted trees"]).fit(X.numpy(), STATES.numpy()))
    with pytest.raises(Exception, match="two GradientBoostingClassifiers cannot be merged"):
        fit(trunk, DATA, FederatedMerge(BRANCHES), epochs=1, seed=0)


def test_a_merged_forest_holds_trees_of_each_chain_and_keeps_its_size() -> None:
    traffic = fork(RandomForestClassifier(6, random_state=1).fit(X.numpy(), STATES.numpy()))
    fit(traffic, DATA, FederatedMerge(BRANCHES), epochs=1, seed=0)
    assert len(traffic.component("light").thing.estimators_) == 6


@pytest.mark.parametrize("make", [RandomForestRegressor, GradientBoostingRegressor])
def test_the_end_loss_moves_a_biased_regressor_to_where_the_system_needs_it(make: Any) -> None:
    truth = X[:, 0] * 3
    biased = make(n_estimators=30, random_state=0).fit(X.numpy(), truth.numpy() + 2)
    sensor = component("sensor", biased, "image -> level")

    @component("level -> alarm")
    def twice(level):
        return 2 * level

    @system
    def station(image):
        return twice(sensor(image))

    data = {"image": X, "alarm": 2 * truth}
    before = F.mse_loss(station(X), data["alarm"]).item()
    fit(station, data, PartialEndLoss("sensor", F.mse_loss), epochs=6, batch_size=16, seed=0)
    assert F.mse_loss(station(X), data["alarm"]).item() < 0.3 * before
    assert sensor.thing is biased


def test_stages_fit_first_and_then_follow_the_end_loss() -> None:
    reader = chain(LogisticRegression())
    stages = Stages(pattern_for(LogisticRegression(), "individual"), PartialEndLoss("light", F.cross_entropy))
    report = fit(reader, DATA, stages, epochs=(1, 2), batch_size=16, seed=0)
    light = reader.component("light")
    assert report.updates["light"] == 1 + 2 * 3  # one fit, then steps of torch's optimizer
    assert np.array_equal(light.thing.coef_, light.module.weights["coef_"].detach().numpy())


def test_a_system_is_saved_as_data_and_loaded_into_one_that_was_never_fitted(tmp_path: Path) -> None:
    fitted = chain(RandomForestClassifier(5, random_state=0).fit(X.numpy(), STATES.numpy()))
    fitted.save(tmp_path / "weights.safetensors")
    fresh = chain(RandomForestClassifier()).load(tmp_path / "weights.safetensors")
    assert torch.equal(fitted(X), fresh(X))
    for twin in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        assert torch.equal(fitted(X), twin(X))


def test_a_stored_tree_that_points_outside_itself_is_refused() -> None:
    forest = RandomForestClassifier(1, random_state=0).fit(X.numpy(), STATES.numpy())
    state = forest.estimators_[0].tree_.__getstate__()
    state["nodes"]["left_child"][0] = 10**6
    forest.estimators_[0].tree_.__setstate__(state)
    with pytest.raises(CheckpointError, match="points outside itself"):
        from_tensor(to_tensor(forest), RandomForestClassifier())


def test_another_kind_of_estimator_is_not_read_in_its_place() -> None:
    stored = to_tensor(Ridge().fit(X.numpy(), STATES.numpy()))
    with pytest.raises(CheckpointError, match="a SVC is asked for, found a stored Ridge"):
        from_tensor(stored, SVC())


def test_moved_probabilities_are_the_nearest_distribution() -> None:
    points = np.random.default_rng(0).normal(size=(50, 4))
    found = on_the_simplex(points)
    assert np.allclose(found.sum(1), 1)
    assert (found >= 0).all()
    others = np.random.default_rng(1).dirichlet(np.ones(4), size=(50, 200))
    distances = ((others - points[:, None]) ** 2).sum(-1)
    assert (((found - points) ** 2).sum(-1) <= distances.min(1) + 1e-12).all()


def test_soft_targets_keep_every_class() -> None:
    rows, classes, weights = duplicated(np.array([[0.7, 0.3, 0.0], [0.995, 0.005, 0.0]]))
    assert set(classes) == {0, 1, 2}
    assert weights[(rows == 0) & (classes == 0)] == pytest.approx(0.7)
    assert not ((rows == 1) & (classes == 1)).any()


def through(estimator: Any, seed: int = 0) -> System:
    """A torch model before an estimator, and one behind it; the estimator knows what the first answers at the start."""
    torch.manual_seed(seed)
    encoder = component("encoder", nn.Linear(5, 4).double(), "image -> code")
    inner = estimator.estimator if isinstance(estimator, Estimator) else estimator
    inner.fit(encoder(X).detach().numpy(), STATES.numpy())
    light = component("light", estimator, "code -> state")
    head = component("head", nn.Linear(3, 2).double(), "state -> word")

    @system
    def reader(image):
        return head(light(encoder(image)))

    return reader


@pytest.mark.slow
@pytest.mark.parametrize("pattern", [SimultaneousEndLoss(F.cross_entropy), AlternatingEndLoss(F.cross_entropy)])
@pytest.mark.parametrize("unseen", [False, True])
def test_a_torch_model_before_a_forest_passes_the_exam_of_patterns(pattern: Any, unseen: bool) -> None:
    examine(through(Estimator(RandomForestClassifier(10, random_state=0), unseen=unseen)), DATA, pattern)


def test_simultaneous_end_loss_trains_a_torch_model_through_a_forest_and_says_by_what() -> None:
    signal = torch.randn(160, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    level = 2 * signal[:, 0] + signal[:, 1]
    forest = RandomForestRegressor(20, random_state=0).fit(signal.numpy(), level.numpy())
    turned = nn.Linear(3, 3).double()
    nn.init.zeros_(turned.bias)
    turned.weight.data = torch.eye(3).double().roll(1, 0)  # hands the forest each number in the place of another
    encoder, sensor = component("encoder", turned, "signal -> code"), component("sensor", forest, "code -> level")

    @system
    def station(signal):
        return sensor(encoder(signal))

    data = {"signal": signal, "level": level}
    start = F.mse_loss(station(signal), level).item()

    def adam(weights: Any) -> Any:
        return torch.optim.Adam(weights, 0.05)

    report = fit(station, data, SimultaneousEndLoss(F.mse_loss), epochs=6, seed=0, optimizer=adam)
    assert F.mse_loss(station(signal), level).item() < 0.5 * start
    assert report.updates == {"encoder": 30, "sensor": 6}
    assert turned.weight[0, 0] > 0.2  # it was zero: the forest's first number has begun to come from the first signal
    assert "The gradient through 'sensor', which is fitted, was estimated (Perturbed)" in " ".join(report.notes)
    assert sensor.module.way_back is None


def test_the_estimate_before_a_smooth_estimator_is_its_gradient() -> None:
    smooth = GaussianProcessRegressor(alpha=0.1).fit(X.numpy(), X[:, 0].numpy())
    level = component("level", Estimator(smooth, upstream=FiniteDifferences()), "image -> level")
    level.module.way_back = InputGradient("level", level.module.upstream)
    image = X[:6].clone().requires_grad_()
    (level(image) ** 2).sum().backward()
    for row, column in ((0, 0), (3, 2), (5, 4)):
        step = torch.zeros_like(X[:6])
        step[row, column] = 1e-5
        change = (level(X[:6] + step) ** 2).sum() - (level(X[:6] - step) ** 2).sum()
        assert image.grad is not None
        assert float(image.grad[row, column]) == pytest.approx(change.item() / 2e-5, abs=1e-4)


def test_outside_of_training_a_missing_way_back_says_what_to_do() -> None:
    reader = through(RandomForestClassifier(5, random_state=0))
    with pytest.raises(ComponentError, match="RandomForestClassifier has no gradient for the models before it"):
        reader(X).sum().backward()


def test_an_end_loss_on_classes_is_refused_before_data_is_touched() -> None:
    reader = through(Estimator(RandomForestClassifier(5), output="predict"))
    with pytest.raises(DeclarationError, match=r"'light' cannot learn from it: .*let it answer predict_proba"):
        fit(reader, {}, PartialEndLoss("light", F.cross_entropy), epochs=1)
    with pytest.raises(DeclarationError, match=r"upstream is a gradient estimator such as Perturbed"):
        Estimator(Ridge(), upstream="perturbed")


def test_unseen_answers_of_a_forest_are_its_own_out_of_bag_estimates() -> None:
    forest = RandomForestClassifier(30, random_state=0, oob_score=True)
    component("light", Estimator(forest, unseen=True), "image -> state").module.fit_truth(X.numpy(), STATES.numpy())
    assert np.allclose(forest.unseen_outputs_, forest.oob_decision_function_)
    level = RandomForestRegressor(30, random_state=0, oob_score=True)
    component("level", Estimator(level, unseen=True), "image -> level").module.fit_truth(X.numpy(), X[:, 0].numpy())
    assert np.allclose(level.unseen_outputs_, level.oob_prediction_)


def test_unseen_answers_of_anything_else_are_cross_fitted() -> None:
    near = KNeighborsClassifier()
    component("light", Estimator(near, unseen=True), "image -> state").module.fit_truth(X.numpy(), STATES.numpy())
    folds = KFold(5, shuffle=True, random_state=0)
    expected = cross_val_predict(near, X.numpy(), STATES.numpy(), cv=folds, method="predict_proba")
    assert np.allclose(near.unseen_outputs_, expected)
    shuffled = X.numpy()[::-1]
    assert np.allclose(recall_unseen(near, shuffled, near.predict_proba(shuffled)), expected[::-1])
    strange = X.numpy() + 1
    assert np.allclose(recall_unseen(near, strange, near.predict_proba(strange)), near.predict_proba(strange))


def test_rows_with_soft_targets_are_left_out_whole() -> None:
    forest = RandomForestClassifier(40, random_state=0).fit(X.numpy(), STATES.numpy())
    light = component("light", Estimator(forest, unseen=True), "image -> state").module
    light.fit_moved(X.numpy(), np.full((48, 3), 1 / 3), np.zeros((48, 3)))
    pairs = list(zip(forest.estimators_, forest.estimators_samples_, strict=True))
    for row in (0, 20, 47):  # each stands there three times, once for each class
        strangers = [tree for tree, drawn in pairs if not (drawn // 3 == row).any()]
        expected = np.mean([tree.predict_proba(X[row : row + 1].numpy())[0] for tree in strangers], axis=0)
        assert 0 < len(strangers) < 10
        assert np.allclose(forest.unseen_outputs_[row], expected)


@pytest.mark.parametrize("make", [RandomForestClassifier, RandomForestRegressor, ExtraTreesRegressor])
@pytest.mark.parametrize("targets", [1, 2])
def test_a_forest_answers_bitwise_as_scikit_learn_does(make: Any, targets: int) -> None:
    truth = STATES.numpy() if make is RandomForestClassifier else X[:, :targets].numpy().squeeze()
    forest = make(30, random_state=0).fit(X.numpy(), truth)
    output = "predict_proba" if make is RandomForestClassifier else "predict"
    strange = np.random.default_rng(0).normal(size=(100, 5)) * 3
    for features in (X.numpy(), strange, strange.astype(np.float32), strange[:, ::-1]):
        found = forest_answer(forest, output, features)
        assert found is not None
        assert np.array_equal(found, getattr(forest, output)(features))


def test_what_a_forest_would_complain_about_is_left_to_scikit_learn() -> None:
    forest = RandomForestRegressor(5).fit(X.numpy(), X[:, 0].numpy())
    assert forest_answer(forest, "predict", np.full((2, 5), np.inf)) is None
    assert forest_answer(forest, "apply", X.numpy()) is None
    assert forest_answer(forest.set_params(n_jobs=2), "predict", X.numpy()) is None
    assert forest_answer(Ridge().fit(X.numpy(), X[:, 0].numpy()), "predict", X.numpy()) is None
    with pytest.raises(ValueError, match="infinity"):
        component("level", forest.set_params(n_jobs=None), "image -> level")(torch.full((2, 5), torch.inf))
