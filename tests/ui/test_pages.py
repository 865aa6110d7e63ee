"""The pages of a store: what they show, empty, full and broken; and that only our own pages may promote."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from drivetrain.experiments import Store
from drivetrain.ui import create_app
from tests.ui import stores

PAGES = ["", "/matrix", "/patterns", "/runs", "/lineage", "/compare", "/promotions"]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with stores.trained(tmp_path_factory.mktemp("ui") / "drivetrain.db") as store:
        stores.car(store)
        store.systems.declare("plan", {"camera": "image -> boxes"})
        yield store


@pytest.fixture
def pages(full: Store) -> TestClient:
    return TestClient(create_app(full))


def test_an_empty_store_says_how_to_begin(tmp_path: Path) -> None:
    answer = TestClient(create_app(Store(tmp_path / "none.db"))).get("/")
    assert answer.status_code == 200
    assert "Nothing is recorded here yet" in answer.text
    assert "Experiment(" in answer.text


@pytest.mark.parametrize("system", ["perception", "car", "plan"])
@pytest.mark.parametrize("page", PAGES)
def test_every_page_of_every_system_opens_and_its_markup_is_whole(pages: TestClient, system: str, page: str) -> None:
    answer = pages.get(f"/systems/{system}{page}")
    assert answer.status_code == 200
    nesting = Nesting()
    nesting.feed(answer.text)
    assert nesting.open == []
    assert nesting.headings == 1
    assert pages.get(f"/systems/{system}{page}?as=json").json()["system"] == system


def test_the_graph_carries_versions_and_numbers_and_leads_to_each_model(pages: TestClient) -> None:
    text = pages.get("/systems/perception").text
    assert re.search(r"camera \d · one of \d", text)
    assert re.search(r"cones.{1,200}error_per_sample [\d.]+", text)
    (link,) = set(re.findall(r'href="(/systems/perception/lineage\?of=model%3Acamera%3A\d)"', text))
    assert "Lineage of camera" in pages.get(link).text


def test_the_grid_shows_what_was_tried_what_not_and_what_shall_not_be(pages: TestClient) -> None:
    told = pages.get("/systems/car/matrix?across=eye&down=beam&as=json").json()
    assert (told["tried"], told["possible"]) == ("20", "24")
    looks = [[cell["look"] for cell in row["cells"]] for row in told["grid"]["rows"]]
    assert looks == [
        ["tried", "tried", "tried", "avoided"],
        ["tried", "tried", "tried", "best"],
        ["untried", "tried", "tried", "tried"],
    ]
    assert told["rows"][0]["number"] == told["best"]
    assert told["untried"] == [
        {"eye": "eye 1", "beam": "beam 3", "fuser": "fuser 1"},
        {"eye": "eye 1", "beam": "beam 3", "fuser": "fuser 2"},
    ]


def test_a_cell_leads_to_its_combinations(pages: TestClient) -> None:
    whole = pages.get("/systems/car/matrix?across=eye&down=beam&as=json").json()
    cell = whole["grid"]["rows"][1]["cells"][2]
    asked = f"across=eye&down=beam&in.eye={cell['column']}&in.beam={cell['line']}"
    some = pages.get(f"/systems/car/matrix?{asked}&as=json").json()
    assert some["only"] == {"eye": "eye 3", "beam": "beam 2"}
    assert [row["pins"] for row in some["rows"]] == [
        ["eye 3", "beam 2", "fuser 2"],
        ["eye 3", "beam 2", "fuser 1"],
    ]


def test_patterns_are_compared_over_their_seeds(pages: TestClient) -> None:
    told = pages.get("/systems/perception/patterns?as=json").json()
    assert {(row["pattern"], row["runs"], row["judged"]) for row in told["rows"]} == {
        ("simultaneous end-loss", 2, 2), ("alternating end-loss", 2, 2),
    }  # fmt: skip
    assert all("[" in row["value"] for row in told["rows"])
    bands = [line for line in told["curves"]["data"] if line.get("fill") == "toself"]
    assert len(bands) == 2


def test_a_run_tells_what_it_did_and_one_that_failed_why(pages: TestClient) -> None:
    runs = pages.get("/systems/perception/runs?as=json").json()["runs"]
    assert [run["status"] for run in runs] == ["failed", *["finished"] * 4]
    assert "NonFiniteLossError" in pages.get(f"/runs/{runs[0]['key']}").text
    text = pages.get(f"/runs/{runs[1]['key'][:8]}").text
    assert "Who was trained in whose context" in text
    assert "label values read" in text.lower()


def test_versions_are_compared_edge_by_edge(pages: TestClient) -> None:
    told = pages.get("/systems/car/compare?first=1&second=20&as=json").json()
    assert [each["verdict"] for each in told["measures"]] == ["better"]


def test_a_version_is_promoted_as_a_whole_and_its_history_is_kept(pages: TestClient) -> None:
    answer = pages.post("/systems/car/promote", data={"version": "3", "alias": "staging", "why": "tried on the road"})
    assert "car 3 is staging now" in answer.text
    assert "tried on the road" in answer.text
    assert pages.get("/systems/car?version=staging&as=json").json()["version"]["number"] == 3


def test_what_cannot_be_promoted_is_said_on_the_page(pages: TestClient) -> None:
    answer = pages.post("/systems/car/promote", data={"version": "3", "alias": "7"})
    assert answer.status_code == 409
    assert "an alias is a word" in answer.text


def test_pages_of_other_people_may_neither_promote_nor_read(pages: TestClient) -> None:
    evil = {"origin": "https://evil.example"}
    answer = pages.post("/systems/car/promote", data={"version": "1", "alias": "production"}, headers=evil)
    assert answer.status_code == 403
    assert pages.get("/", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/systems/nobody", 404, "no system &#39;nobody&#39;"),
        ("/systems/car?version=999", 404, "no version &#39;999&#39; of car"),
        ("/systems/car/matrix?metric=nothing", 404, "nothing called"),
        ("/systems/perception/lineage?of=nothing", 404, "nothing is called"),
        ("/runs/abcdef", 404, "no run"),
        ("/elsewhere", 404, "No such page"),
    ],
)
def test_what_is_not_there_is_said_with_what_there_is(pages: TestClient, path: str, status: int, words: str) -> None:
    answer = pages.get(path)
    assert (answer.status_code, words in answer.text) == (status, True)


def test_a_damaged_store_is_a_page_and_not_a_traceback(tmp_path: Path) -> None:
    place = tmp_path / "drivetrain.db"
    place.write_bytes(b"this is no database" * 100)
    answer = TestClient(create_app(Store(place)), raise_server_exceptions=False).get("/")
    assert answer.status_code == 503
    assert "The store cannot be read" in answer.text


def test_names_from_the_store_never_become_markup(tmp_path: Path) -> None:
    with Store(tmp_path / "drivetrain.db") as store:
        store.systems.declare("<b>car</b>", {"<i>camera</i>": "image -> boxes"})
        pages = TestClient(create_app(store))
        for path in ("/", "/systems/<b>car</b>", "/systems/<b>car</b>/matrix"):
            answer = pages.get(path)
            assert answer.status_code == 200
            assert "<b>" not in answer.text
            assert "<i>" not in answer.text


def test_scripts_come_from_here_alone(pages: TestClient) -> None:
    answer = pages.get("/systems/perception/patterns")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "http://" not in answer.text.replace("http://www.w3.org", "")
    assert "https://" not in answer.text
    assert pages.get("/static/plotly.js").headers["content-type"].startswith("text/javascript")


class Nesting(HTMLParser):
    """What is open at the end, and how many first headings there were."""

    EMPTY = frozenset({"meta", "link", "input", "br", "path", "rect", "circle"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.headings += tag == "h1"
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.open.pop() == tag
