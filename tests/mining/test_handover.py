"""How outputs are followed through files, queues, tables and stores, by the names that stand in the code."""

from __future__ import annotations

import pytest

from drivetrain.mining.dataflow.names import file_name, key_name, tables
from tests.mining.code import edges, wired

FIRST = """
    import cv2, json, sqlite3, redis, rospy
    import numpy as np
    from ultralytics import YOLO
    finder = YOLO("a.pt")
    found = finder(frame)
"""
SECOND = """
    import cv2, json, sqlite3, redis, rospy, glob
    import numpy as np
    import pandas as pd
    import easyocr
    reader = easyocr.Reader(["en"])
"""


def met(first: str, second: str) -> dict[tuple[str, str], str]:
    return edges(wired(first=FIRST + first, second=SECOND + second))


THROUGH = {("finder", "reader")}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('cv2.imwrite("%s/%s_%dcar.png" % (folder, name, i), found)', 'reader.readtext(cv2.imread("out/x_car.png"))'),
        (
            'cv2.imwrite(f"{folder}/{name}_car.png", found)',
            'for path in sorted(glob.glob("%s/*car.png" % folder)):\n        reader.readtext(path)',
        ),
        ('np.save("boxes.npy", found)', 'reader.readtext(np.load(os.path.join(folder, "boxes.npy")))'),
        (
            'with open("boxes.json", "w") as file:\n        json.dump({"boxes": found}, file)',
            'with open("boxes.json") as file:\n        reader.readtext(json.load(file))',
        ),
        (
            'with open("boxes.txt", "w") as file:\n        file.write(str(found))',
            'with open("boxes.txt") as file:\n        reader.readtext(file.read())',
        ),
        ('found.to_csv("boxes.csv")', 'reader.readtext(pd.read_csv("boxes.csv"))'),
        ('found.save("crop.png")', 'reader.readtext("crop.png")'),
    ],
)
def test_what_is_written_to_a_file_feeds_what_reads_it(first: str, second: str) -> None:
    assert met("    " + first, "    " + second) == {("finder", "reader"): "file"}


@pytest.mark.parametrize(
    ("first", "second", "medium"),
    [
        (
            'rospy.Publisher("/boxes", Boxes).publish(found)',
            'def heard(message):\n        reader.readtext(message.data)\n    rospy.Subscriber("/boxes", Boxes, heard)',
            "queue",
        ),
        (
            'pub = node.create_publisher(Boxes, "boxes", 10)\n    pub.publish(found)',
            "def heard(message):\n        reader.readtext(message)\n"
            '    node.create_subscription(Boxes, "boxes", heard, 10)',
            "queue",
        ),
        (
            'redis.Redis().set("latest_boxes", found)',
            'reader.readtext(redis.Redis().get("latest_boxes"))',
            "registry",
        ),
        (
            'db = sqlite3.connect("x.db")\n    db.execute("INSERT INTO boxes VALUES (?)", (found,))',
            'db = sqlite3.connect("x.db")\n    rows = db.execute("SELECT * FROM boxes")\n    reader.readtext(rows)',
            "table",
        ),
    ],
)
def test_what_is_sent_or_kept_under_a_name_feeds_what_asks_for_it(first: str, second: str, medium: str) -> None:
    assert met("    " + first, "    " + second) == {("finder", "reader"): medium}


def test_a_task_that_is_started_elsewhere_is_given_what_it_was_sent() -> None:
    found = wired(
        tasks="""
            import easyocr
            from celery import Celery
            app = Celery()
            reader = easyocr.Reader(["en"])
            @app.task
            def read(crop):
                return reader.readtext(crop)
        """,
        main="""
            from ultralytics import YOLO
            from tasks import read
            finder = YOLO("a.pt")
            read.delay(finder(frame))
        """,
    )
    assert edges(found) == {("finder", "reader"): "queue"}


def test_files_of_another_name_hand_nothing_over() -> None:
    assert met('    np.save("boxes.npy", found)', '    reader.readtext(np.load("faces.npy"))') == {}
    assert met('    np.save("%s.npy" % name, found)', '    reader.readtext(np.load("%s.npy" % other))') == {}


def test_what_is_handed_over_by_name_is_less_sure() -> None:
    found = wired(first=FIRST + '    np.save("boxes.npy", found)', second=SECOND + '    reader.readtext("boxes.npy")')
    assert [edge.confidence for edge in found.edges] == [0.7]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("%s/%s_%dcar.png", "car.png"),
        ("out/{}_mask.npy", "mask.npy"),
        ("temp/vocals.wav", "vocals.wav"),
        ("*.png", ""),
        ("settings.yaml", ""),
        ("https://example.org/x.bin", ""),
        ("a sentence.", ""),
    ],
)
def test_a_file_is_known_by_what_stands_after_the_last_hole_of_its_path(text: str, name: str) -> None:
    assert file_name(text) == name


def test_keys_and_tables_are_told_from_prose() -> None:
    assert key_name("/camera/boxes") == "camera/boxes"
    assert key_name("no key at all") == ""
    assert tables("INSERT INTO faces VALUES (1)") == (("faces", True),)
    assert tables("SELECT a FROM faces JOIN names") == (("faces", False), ("names", False))
    assert tables("from here to there") == ()


def test_a_network_of_a_library_in_c_is_loaded_and_run_by_the_functions_that_take_it() -> None:
    found = wired(
        binding="""
            from ctypes import *
            lib = CDLL("libnet.so", RTLD_GLOBAL)
            load_net = lib.load_network
            load_net.argtypes = [c_char_p]
            def detect(net, picture):
                lib.network_predict(net, lib.load_image(picture))
                boxes = lib.get_boxes(net)
                lib.free_boxes(net)
                return boxes
        """,
        main="""
            import binding, easyocr
            net = binding.load_net("a.cfg", "a.weights")
            reader = easyocr.Reader(["en"])
            reader.readtext(binding.detect(net, picture))
        """,
    )
    assert [(model.name, str(model.place)) for model in found.models] == [("a", "main.py:3"), ("reader", "main.py:4")]
    assert edges(found) == {("a", "reader"): "memory"}
