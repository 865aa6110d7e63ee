"""What is known of libraries, as data: ``knowledge.toml`` says which calls make models; here names are looked up."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from fnmatch import translate
from functools import cache
from importlib.resources import files
from typing import Any

# What a call of a library does, as far as models go.
LOADS, BUILDS, MAYBE, FUNCTION = "loads", "builds", "maybe", "functions"
TRAINS, GRAPH, SESSION = "trains", "graph", "session"
WRAPPING, ENSEMBLE, OPTIMISER, TRAINER, EXCLUDED = "wrapping", "ensemble", "optimiser", "trainer", "excluded"
_MAKING = (LOADS, BUILDS, MAYBE, FUNCTION, TRAINS, GRAPH, SESSION)


@dataclass(frozen=True)
class Role:
    """What a name of a library is: the kind, and the library that it belongs to (``"torch"``)."""

    kind: str
    library: str = ""


@dataclass(frozen=True)
class Words:
    """Lists of bare names that say what a method or a call does."""

    parts: frozenset[str]
    finishing: frozenset[str]
    pure: frozenset[str]
    running: frozenset[str]
    same: frozenset[str]
    nothing: frozenset[str]
    weights: frozenset[str]
    attributes: frozenset[str]
    fits: frozenset[str]
    reporting: frozenset[str]
    reporting_prefixes: tuple[str, ...]
    reporting_parts: tuple[str, ...]
    silent: frozenset[str]
    first_argument: frozenset[str]
    paths: frozenset[str]
    allocating: frozenset[str]
    drawing: frozenset[str]
    dressing: re.Pattern[str]
    never_models: frozenset[str]


class _Patterns:
    """Names with stars, sorted by their first component, so that few are tried for a name."""

    def __init__(self, rows: list[tuple[str, str]]) -> None:
        self.exact = {name: value for name, value in reversed(rows) if "*" not in name}
        by_top: dict[str, list[tuple[re.Pattern[str], str]]] = {}
        for name, value in rows:
            if "*" in name:
                top = name.split(".", 1)[0]
                by_top.setdefault("*" if "*" in top else top, []).append((re.compile(translate(name)), value))
        self.anywhere = by_top.pop("*", [])
        self.by_top = by_top

    def find(self, name: str) -> str | None:
        if name in self.exact:
            return self.exact[name]
        some = self.by_top.get(name.split(".", 1)[0], [])
        for pattern, value in (*some, *self.anywhere):
            if pattern.match(name):
                return value
        return None


@cache
def _knowledge() -> dict[str, Any]:
    return tomllib.loads(files("drivetrain.mining").joinpath("knowledge.toml").read_text("utf-8"))


@cache
def words() -> Words:
    """The lists of bare names."""
    data: dict[str, dict[str, list[str]]] = _knowledge()  # type: ignore[assignment]
    methods, reporting, passing = data["methods"], data["reporting"], data["passing"]
    return Words(
        parts=frozenset(methods["parts"]),
        finishing=frozenset(methods["finishing"]),
        pure=frozenset(passing["pure"]),
        running=frozenset(methods["running"]),
        same=frozenset(methods["same"]),
        nothing=frozenset(methods["nothing"]),
        weights=frozenset(methods["weights"]),
        attributes=frozenset(methods["attributes"]),
        fits=frozenset(data["training"]["fits"]),
        reporting=frozenset(reporting["names"]),
        reporting_prefixes=tuple(reporting["prefixes"]),
        reporting_parts=tuple(reporting["parts"]),
        silent=frozenset(passing["silent"]),
        first_argument=frozenset(passing["first_argument"]),
        paths=frozenset(passing["paths"]),
        allocating=frozenset(passing["allocating"]),
        drawing=frozenset(passing["drawing"]),
        dressing=re.compile("|".join(passing["dressing"]), re.IGNORECASE),
        never_models=frozenset(data["guessing"]["never"]),
    )


STORED = (".pt", ".pth", ".onnx", ".weights", ".h5", ".ckpt", ".pb", ".gguf", ".safetensors", ".tflite", ".caffemodel")
"""How files of weights end."""


@cache
def programs() -> frozenset[str]:
    """Programs that are models, by the name by which they are started."""
    names: dict[str, list[str]] = _knowledge()["commands"]
    return frozenset(names["programs"])


@cache
def handover() -> dict[str, frozenset[str]]:
    """The names of calls that hand something over: by a file, a queue, a table or a key."""
    data: dict[str, list[str]] = _knowledge()["handover"]
    return {kind: frozenset(listed) for kind, listed in data.items()}


@cache
def _tables() -> tuple[_Patterns, _Patterns, _Patterns, frozenset[str]]:
    data = _knowledge()
    rows: list[tuple[str, str]] = []
    bases: list[tuple[str, str]] = []
    tops: set[str] = set()
    other: dict[str, dict[str, list[str]]] = data  # type: ignore[assignment]
    excluded = [(name, "x") for name in other["excluded"]["names"]]
    excluded += [(pattern, "x") for last in other["excluded"]["last"] for pattern in (last, f"*.{last}")]
    rows += [(name, f"{ENSEMBLE}:sklearn") for name in other["wrapping"]["ensembles"]]
    rows += [(name, f"{TRAINER}:") for name in other["training"]["trainers"]]
    rows += [(name, f"{OPTIMISER}:") for name in other["training"]["optimisers"]]
    for library, facts in data["libraries"].items():
        for kind in _MAKING:
            rows += [(name, f"{kind}:{library}") for name in facts.get(kind, ())]
        bases += [(name, library) for name in facts.get("bases", ())]
        tops |= {name.split(".", 1)[0] for names in facts.values() for name in names}
    rows += [(name, f"{WRAPPING}:") for name in other["wrapping"]["calls"]]
    return _Patterns(rows), _Patterns(excluded), _Patterns(bases), frozenset(top for top in tops if "*" not in top)


_SHORTER = (
    (re.compile(r"^tensorflow\.compat\.v\d\.|^tensorflow\.(?:python|contrib)\.(?=keras|lite)"), "tensorflow."),
    (re.compile(r"^(?:tensorflow(?:\.python|\.contrib)?|tf_keras)\.keras\.|^tf_keras\."), "keras."),
    (re.compile(r"^tensorflow\.keras$"), "keras"),
    (re.compile(r"^cv2\.cv2\."), "cv2."),
)


@cache
def canonical(name: str) -> str:
    """One name for one thing: ``tensorflow.keras.models.Model`` and ``keras.models.Model`` are the same."""
    for pattern, short in _SHORTER:
        name = pattern.sub(short, name)
    return name


@cache
def role(name: str) -> Role | None:
    """What a resolved name does; None for most. The last component decides over what its library makes in general."""
    name = canonical(name)
    calls, excluded, _, _ = _tables()
    if excluded.find(name):
        return Role(EXCLUDED)
    last = name.rsplit(".", 1)[0].rsplit(".", 1)[-1]
    if name.rsplit(".", 1)[-1].startswith(("from_", "load")) and excluded.find(last):
        return Role(EXCLUDED)
    found = calls.find(name)
    if found is None:
        return None
    kind, library = found.split(":")
    return Role(kind, library)


@cache
def base_library(name: str) -> str | None:
    """The library whose models a class is one of, if it derives from this name: a base, or itself a class of models."""
    found = _tables()[2].find(canonical(name))
    made = role(name) if found is None and name.rsplit(".", 1)[-1][:1].isupper() else None
    return made.library if made is not None and made.kind in (LOADS, BUILDS) and "." in name else found


def is_known(top: str) -> bool:
    """Whether a first component belongs to a library that the data speaks of."""
    return top in _tables()[3]


_GUESSED_CLASS = re.compile(
    r"(?:Model|Net|Network|Detector|Classifier|Recogni[sz]er|Predictor|Segment(?:er|or)|Diarizer|Transcriber|Embedder|"
    r"Captioner|Translator|Synthesizer|Vocoder|Upscaler|Regressor|Inferencer|Estimator|Reranker|Summarizer|Restorer|GAN)$"
)
_GUESSED_CALL = re.compile(
    r"^(?:load|build|create|get|init|make)_?(?:\w*_)?(?:model|network|net|detector|classifier|recognizer|predictor|"
    r"segmentor|pretrained|generator|vocoder)(?:_and_\w+|_from_\w+)?$|^from_pretrained$|^load_from_checkpoint$|^from_hparams$",
    re.IGNORECASE,
)


@cache
def loads_by_name(name: str) -> bool:
    """Whether a bare name says that it answers a model: ``load_network``."""
    return bool(_GUESSED_CALL.match(name))


@cache
def guess(name: str) -> bool:
    """Whether a call of a library nothing is known of sounds as if it answered a model."""
    name = canonical(name)
    parts = name.split(".")
    if len(parts) < 2 or parts[0] in words().never_models or _tables()[1].find(name):
        return False
    if len(parts) > 1 and _tables()[1].find(parts[-2]):
        return False
    last = parts[-1]
    return bool(_GUESSED_CLASS.search(last) and last[0].isupper()) or bool(_GUESSED_CALL.match(last))
