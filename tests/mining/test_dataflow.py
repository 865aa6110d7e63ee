"""How models are followed through classes and branches: what is one network, what stands for another."""

from __future__ import annotations

from drivetrain.mining.topology import integrations
from tests.mining.code import edges, sources, wired

LIGHTNING = """
    import torch, pytorch_lightning as pl
    from torch import nn
    class Trunk(nn.Module):
        pass
    class Head(nn.Module):
        pass
    class Whole(pl.LightningModule):
        def __init__(self):
            self.trunk = Trunk()
            self.head = Head()
        def forward(self, x):
            return self.head(self.trunk(x))
        def configure_optimizers(self):
            return {optimisers}
    whole = Whole()
    whole(picture)
"""


def test_a_lightning_module_with_one_optimiser_is_one_network() -> None:
    one = "torch.optim.Adam(self.parameters()) if fast else torch.optim.SGD(self.parameters())"
    assert [model.name for model in wired(main=LIGHTNING.replace("{optimisers}", one)).models] == ["whole"]


def test_a_lightning_module_that_trains_several_parts_is_opened() -> None:
    two = "torch.optim.Adam(self.trunk.parameters()), torch.optim.Adam(self.head.parameters())"
    assert edges(wired(main=LIGHTNING.replace("{optimisers}", two))) == {("trunk", "head"): "memory"}


POSE = """
    import torch
    from nets import Large, Small
    class Pose:
        def __init__(self, backbone):
            if backbone == "large":
                self.model = Large().to("cpu")
            else:
                self.model = Small().to("cpu")
        def predict(self, picture):
            return self.model(picture)
"""
NETS = """
    from torch import nn
    class Large(nn.Module):
        pass
    class Small(nn.Module):
        pass
"""


def test_what_one_class_chooses_is_one_slot_wherever_the_class_is_made() -> None:
    made = "from pose import Pose\npose = Pose({})\npose.predict(picture)"
    found = wired(nets=NETS, pose=POSE, first=made.format("args.backbone"), second=made.format("args.other"))
    slots: dict[str, set[str]] = {}
    for model in found.models:
        slots.setdefault(model.slot, set()).add(model.maker)
    assert "" not in slots
    assert all(makers == {"nets.Large", "nets.Small"} for makers in slots.values())


def test_what_is_corrected_by_an_earlier_output_does_not_vote_with_it() -> None:
    code = """
        import onnxruntime
        finder = onnxruntime.InferenceSession("a.onnx")
        marker = onnxruntime.InferenceSession("b.onnx")
        box = finder.run(None, frame)
        marks = marker.run(None, frame[box])
        marks = marks + box
    """
    patterns = {found.pattern for found in integrations(wired(main=code), sources(main=code))}
    assert patterns == {"sequential"}


def test_arms_of_one_branch_are_one_slot_even_where_a_loop_seems_to_feed_one_to_the_other() -> None:
    code = """
        from nets import Large, Small
        if size == "large":
            maker = Large(64)
        else:
            maker = Large(16)
        made = maker(x)
        again = maker(made)
    """
    assert len({model.slot for model in wired(nets=NETS, main=code).models} - {""}) == 1


def test_a_class_that_derives_from_a_model_of_a_library_is_one() -> None:
    code = """
        import faster_whisper
        class Batched(faster_whisper.WhisperModel):
            def generate(self, features):
                return self.model.generate(features)
        ears = Batched("small")
        ears.generate(audio)
    """
    assert [(model.name, model.library) for model in wired(main=code).models] == [("ears", "speech")]


def test_objects_that_hold_each_other_are_looked_at_once() -> None:
    from drivetrain.mining.dataflow.contents import groups
    from drivetrain.mining.dataflow.values import Holder
    from drivetrain.mining.findings import Place

    crowd = [Holder("dict", Place("a.py", line)) for line in range(300)]
    for one in crowd:
        one.fields.update(enumerate(frozenset((other,)) for other in crowd))
    assert groups(frozenset(crowd)) == []  # cubed, this would not end
