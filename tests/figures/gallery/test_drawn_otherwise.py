"""The command with another width, style, palette or format, and from CSV files: what it writes, and what it refuses."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from drawn import command
from matplotlib.figure import Figure

from theory_sim.figures import FIGURES, Look
from theory_sim.figures.gallery.drawing import _write, save
from theory_sim.figures.gallery.formats import chosen
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.outputs import LEDGER, check_ours

PUBLISHED = Path(__file__).parents[3] / "paper_figs"

pytestmark = pytest.mark.usefixtures("elsewhere")


def _width(picture: str) -> int:
    """Pixels, from the header of a PNG file."""
    return int.from_bytes(Path(picture).read_bytes()[16:20])


def test_finished_figures_are_drawn_again_from_their_csv_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is run; the numbers are the same to the byte; the page names where they are from and how they look."""
    monkeypatch.setattr("theory_sim.figures.gallery.making.tables", lambda *_: pytest.fail("computed again"))
    looks = ("--width", "3.3", "--palette", "deep", "--format", "svg,png,svg")
    outcome = command("responses", "dimension", "--from", PUBLISHED, "--out", "column", *looks)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [f"column/{name}: svg, png, csv" for name in ("responses", "dimension")]
    files = {path.name for path in Path("column").iterdir() if not path.name.startswith(".")}
    assert files == {f"{name}.{suffix}" for name in ("responses", "dimension") for suffix in ("svg", "png", "csv")} | {
        "README.md"
    }
    for name in ("responses", "dimension"):
        assert Path(f"column/{name}.csv").read_bytes() == (PUBLISHED / f"{name}.csv").read_bytes()
        assert _width(f"column/{name}.png") == 495
        assert 'width="237.6pt"' in Path(f"column/{name}.svg").read_text()
    page = Path("column/README.md").read_text()
    entry = page[page.index("## responses") : page.index("## dimension")]
    assert "![responses](responses.png)" in entry
    assert "- files: [responses.svg](responses.svg), [responses.csv](responses.csv)\n" in entry
    assert "- width: 3.3 inches" in entry
    assert f"- numbers: {PUBLISHED}/responses.csv" in entry
    assert "configuration:" not in entry
    assert (
        f"theory-sim figures --out column --from {PUBLISHED} --width 3.3 --palette deep --format svg,png,svg responses" in entry
    )
    again = command("responses", "--from", PUBLISHED, "--out", "column", "--width", "5")
    assert again.code == 0, "files of another look are ours"
    assert _width("column/responses.png") == 750


def test_all_figures_that_have_numbers_are_drawn(tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    shutil.copy(PUBLISHED / "dimension.csv", tmp_path / "few")
    outcome = command("--from", tmp_path / "few", "--out", "again", "--format", "png")
    assert outcome.code == 0
    first, *waiting = outcome.out.splitlines()
    assert first == "again/dimension: png, csv"
    assert f"responses: waits, there is no {tmp_path}/few/responses.csv" in waiting
    assert len(waiting) == len(FIGURES) - 1


def test_the_page_shows_no_picture_that_it_cannot_show() -> None:
    assert command("dimension", "--from", PUBLISHED, "--out", "print", "--format", "eps").code == 0
    page = Path("print/README.md").read_text()
    assert "![" not in page
    assert "- files: [dimension.eps](dimension.eps), [dimension.csv](dimension.csv)\n" in page


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--width", "3"), "width 3: figures are 3.3 to 40 inches wide"),
        (("--style", "absent.mplstyle"), "style 'absent.mplstyle' is no file"),
        (("--palette", "nothing"), "palette 'nothing': 'nothing' is not a valid palette name"),
        (("--format", "pdf,doc"), "unknown format 'doc'; there are avif, eps, gif"),
        (("--format", "csv"), "format 'csv': the numbers are always written as CSV"),
        (("--format", ""), "unknown format ''"),
        (("--format", "pgf"), "format 'pgf' needs LaTeX, and there is no command xelatex: install it, or name another one"),
        (("--check", "--width", "4"), "--check draws nothing: leave --width out"),
        (("--check", "--format", "png"), "--check draws nothing: leave --format out"),
        (("--from", "."), "--from needs --out FOLDER"),
        (("--smoke", "--from", ".", "--out", "x"), "--smoke has a configuration of its own: leave --from out"),
        (("--from", "nowhere", "--out", "x"), "cannot read nowhere/responses.csv: No such file or directory"),
    ],
)
def test_wrong_options_are_told_before_anything_is_run(
    options: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("theory_sim.figures.gallery.making.tables", lambda *_: pytest.fail("the work started"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command("responses", *options).complaint.startswith(said)
    assert not any(path.suffix in (".png", ".pdf", ".csv") for path in tmp_path.rglob("*"))


@pytest.mark.parametrize(("content", "said"), [("a,b\n1,2\n", "is no table of this version of the figure"), ("", "cannot read ")])
def test_a_foreign_csv_file_is_told(content: str, said: str) -> None:
    Path("dimension.csv").write_text(content)
    complaint = command("dimension", "--from", ".", "--out", "x").complaint
    assert said in complaint
    assert "dimension.csv" in complaint
    assert not Path("x/dimension.csv").exists()


def test_a_users_picture_in_another_format_is_kept() -> None:
    Path("x").mkdir()
    Path("x/dimension.svg").write_text("mine")
    complaint = command("dimension", "--from", PUBLISHED, "--out", "x", "--format", "svg").complaint
    assert complaint.startswith("x/dimension.svg was not written by theory-sim, and would be overwritten")
    assert Path("x/dimension.svg").read_text() == "mine"


@pytest.mark.parametrize("suffix", ["pdf", "png", "svg"])
def test_the_same_table_gives_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    table = pd.read_csv(PUBLISHED / "rare_growth.csv")
    for folder in ("a", "b"):
        save(FIGURES["rare_growth"], table, tmp_path / folder, Look(4.0), [suffix])
    one, other = ((tmp_path / folder / f"rare_growth.{suffix}").read_bytes() for folder in ("a", "b"))
    assert one == other


def test_pgf_code_has_its_images_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It named images by the temporary file beside its place, and left them there."""
    # Without texts this is all that LaTeX is asked for.
    command = r"\includegraphics"
    monkeypatch.setattr("matplotlib.backends.backend_pgf._get_image_inclusion_command", lambda: command)
    picture = Figure()
    picture.add_axes((0, 0, 1, 1)).imshow([[0.0, 1.0]])
    picture.axes[0].set_axis_off()
    _write(picture, Path("map.pgf"), {})
    images = re.findall(r"\\includegraphics\[[^]]*\]\{([^}]+)\}", Path("map.pgf").read_text())
    assert images
    assert {path.name for path in Path().iterdir()} == {"map.pgf", LEDGER, *images}
    check_ours(path for path in Path().iterdir() if path.name != LEDGER)


@pytest.mark.skipif(
    shutil.which("xelatex") is None,
    reason="PGF code is made by XeLaTeX, which is not installed: apt install texlive-xetex texlive-pictures lmodern",
)
@pytest.mark.parametrize("name", ["times", "data_model", "theorem_coarse"])
def test_a_document_takes_pgf_code(name: str) -> None:
    """With the preamble that the file's first lines name."""
    assert command(name, "--from", PUBLISHED, "--out", ".", "--width", "3.3", "--format", "pgf").code == 0
    comments = [line[5:] for line in Path(f"{name}.pgf").read_text(encoding="utf-8").splitlines() if line.startswith("%%   ")]
    preamble = "\n".join(line for line in comments if "<filename>" not in line)
    document = f"\\documentclass{{article}}\n{preamble}\n\\begin{{document}}\\input{{{name}.pgf}}\\end{{document}}\n"
    Path("page.tex").write_text(document, encoding="utf-8")
    subprocess.run(["xelatex", "-halt-on-error", "page.tex"], check=True, capture_output=True)
    assert Path("page.pdf").stat().st_size > 1000
    assert "Missing character" not in Path("page.log").read_text(encoding="utf-8", errors="replace")


def test_formulas_name_greek_letters_by_commands() -> None:
    """LaTeX left out the σ of ``$σ_0/4$``."""
    for path in (PUBLISHED.parent / "theory_sim" / "figures").rglob("*.py"):
        assert not re.findall(r"\$[^$\n]*[^\x00-\x7f$][^$\n]*\$", path.read_text(encoding="utf-8")), path


def test_a_broken_latex_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "brokentex"
    program.write_text(f"#!{sys.executable}\nraise SystemExit(1)\n")
    program.chmod(0o755)
    (tmp_path / "own.mplstyle").write_text("pgf.texsystem: pdflatex\npgf.preamble: \\usepackage{absent}\n")
    program.rename(tmp_path / "pdflatex")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(InputError, match=r"^format 'pgf' cannot be written here: LaTeX errored"):
        chosen("pgf", Look(style=tmp_path / "own.mplstyle"))


def test_a_folder_without_numbers_is_refused() -> None:
    """An empty gallery was once written, with exit code 0."""
    Path("empty").mkdir()
    for folder, reason in (("absent", "there is no such folder"), ("empty", "the folder has no CSV file of a figure")):
        assert command("--from", folder, "--out", "column").complaint == f"--from {folder}: {reason}"
    assert not Path("column").exists()
