"""Pages of small results, and a browser that opens them."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_pages import STUDY, Open, Opened

from theory_sim.config import load_config
from theory_sim.reports.find import StoredStudy
from theory_sim.reports.write import write_report
from theory_sim.runs.run import run
from theory_sim.studies.shelf import StoredRun, find_run

ROOT = Path(__file__).parents[2]
CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def tiny_run(_finished: Path, tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """A finished run, with its page."""
    out = tmp_path_factory.mktemp("pages")
    shutil.copytree(_finished, out / "results")
    found = find_run(str(next((out / "results").glob("*/*"))))
    write_report(found)
    return found


@pytest.fixture(scope="session")
def wide_run(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """A run at the width that the theory asks for, with its page."""
    out = tmp_path_factory.mktemp("wide")
    small = ["data.dim=128", "replicas=2", "training.steps=6", "test.samples=20", "test.curve_samples=10"]
    found = find_run(str(run(load_config(ROOT / "configs" / "theory_scale.yaml", small), out, "cpu").folder))
    write_report(found)
    return found


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    """A finished study, with its page."""
    from theory_sim.studies.decision import run_study
    from theory_sim.studies.study import load_study

    out = tmp_path_factory.mktemp("study")
    (out / "noise.yaml").write_text(STUDY)
    done, _ = run_study(load_study(out / "noise.yaml"), out=out, device="cpu", jobs=0)
    found = StoredStudy("study", done.folder)
    write_report(found)
    return found


@pytest.fixture(scope="session")
def image_study(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    """A finished study on real images, with its page."""
    from theory_sim.pretraining.config import load_study
    from theory_sim.pretraining.study import run_study

    settings = ["name=tiny", "seeds=2", "labels.functions=[level(1), leaf]", "model.width=4", "pretraining.steps=6"]
    settings += ["transfer={modes: [finetune, none], steps: [2]}"]
    outcome = run_study(load_study(None, settings), tmp_path_factory.mktemp("images"))
    found = StoredStudy("images", outcome.folder)
    write_report(found)
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no browser: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="there is no driver of a browser: pip install playwright")
    with sync_api.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Open a file, and wait until all is drawn."""
    contexts = []

    def opened(file: Path, width: int = 1400, scheme: str = "light", **more: Any) -> Opened:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True, **more)
        contexts.append(context)
        found = Opened(context.new_page())
        found.page.set_default_timeout(90_000)  # other work may take both cores
        found.page.on("console", lambda message: found.faults.append(message.text))
        found.page.on("pageerror", lambda error: found.faults.append(str(error)))
        found.page.on("request", lambda request: found.requests.append(request.url))
        found.page.goto(file.as_uri())
        found.page.wait_for_selector("html[data-drawn=yes]", state="attached")
        found.requests = [url for url in found.requests if url != file.as_uri() and not url.startswith(("data:", "blob:"))]
        return found

    yield opened
    for context in contexts:
        context.close()
