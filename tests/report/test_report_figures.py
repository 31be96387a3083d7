"""Figures: every one in three formats with its alternative text inside, without withheld numbers."""

from __future__ import annotations

import json
import re
import zlib
from io import BytesIO

import pytest

from implstats.report.book import open_book
from implstats.report.figures import graph, paths
from implstats.report.figures.distributions import edges_of
from implstats.report.figures.style import TALLEST

KINDS = ("svg", "pdf", "png")
FIVE = {"missing", "distributions", "trajectories", "coefficients", "path-measurement", "path-pathways"}
# A figure may be this many pixels per inch; 200 dpi is what print asks for.
DPI = 200


def listing(folder):
    """Return alt.json."""
    return json.loads((folder / "figures" / "alt.json").read_text(encoding="utf-8"))


def test_the_study_of_five_waves_has_all_kinds(five_waves):
    assert set(listing(five_waves)) == FIVE


def test_every_figure_has_three_files_and_a_sentence(five_waves, one_wave):
    for folder in (five_waves, one_wave):
        for name, entry in listing(folder).items():
            for kind in KINDS:
                assert (folder / "figures" / f"{name}.{kind}").stat().st_size > 1000
            assert entry["alt"].endswith(".")
            assert len(entry["alt"].split()) > 8


def test_alt_text_names_the_main_reading(five_waves):
    alt = {name: entry["alt"] for name, entry in listing(five_waves).items()}
    assert "Mean Job satisfaction rose from 3.24 at Wave 1 to 3.45 at Wave 5." in alt["distributions"]
    assert "Most are missing for Age in years at Wave 5 (31.6%)" in alt["missing"]
    assert "1 institution had too few persons" in alt["trajectories"]
    assert "The interval excludes zero for Time (0.05; Does job satisfaction change?)" in alt["coefficients"]
    assert "loadings run from .71 to .77" in alt["path-measurement"]
    assert "Job satisfaction to Readiness (.37)" in alt["path-pathways"]


def test_alt_text_is_inside_the_files(five_waves):
    from PIL import Image

    for name, entry in listing(five_waves).items():
        folder = five_waves / "figures"
        with Image.open(folder / f"{name}.png") as image:
            assert image.text["Description"] == entry["alt"]
            assert image.width == int(6.5 * DPI)
            assert image.height <= TALLEST * DPI
        assert "<dc:description>" in (folder / f"{name}.svg").read_text(encoding="utf-8")
        assert b"/Subject" in (folder / f"{name}.pdf").read_bytes()


def test_pdf_embeds_its_fonts_and_has_no_clock(five_waves):
    for path in (five_waves / "figures").glob("*.pdf"):
        data = path.read_bytes()
        assert b"/FontFile2" in data
        assert b"/CreationDate" not in data


def test_every_figure_of_simulated_data_says_so(five_waves, one_wave):
    for path in (five_waves / "figures").glob("*.svg"):
        assert "SYNTHETIC DATA</text>" in path.read_text(encoding="utf-8")
    for path in (one_wave / "figures").glob("*.svg"):
        assert "SYNTHETIC" not in path.read_text(encoding="utf-8")


def test_failed_model_is_in_no_figure(five_waves):
    text = (five_waves / "figures" / "coefficients.svg").read_text(encoding="utf-8")
    assert "Do hospitals change" not in text
    assert "Intercept" not in text


def test_withheld_bins_are_hatched(five_waves):
    text = (five_waves / "figures" / "distributions.svg").read_text(encoding="utf-8")
    assert "withheld" in text
    # Three scales, five waves, two withheld bins each.
    assert len(re.findall(r"fill: ?url\(#h", text)) == 3 * 5 * 2


@pytest.mark.parametrize(("term", "ends"), [("[1, 1.5)", (1, 1.5)), ("[-2, 3e1]", (-2, 30))])
def test_bins_are_read(term, ends):
    assert edges_of(term) == ends


def test_bin_that_is_none_is_refused():
    with pytest.raises(ValueError, match="is not a bin"):
        edges_of("low")


def test_layers_follow_the_longest_way_and_circles_end():
    def edge(start, end):
        return graph.Edge(start=start, end=end, op="~", value=1.0, p_value=None, clear=True)

    chain = [edge("a", "b"), edge("b", "c"), edge("a", "c")]
    assert graph.layers_of(["a", "b", "c"], chain) == {"a": 0, "b": 1, "c": 2}
    circle = [edge("a", "b"), edge("b", "a")]
    assert set(graph.layers_of(["a", "b"], circle)) == {"a", "b"}


def test_nodes_of_a_path_diagram_do_not_overlap(five_waves):
    book = open_book(five_waves)
    for analysis, layout in (
        ("pathways", graph.structural_layout),
        ("measurement", graph.measurement_layout),
    ):
        nodes, (width, height) = layout(book, graph.edges_of_model(book, analysis))
        found = list(nodes.values())
        for i, one in enumerate(found):
            assert one.x - one.width / 2 >= 0
            assert one.x + one.width / 2 <= width
            assert one.y - one.height / 2 >= 0
            assert one.y + one.height / 2 <= height
            for other in found[i + 1 :]:
                apart_x = abs(one.x - other.x) >= (one.width + other.width) / 2
                apart_y = abs(one.y - other.y) >= (one.height + other.height) / 2
                assert apart_x or apart_y, (one.name, other.name)


def test_arrow_is_dashed_when_its_interval_includes_zero(five_waves):
    edges = {(e.start, e.end): e for e in graph.edges_of_model(open_book(five_waves), "pathways")}
    assert edges["AGE", "commitment"].clear
    assert not edges["TENURE", "commitment"].clear
    assert edges["satisfaction", "readiness"].value == 0.38 * 0.98


def test_an_arrow_ends_at_the_border_of_its_node():
    node = graph.Node(name="a", label="a", x=1, y=1, width=2, height=1, latent=False, font=8)
    assert paths.border(node, (5, 1)) == (2, 1)
    assert paths.border(node, (1, 5)) == (1, 1.5)


@pytest.mark.parametrize("n_clusters", [12, 43, 99])
def test_caterpillar_takes_any_number_of_clusters(tmp_path, make_one_wave, n_clusters):
    from matplotlib import rc_context

    from implstats.report.figures.style import RC
    from implstats.report.figures.trajectories import trajectory_figures

    make_one_wave(tmp_path, n_clusters)
    with rc_context(RC):
        (spec,) = trajectory_figures(open_book(tmp_path))
        spec.figure.savefig(BytesIO(), dpi=50)
    assert spec.figure.get_figheight() <= TALLEST
    assert f"{n_clusters} companies" in spec.alt or f"{n_clusters} companys" in spec.alt
    labels = [t for t in spec.figure.axes[0].get_yticklabels() if t.get_text()]
    assert len(labels) == (n_clusters - 1 if n_clusters <= 30 else 0)


def test_measurement_model_of_57_items_fits_the_page(tmp_path, make_one_wave):
    make_one_wave(tmp_path, 12, items=19)
    book = open_book(tmp_path)
    edges = graph.edges_of_model(book, "measurement:satisfaction")
    nodes, (_, height) = graph.measurement_layout(book, edges)
    assert height <= TALLEST
    assert len(nodes) == 3 * 19 + 3
    # Below five points nobody reads a label in print.
    assert min(node.font for node in nodes.values()) >= 5


def test_png_is_sound(five_waves):
    data = (five_waves / "figures" / "missing.png").read_bytes()
    assert zlib.crc32(data) != 0
    assert data.endswith(b"IEND\xaeB`\x82")
