"""Looks that a user asks for: widths, styles and palettes, and what is wrong with them in one line."""

from pathlib import Path

import matplotlib
import pandas as pd
import pytest
from matplotlib.colors import same_color

from theory_sim.figures import FIGURES, Look
from theory_sim.figures.common import style
from theory_sim.figures.common.look import ROLES
from theory_sim.runtime.errors import InputError

PUBLISHED = Path(__file__).parents[3] / "paper_figs"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.mplstyle"
    path.write_text("axes.grid: True\nfont.size: 9\nsavefig.bbox: tight\nfigure.figsize: 1, 1\n# a comment\n")
    return path


def test_a_style_is_applied_on_top_and_sizes_stay_with_the_width(own: Path) -> None:
    before = dict(matplotlib.rcParams)
    with style.applied(Look(style=own)):
        assert matplotlib.rcParams["axes.grid"] is True
        assert matplotlib.rcParams["font.size"] == 9
        assert matplotlib.rcParams["axes.linewidth"] == 0.7, "the gallery's"
        assert matplotlib.rcParams["savefig.bbox"] is None
    assert dict(matplotlib.rcParams) == before
    picture = FIGURES["responses"].paint(pd.read_csv(PUBLISHED / "responses.csv"), Look(style=own))
    assert picture.get_figwidth() == style.PAGE
    assert all(line.get_visible() for ax in picture.axes for line in ax.get_ygridlines())


@pytest.mark.parametrize("palette", ["deep", "#1b9e77, #d95f02, #7570b3, #e7298a"])
def test_a_palette_colours_the_roles_and_is_put_back(palette: str) -> None:
    """Colours that were read at import did not change: the boxes of the data model, the line of the predicted border."""
    gallery, look = dict(style.PALETTE), Look(palette=palette)
    assert list(look.colors) == list(ROLES)
    with style.applied(look):
        assert {role: style.PALETTE[role] for role in ROLES} == look.colors
        assert style.PALETTE["noise"] == gallery["noise"]
    assert gallery == style.PALETTE
    for name in ("data_model", "phase", "theorem_coarse", "imagenet21k_levels", "granularity"):
        picture = FIGURES[name].paint(pd.read_csv(PUBLISHED / f"{name}.csv"), look)
        used = {str(color).upper() for color in _colors(picture)}
        assert not used & {gallery[role].upper() for role in ROLES}, name


def _colors(picture):
    for artist in picture.findobj():
        for get in ("get_color", "get_facecolor", "get_edgecolor", "get_markerfacecolor"):
            value = getattr(artist, get, lambda: None)()
            try:
                yield matplotlib.colors.to_hex(value)
            except (ValueError, TypeError):  # none, or several
                continue


def test_a_nested_context_has_its_own_colours() -> None:
    with style.applied(Look(palette="red,green,blue,black")):
        with style.applied():
            assert style.PALETTE["rare"] == style._GALLERY["rare"]
        assert same_color(style.PALETTE["rare"], "green")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"width": 3.0}, "width 3: figures are 3.3 to 40 inches wide"),
        ({"width": float("nan")}, "width nan: figures are 3.3 to 40 inches wide"),
        ({"width": 84}, "width 84: figures are"),
        ({"style": "no such"}, "style 'no such' is no file and no style of matplotlib; its styles are Solarize_Light2, bmh,"),
        (
            {"palette": "no such"},
            "palette 'no such': 'no such' is not a valid palette name: name a palette of seaborn",
        ),
        ({"palette": "red,blue,#12,green"}, "'#12'"),
        ({"palette": "red,blue"}, "has 2 different colours: it needs 4, for common, rare, coarse, fine"),
        ({"palette": "red,#FF0000,blue,green"}, "has 3 different colours: it needs 4"),
    ],
)
def test_wrong_looks_are_told(wrong: dict, said: str) -> None:
    with pytest.raises(InputError) as error:
        Look(**wrong)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("axes.grid: maybe", "Cannot convert 'maybe' to bool"),
        ("font.sze: 9", "Bad key font.sze in file"),
        ("font.size 9", "Missing colon in file"),
        ("text.usetex: True", "text.usetex needs LaTeX, and there is no command latex"),
        (b"font.family: \xff", "codec can't decode byte"),
    ],
)
def test_wrong_lines_of_a_style_are_told(text: str | bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matplotlib skips them with a warning."""
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "wrong.mplstyle"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=r"^style .*wrong\.mplstyle: [^\n]+$") as error:
        Look(style=path)
    assert said in str(error.value)
