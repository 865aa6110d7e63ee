"""The exam that every store sits: SQLite and PostgreSQL pass the same one, and so can a database of somebody else's.

``examine(place)`` tries, on an empty store, every promise that systems, selection and pages rely on.
"""

from __future__ import annotations

import itertools
import math
import pickle
from collections.abc import Callable
from pathlib import Path

from drivetrain.errors import DrivetrainError, PinnedError, StoreError, UnknownVersionError
from drivetrain.experiments.store.contexts import Context, Member
from drivetrain.experiments.store.runs import Use
from drivetrain.experiments.store.store import Store
from drivetrain.experiments.versions.version import DataSet, Evaluation

SLOTS = {"camera": "image -> boxes", "lidar": "scan -> hits"}


def examine(place: str | Path) -> None:
    """Let a store sit the exam.

    Args:
        place: a database that holds no system yet.

    Raises:
        AssertionError: it breaks a promise; the message says which.
    """
    for promise in PROMISES:
        with Store(place) as store:
            promise(store)


def a_model_is_stored_once(store: Store) -> None:
    """Whatever slots it stands in, under whatever name it comes."""
    left = store.components.add("left_eye", b"same weights", kind="torch", code="c1")
    right = store.components.add("right_eye", b"same weights", kind="torch", code="c1")
    _check(left.digest == right.digest, "the same weights and code are two versions")
    other = store.components.add("left_eye", b"same weights", kind="torch", code="c2")
    _check(other.digest != left.digest, "the same weights with other code are one version")
    _check(other.weights == left.weights, "the bytes of the same weights are stored twice")
    _check((left.number, other.number) == (1, 2), "versions of a name are not counted 1, 2")
    _check(store.components.get("left_eye 2") == other, "a version is not found as people call it")
    _check(store.components.weights(left) == b"same weights", "weights come back changed")
    _refused(lambda: store.components.get("left_eye 3"), UnknownVersionError, "left_eye 1 to 2")


def contents_of_any_size_come_back(store: Store) -> None:
    """Empty ones and those that need several chunks included."""
    for content in (b"", b"x", bytes(40 * 2**20)):
        _check(store.contents.get(store.contents.put(content)) == content, f"{len(content)} bytes come back changed")
    _check(store.contents.sweep() == 40 * 2**20 + 1, "what nothing holds is not swept away")
    _refused(lambda: store.contents.get("0" * 64), StoreError, "never stored")


def a_tuple_has_one_identity(store: Store) -> None:
    """Registered twice it is the same version; another one counts on."""
    cameras, lidars = _candidates(store)
    store.systems.declare("car", SLOTS)
    first = store.systems.pin("car", {"camera": cameras[0], "lidar": lidars[0]}, glue="g")
    again = store.systems.pin("car", {"lidar": lidars[0], "camera": cameras[0]}, glue="g")
    _check(first == again, "the same tuple registered twice is two versions")
    other = store.systems.pin("car", {"camera": cameras[1], "lidar": lidars[0]}, glue="g")
    glued = store.systems.pin("car", {"camera": cameras[0], "lidar": lidars[0]}, glue="h")
    _check([first.number, other.number, glued.number] == [1, 2, 3], "versions are not counted 1, 2, 3")
    _check(store.systems.get("car", 2) == other and store.systems.get("car", other.digest[:10]) == other, "not found")
    _check(store.systems.all("car") == [first, other, glued], "versions are not listed in their order")
    _refused(lambda: store.systems.pin("car", {"radar": cameras[0]}), StoreError, "camera, lidar")
    _refused(lambda: store.systems.pin("car", {"camera": "f" * 64}), UnknownVersionError, "camera")
    _refused(lambda: store.systems.get("car", 9), UnknownVersionError, "1 to 3")
    _refused(lambda: store.systems.get("cart", 1), UnknownVersionError, "car")


def a_measurement_belongs_to_a_combination(store: Store) -> None:
    """It is recorded whole or not at all, and read as a matrix that shows what was not tried."""
    cameras, lidars = _candidates(store)
    store.systems.declare("van", SLOTS)
    grid = [{"camera": camera, "lidar": lidar} for camera, lidar in itertools.product(cameras, lidars)]
    for place, combination in enumerate(grid[:3]):
        found = [Evaluation("f1", place / 10, low=0.0, high=1.0, n=7, data="d"), Evaluation("latency", 0.1, unit="s")]
        store.evaluations.record("van", combination, found, glue="g")
    store.evaluations.avoid("van", grid[3], "its camera is too slow")
    matrix = store.evaluations.matrix("van", "f1")
    _check(matrix.slots == ("camera", "lidar"), "the slots are not in order")
    _check([row.value for row in matrix.rows] == [0.0, 0.1, 0.2], "the matrix holds other values")
    _check(
        dict(zip(matrix.slots, matrix.rows[1].pins, strict=True)) == grid[1], "a value stands at another combination"
    )
    _check(math.isnan(store.evaluations.matrix("van", "f1", data="e").rows[0].value), "a value is shown for other data")
    names = {"camera": cameras, "lidar": lidars}
    untried = list(store.evaluations.untried("van", names, "f1", glue="g"))
    _check(untried == grid[4:], "what was not tried, and may be, is something else")
    _check(len(list(store.evaluations.untried("van", names, "f1", glue="h"))) == 8, "another glue counts as tried")
    bad = [(grid[4], [Evaluation("f1", 1.0)]), ({"camera": "f" * 64}, [Evaluation("f1", 1.0)])]
    _refused(lambda: store.evaluations.record_all("van", bad, glue="g"), UnknownVersionError, "camera")
    _check(len(store.systems.all("van")) == 3, "a transaction that failed left something behind")
    version = store.systems.get("van", 1)
    store.evaluations.record("van", version.pins, [Evaluation("f1", math.nan)], glue="g")
    _check([each.metric for each in store.evaluations.of(version)] == ["f1", "latency", "f1"], "history is lost")


def what_is_pinned_cannot_be_deleted(store: Store) -> None:
    """And what is promoted neither; a promotion moves a whole system at once."""
    cameras, lidars = _candidates(store)
    store.systems.declare("bus", SLOTS)
    one = store.systems.pin("bus", {"camera": cameras[0], "lidar": lidars[0]})
    two = store.systems.pin("bus", {"camera": cameras[1], "lidar": lidars[1]})
    store.promotions.promote(one)
    store.promotions.promote(two, why="better at night")
    _check(store.promotions.current("bus") == {"production": 2}, "an alias names two versions, or the older one")
    _check(store.systems.get("bus", "production") == two, "what is promoted is not found by its alias")
    _check([each.number for each in store.promotions.history("bus")] == [1, 2], "who was promoted before is forgotten")
    camera = store.components.get(cameras[0])
    _refused(lambda: store.components.delete(camera), PinnedError, "bus 1")
    _refused(lambda: store.systems.delete(one), PinnedError, "production")
    lone = store.components.add("loner", b"pinned by nobody")
    store.components.delete(lone)
    _refused(lambda: store.components.get(lone.digest), UnknownVersionError, "camera 1 to 3")
    ghost = store.components.add("ghost", None, digest="f")
    vague = store.systems.pin("bus", {"camera": ghost.digest, "lidar": lidars[0]})
    _refused(lambda: store.promotions.promote(vague), StoreError, "ghost 1")


def outputs_are_remembered(store: Store) -> None:
    """By component, data and what came in from upstream."""
    digest = store.outputs.put("c", "d", "u", b"answer", 0.5)
    _check(store.outputs.get("c", "d", "u") == b"answer", "an output comes back changed")
    _check(store.outputs.get("c", "d", "v") is None, "an output of another upstream is answered")
    _check(store.outputs.put("c2", "d", "u", b"answer") == digest, "the same bytes have two digests")
    store.outputs.forget("c")
    _check(
        store.outputs.find("c", "d", "u") is None and store.outputs.find("c2", "d", "u") == digest, "forgot too much"
    )


def data_sets_belong_together(store: Store) -> None:
    """Splits, the same scenes, derived labels."""
    for name in ("pictures", "scans"):
        store.data.add(DataSet(f"digest of {name}", name, 10))
    store.data.relate("digest of scans", "same scenes", "digest of pictures", shared=8)
    found = store.data.relations("digest of pictures")
    _check([(each.relation, each.facts) for each in found] == [("same scenes", {"shared": 8})], "a relation is lost")
    _check(store.data.get("scans").size == 10, "a data set is not found by its name")
    _refused(lambda: store.data.relate("digest of scans", "cousin", "digest of pictures"), StoreError, "same scenes")


def a_run_tells_what_it_was(store: Store) -> None:
    """Its curves, its data, how it ended, and by which part of its key it is found."""
    store.systems.declare("tram", SLOTS)
    store.data.add(DataSet("digest of tracks", "tracks", 5))
    key = store.runs.begin("night", "tram", pattern="individual", seed=3, settings={"epochs": [2]})
    store.runs.uses(key, [Use("digest of tracks", "training", "")])
    store.runs.measure(key, [("loss", 1, 0.5), ("loss", 2, math.nan)])
    store.runs.measure(key, [("loss", 1, 9.0)])
    store.runs.end(key, "failed", error="unplugged")
    found = store.runs.get(key[:8])
    _check(
        (found.status, found.error, found.settings["epochs"]) == ("failed", "unplugged", [2]), "a run is told wrongly"
    )
    _check(store.runs.get("last") == found and store.runs.all(system="tram") == [found], "a run is not found")
    (first, second) = store.runs.measures(key)["loss"]
    _check(first == (1, 0.5) and math.isnan(second[1]), "a curve comes back changed")
    _check([use.use for use in store.runs.data(key)] == ["training"], "what a run read is forgotten")
    _refused(lambda: store.runs.get("no such run"), UnknownVersionError, key[:8])


def what_came_from_what_is_found(store: Store) -> None:
    """Through data, trainings, models and systems, also where models were made of each other in a circle."""
    store.systems.declare("boat", SLOTS)
    camera, first, second = (store.components.add(f"boat {one}", one.encode()) for one in ("camera", "lidar", "sonar"))
    data = store.data.add(DataSet("digest of waves", "waves", 5))
    for start, made in ((first, second), (second, first)):
        key = store.runs.begin("sea", "boat", pattern="partial end-loss")
        members = (
            Member("camera", "frozen", camera.digest), Member("lidar", "initialised from", start.digest),
            Member("lidar", "trained", made.digest),
        )  # fmt: skip
        context = Context(key, 0, "end loss", "partial end-loss", "system", members, ((data.digest, "training"),))
        store.contexts.add(context)
        _check(store.contexts.all(run=key) == [context], "a training is told wrongly")
    version = store.systems.pin("boat", {"camera": camera.digest, "lidar": second.digest})
    roles = {(member.component, role) for _, member, role in store.contexts.partners(second.digest)}
    _check(roles == {(camera.digest, "frozen"), (first.digest, "initialised from")}, "a context is forgotten")
    above = {thing.key for thing in store.lineage.upstream(version).things}
    _check({camera.digest, first.digest, second.digest, data.digest} <= above, "something above is not found")
    below = {thing.key for thing in store.lineage.downstream(data).things}
    _check({first.digest, second.digest, version.digest} <= below and camera.digest not in below, "below is wrong")
    _check(store.stale(version) == [], "what fits is called stale")
    other = store.components.add("boat camera", b"another")
    newer = store.systems.pin("boat", {"camera": other.digest, "lidar": second.digest})
    _check([each.slot for each in store.stale(newer)] == ["lidar"], "what no longer fits is not called stale")


def a_copy_opens_the_same_store(store: Store) -> None:
    """Workers are handed a store by pickling it."""
    store.data.add(DataSet("digest of a copy", "copy"))
    copy = pickle.loads(pickle.dumps(store))
    _check(copy.data.get("copy").digest == "digest of a copy", "a pickled store is another one")
    copy.close()


PROMISES: tuple[Callable[[Store], None], ...] = (
    a_model_is_stored_once,
    contents_of_any_size_come_back,
    a_tuple_has_one_identity,
    a_measurement_belongs_to_a_combination,
    what_is_pinned_cannot_be_deleted,
    outputs_are_remembered,
    data_sets_belong_together,
    a_run_tells_what_it_was,
    what_came_from_what_is_found,
    a_copy_opens_the_same_store,
)


def _candidates(store: Store) -> tuple[list[str], list[str]]:
    cameras = [store.components.add("camera", f"camera {i}".encode()).digest for i in range(3)]
    return cameras, [store.components.add("lidar", f"lidar {i}".encode()).digest for i in range(3)]


def _check(kept: bool, broken: str) -> None:
    if not kept:
        raise AssertionError(f"this store breaks a promise: {broken}")


def _refused(call: Callable[[], object], kind: type[DrivetrainError], words: str) -> None:
    try:
        call()
    except kind as error:
        _check(words in str(error), f"an error does not say '{words}': {error}")
    else:
        _check(False, f"something that must be refused is not ({words})")
