"""How values are followed where the way is not an assignment: by names, fields, folders, programs, graphs."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from drivetrain.mining.dataflow import calls
from drivetrain.mining.dataflow.interpreter import MOST_ROUNDS
from drivetrain.mining.dataflow.machine import MOST_CONTEXTS
from drivetrain.mining.dataflow.names import field_name, folder_name
from drivetrain.mining.topology import integrations
from drivetrain.mining.trees import Nodes, statements, walk
from tests.mining.code import edges, sources, wired

NETS = """
        import torch
        from torch import nn
        class Scorer(nn.Module):
            pass
        class Other(nn.Module):
            pass
"""


def tags(**files: str) -> list[str]:
    return [found.pattern for found in integrations(wired(**files), sources(**files))]


def test_a_comprehension_builds_a_model_for_each_name() -> None:
    code = """
        sides = ["left", "right"]
        eyes = {side: Scorer(side) for side in sides}
        eyes["right"](eyes["left"](picture))
    """
    found = wired(main=NETS + code)
    assert len(found.models) == 2
    assert len(edges(found)) == 1


def test_what_weights_are_loaded_into_is_a_model_even_if_nobody_knows_how_it_was_made() -> None:
    code = """
        import torch
        scorer = None
        exec("scorer = " + architecture)
        scorer.load_state_dict(torch.load("a.pt"))
        scorer.predict(picture)
    """
    assert [(model.name, model.place.line) for model in wired(main=code).models] == [("scorer", 5)]


@pytest.mark.parametrize("owner", ["optimizer", "scheduler", "ema"])
def test_what_is_named_for_an_optimiser_is_no_model(owner: str) -> None:
    code = f"import torch\n{owner} = make()\n{owner}.load_state_dict(torch.load('a.pt'))\n"
    assert wired(main=code).models == ()


@pytest.mark.parametrize(
    ("imported", "core", "loaded"),
    [
        ("from openvino.runtime import Core", "Core()", "core.compile_model(path)"),
        ("import openvino as ov", "ov.Core()", "core.compile_model(core.read_model(path), 'CPU')"),
        ("from openvino.inference_engine import IECore", "IECore()", "core.load_network(network=path, num_requests=2)"),
        ("from openvino.inference_engine import IEPlugin", "IEPlugin(device='CPU')", "core.load(network=path)"),
    ],
)
def test_a_method_of_a_librarys_object_that_loads_a_network_makes_a_model(
    imported: str, core: str, loaded: str
) -> None:
    code = f"""
        {imported}
        def opened(path):
            core = {core}
            return {loaded}
        face = opened("face.xml")
        age = opened("age.xml")
        age(crop(face(picture)))
    """
    found = wired(main=code)
    assert [model.library for model in found.models] == ["onnxruntime", "onnxruntime"]
    assert len(edges(found)) == 1


def test_a_request_to_a_network_answers_what_the_network_puts_out() -> None:
    code = """
        from openvino.inference_engine import IECore
        core = IECore()
        face = core.load_network("face.xml")
        age = core.load_network("age.xml")
        face.start_async(request_id=0, inputs={"data": picture})
        if face.requests[0].wait(-1) == 0:
            boxes = face.requests[0].outputs["boxes"]
        age.start_async(request_id=0, inputs={"data": crop(picture, boxes)})
    """
    assert len(edges(wired(main=code))) == 1


def test_a_parameter_is_no_model_because_weights_are_loaded_into_it() -> None:
    code = "import torch\ndef restore(net, path):\n    net.load_state_dict(torch.load(path))\n"
    assert wired(main=code).models == ()


def test_a_scaler_keeps_nothing_of_what_it_transforms() -> None:
    code = """
        from sklearn.svm import SVR
        from sklearn.preprocessing import MinMaxScaler
        from sklearn.linear_model import Ridge
        scaler = MinMaxScaler()
        first, second = SVR(), Ridge()
        level = scaler.inverse_transform(first.predict(x))
        second.predict(scaler.transform(y))
    """
    assert edges(wired(main=code)) == {}


def test_a_model_that_is_handed_on_as_vocoder_goes_on_with_the_output() -> None:
    code = """
        from transformers import SpeechT5ForTextToSpeech, SpeechT5HifiGan
        voice = SpeechT5ForTextToSpeech.from_pretrained("a")
        vocoder = SpeechT5HifiGan.from_pretrained("b")
        voice.generate_speech(text, vocoder=vocoder)
    """
    assert edges(wired(main=code)) == {("voice", "vocoder"): "memory"}


def test_what_goes_through_a_queue_in_a_tuple_has_gone_through_a_queue() -> None:
    code = """
        from queue import Queue
        from ultralytics import YOLO
        import easyocr
        finder, reader, waiting = YOLO("a.pt"), easyocr.Reader(["en"]), Queue()
        waiting.put((camera, finder(picture)))
        camera, found = waiting.get()
        reader.readtext(found)
    """
    assert edges(wired(main=code)) == {("finder", "reader"): "queue"}


def test_logits_that_a_distillation_trains_on_make_a_teacher_and_no_chain() -> None:
    files = {
        "teach": """
            import numpy as np
            from keras.applications import Xception
            big = Xception()
            np.save("soft_logits.npy", big.predict(pictures))
        """,
        "distillation": """
            import numpy as np
            from keras.applications import MobileNet
            small = MobileNet()
            logits = np.load("soft_logits.npy")
            small.fit(pictures, logits)
            small.evaluate(pictures, logits)
        """,
    }
    assert tags(**files) == ["trained on a model's output", "teacher-student"]


FIELDS = {
    "caption": """
        import json
        from ultralytics import YOLO
        captioner = YOLO("a.pt")
        rows = json.load(open(sys.argv[1]))
        for row in rows:
            row["raw_caption"] = captioner(row["image"])
        json.dump(rows, open(sys.argv[2], "w"))
    """,
    "enrich": """
        import json
        import easyocr
        reader = easyocr.Reader(["en"])
        for row in json.load(open(sys.argv[1])):
            reader.readtext({read})
    """,
}


@pytest.mark.parametrize("read", ['row["raw_caption"]', 'row.get("raw_caption", "")'])
def test_a_field_of_a_record_hands_over_from_one_program_to_the_next(read: str) -> None:
    files = {"caption": FIELDS["caption"], "enrich": FIELDS["enrich"].replace("{read}", read)}
    assert edges(wired(**files)) == {("captioner", "reader"): "file"}


@pytest.mark.parametrize(("name", "field"), [("raw_caption", "[raw_caption]"), ("image_path", ""), ("label", "")])
def test_only_fields_of_a_name_of_their_own_hand_over(name: str, field: str) -> None:
    assert field_name(name) == field


def test_a_folder_of_numbered_files_hands_over() -> None:
    files = {
        "label": """
            import numpy as np
            from ultralytics import YOLO
            marker = YOLO("a.pt")
            for i in range(9):
                np.save("data/labelled_faces/" + str(i) + ".npy", marker(pictures[i]))
        """,
        "train": """
            import glob
            import numpy as np
            from sklearn.svm import SVC
            judge = SVC()
            for path in glob.glob("data/labelled_faces/*.npy"):
                judge.fit(np.load(path), y)
        """,
    }
    assert edges(wired(**files), "trains_on") == {("marker", "judge"): "file"}


@pytest.mark.parametrize(
    ("text", "folder"),
    [("data/labelled_faces/**", "labelled_faces/"), ("data/images/", ""), ("labelled_faces", ""), ("out/{}/x.png", "")],
)
def test_only_folders_of_several_words_hand_over(text: str, folder: str) -> None:
    assert folder_name(text) == folder


@pytest.mark.parametrize(
    "started",
    [
        'os.system("tesseract crop.png words")',
        'os.system(f"tesseract {path} words")',
        'subprocess.run(["tesseract", "crop.png", "words"], check=True)',
        'subprocess.run(shlex.split("sudo tesseract crop.png words"))',
        'command = ["tesseract", "crop.png", "words"]\n    subprocess.check_output(command)',
    ],
)
def test_a_program_that_is_a_model_is_one_and_takes_in_the_files_it_is_given(started: str) -> None:
    code = f"""
    import cv2, os, shlex, subprocess
    from ultralytics import YOLO
    finder = YOLO("a.pt")
    cv2.imwrite("crop.png", finder(picture))
    path = "crop.png"
    {started}
    """
    assert edges(wired(main=code)) == {("finder", "tesseract"): "file"}


def test_a_foreign_script_that_is_told_its_weights_is_a_model_and_an_own_one_is_found_by_itself() -> None:
    code = 'import os\nos.system("python3 {script}.py --face a.mp4 --checkpoint_path lips.pth")\n'
    assert [model.name for model in wired(main=code.format(script="inference")).models] == ["lips"]
    assert wired(main=code.format(script="own"), own="print(1)\n").models == ()
    assert wired(main='import os\nos.system("ffmpeg -i a.mp4 b.wav")\n').models == ()


def test_a_graph_and_the_session_that_runs_it_are_one_model_wherever_they_are_made() -> None:
    files = {
        "loading": """
            import tensorflow as tf
            def load_graph(path):
                graph = tf.Graph()
                with graph.as_default():
                    definition = tf.GraphDef()
                    tf.import_graph_def(definition, name="")
                return graph
        """,
        "main": """
            import tensorflow as tf
            from loading import load_graph
            graph = load_graph("a.pb")
            session = tf.Session(graph=graph)
            session.run(boxes, feed_dict={picture: x})
        """,
    }
    assert len(wired(**files).models) == 1


HEAD = """
        trunk = Scorer()
        head = {head}
        optimizer = torch.optim.Adam(list(trunk.parameters()) + list(head.parameters()))
        loss = criterion(head(trunk(x)), y)
        loss.backward()
        optimizer.step()
"""


def test_layers_that_are_trained_on_a_trunk_by_the_same_steps_are_its_head() -> None:
    layers = HEAD.replace("{head}", "nn.Sequential(nn.Linear(8, 4), nn.ReLU())")
    assert [model.name for model in wired(main=NETS + layers).models] == ["trunk"]


def test_a_network_of_its_own_class_stays_one_by_itself() -> None:
    assert [model.name for model in wired(main=NETS + HEAD.replace("{head}", "Other()")).models] == ["trunk", "head"]


def test_a_weighted_sum_of_two_forecasts_is_a_vote_whatever_made_them() -> None:
    code = """
        import joblib
        from sklearn.svm import SVR
        first, second = joblib.load("a.pkl"), SVR()
        answer = w * first.predict(x) + v * second.predict(x)
    """
    assert "voting ensemble" in tags(main=code)


def test_questions_after_each_other_for_different_answers_exclude_each_other() -> None:
    code = """
        class Extractor:
            def __init__(self, kind):
                if kind == "small":
                    self.model = Scorer()
                if kind == "large":
                    self.model = Other()
            def run(self, x):
                return self.model(x)
    """
    assert tags(main=NETS + code) == ["interchangeable alternatives"]


def test_what_is_built_in_one_arm_and_read_back_in_the_other_is_no_choice() -> None:
    code = """
        import joblib
        from sklearn.svm import SVC
        if os.path.exists("svc.pkl"):
            judge = joblib.load("svc.pkl")
        else:
            judge = SVC()
        judge.predict(x)
    """
    assert tags(main=code) == []


def test_models_of_scripts_of_their_own_are_not_parallel() -> None:
    one = "from ultralytics import YOLO\nfinder = YOLO('a.pt')\nfinder(x)\n"
    other = "import easyocr\nreader = easyocr.Reader(['en'])\nreader.readtext(x)\n"
    assert tags(one=one, other=other) == []
    assert tags(main=one + other) == ["independent parallel"]


@pytest.mark.parametrize(
    ("body", "heads"),
    [
        ("h = self.trunk(x)\n        return self.age(h), self.gender(h)", ("age", "gender")),
        (
            "a = g = self.trunk(x)\n        a = self.age(a)\n        g = self.gender(g)\n        return a, g",
            ("age", "gender"),
        ),
        ("a, g = self.age(self.trunk(x)), self.gender(self.trunk(x))\n        return a.mean(1), g", ("age", "gender")),
        ("h = self.trunk(x)\n        return self.conv1(h), self.conv2(h)", ()),
        ("h = self.trunk(x)\n        return self.mu(h), self.logvar(h)", ()),
        ("return self.age(x), self.gender(x)", ()),
    ],
)
def test_heads_part_after_a_layer_that_they_share(body: str, heads: tuple[str, ...]) -> None:
    code = f"""
    import torch
    class Face(torch.nn.Module):
        def forward(self, x):
        {body.replace(chr(10), chr(10) + "    ")}
    face = Face()
    face(picture)
    """.replace("def forward(self, x):\n        ", "def forward(self, x):\n            ")
    found = [one.models[1:] for one in integrations(wired(main=code), sources(main=code))]
    assert found == ([heads] if heads else [])


def test_the_walk_gives_the_nodes_of_the_standard_one_in_its_order() -> None:
    tree = ast.parse(Path(__file__).read_text())
    context = (ast.Load, ast.Store, ast.Del)
    assert list(walk(tree)) == [node for node in ast.walk(tree) if not isinstance(node, context)]
    assert list(Nodes(tree).of(ast.Call)) == [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert set(statements(tree)) == {node for node in ast.walk(tree) if isinstance(node, ast.stmt)}


@pytest.mark.slow
def test_every_run_finds_the_same(tmp_path: Path) -> None:
    code = "".join(
        f"import m{i}\nnet{i} = torch.hub.load('a', 'm{i}')\nvalue{i} = net{i}(value{max(0, i - 2)})\n"
        for i in range(12)
    )
    mix = "answer = fuse([value3, value4, value7], {'a': value9, 'b': value2}) + value5 * value11\nnet1(answer)\n"
    (tmp_path / "main.py").write_text("import torch\nvalue0 = x\n" + code + mix)
    read = f"from drivetrain.mining.scan import scan\nprint(repr(scan({str(tmp_path)!r}).repository.wiring))"
    surroundings = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src")}
    runs = [
        subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=True, env=surroundings)
        for _ in range(3)
    ]
    assert len({run.stdout for run in runs}) == 1


def test_a_loss_that_asks_another_model_makes_it_the_teacher() -> None:
    code = """
        from keras.models import Model, load_model
        from keras.layers import Input, Dense
        big = load_model("teacher.h5")
        def wrapped(given):
            def loss(truth, predicted):
                return distance(big(given), predicted)
            return loss
        given = Input(shape=(8,))
        small = Model(given, Dense(1)(given))
        small.compile(optimizer="adam", loss=wrapped(given))
        small.fit(x, y)
    """
    assert tags(main=code) == ["teacher-student"]


def test_an_actor_and_its_critic_are_no_adversaries() -> None:
    code = """
        actor, critic = Scorer(), Other()
        optimizer = torch.optim.Adam(actor.parameters())
        second = torch.optim.Adam(critic.parameters())
        (-critic(state, actor(state)).mean()).backward()
        optimizer.step()
        criterion(critic(state, action), target).backward()
        second.step()
    """
    assert "adversarial training" not in tags(main=NETS + code)
    assert "adversarial training" in tags(main=NETS + code.replace("actor", "maker").replace("critic", "judge"))


def test_one_step_that_several_scripts_train_is_no_fork() -> None:
    train = """
        import numpy as np
        import xgboost as xgb
        d = np.load("stack_data.npz")
        {} = xgb.train(p, xgb.DMatrix(d))
        {}.predict(d)
    """
    base = """
        import numpy as np
        from sklearn.svm import SVR
        base = SVR()
        np.savez("stack_data.npz", base.predict(x))
    """
    files = {
        "base": base,
        "first": train.replace("{}", "bst"),
        "second": train.replace("{}", "final"),
    }
    assert "forking parallel" not in tags(**files)


def test_models_that_a_loop_tries_one_after_the_other_are_not_parallel() -> None:
    code = """
        from sklearn.svm import SVC
        from sklearn.tree import DecisionTreeClassifier
        for judge in {"svm": SVC(), "tree": DecisionTreeClassifier()}.values():
            judge.fit(x, y)
            judge.predict(z)
    """
    assert tags(main=code) == []


def test_a_target_network_is_a_copy_and_not_parallel_to_what_it_copies() -> None:
    code = """
        class Agent:
            def __init__(self):
                self.actor = Scorer()
                self.target_actor = Scorer()
            def act(self, state):
                return self.actor(state)
            def aim(self, state):
                return self.target_actor(state)
    """
    assert tags(main=NETS + code) == []
    assert tags(main=NETS + code.replace("target_actor", "second")) == ["independent parallel"]


def test_features_in_an_hdf5_file_reach_what_learns_from_them_through_a_dataset() -> None:
    files = {
        "extract": """
            import h5py
            import torchvision.models as models
            trunk = models.resnet18(pretrained=True)
            stored = h5py.File("image_features.h5", "w")
            stored.create_dataset("train", data=trunk(pictures))
        """,
        "data": """
            import h5py
            from torch.utils.data import Dataset
            class Features(Dataset):
                def __init__(self, path):
                    self.stored = h5py.File(path, "r")
                def __getitem__(self, index):
                    return self.stored["train"][index], self.stored["labels"][index]
        """,
        "learn": """
            from data import Features
            from torch.utils.data import DataLoader
            from sklearn.tree import DecisionTreeClassifier
            tree = DecisionTreeClassifier()
            features, labels = next(iter(DataLoader(Features("image_features.h5"))))
            tree.fit(features, labels)
            tree.predict(features)
        """,
    }
    found = wired(**files)
    assert edges(found, "trains_on") == edges(found) == {("trunk", "tree"): "file"}


def _called_with(many: int) -> str:
    """Three functions that run a model, one calling the next, called with so many different pictures and models."""
    steps = """
        def crop(net, box, note):
            return net(box), note
        def follow(net, box, note):
            boxes, note = crop(net, box, note)
            return crop(net, boxes, note + "a")
        def track(net, box, note):
            boxes, note = follow(net, box, note)
            return follow(net, boxes, note + "b")
"""
    calls = "".join(
        f"""
        found_{at}, _ = track(Scorer({at}), picture, "{at}")
        Other({at})(found_{at})
"""
        for at in range(many)
    )
    return NETS + steps + calls


def test_a_helper_called_with_more_arguments_than_are_kept_apart_still_leads_every_output_on() -> None:
    found = wired(main=_called_with(16))
    makers = {model.name: model.maker for model in found.models}
    fed = {edge.target for edge in found.edges if edge.kind == "feeds"}
    assert {name for name, maker in makers.items() if maker.endswith("Other")} <= fed


def test_walks_of_a_function_grow_no_faster_than_its_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments beyond those kept apart are joined, and what they joined to is walked once a round."""
    walks: list[object] = []
    true = calls.walk_function
    monkeypatch.setattr(calls, "walk_function", lambda function, *rest: (walks.append(function), true(function, *rest)))

    def walked(many: int) -> int:
        walks.clear()
        wired(main=_called_with(many))
        return len(walks)

    assert walked(40) - walked(20) <= 2 * MOST_ROUNDS * MOST_CONTEXTS
