import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.readers import load_card

CARD = "name: mine\nobjects:\n  jet:\n    kind: jet\n    collection: Jet\n"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "    define: {m: max(pt, 20)}\n",
            r"'objects\.jet\.define': the comma in 'max\(pt, 20\)' .*quote the expression",
        ),
        ("    cuts: [max(pt, 20) > 30]\n", r"'objects\.jet\.cuts': the comma in 'max\(pt, 20\) > 30'"),
        ("    define: {a: 2 * pt, m: where(pt > 1, 2, 3)}\n", r"the comma in 'where\(pt > 1, 2, 3\)'"),
        ("keep: {on: n_jet}\n", r"key 'keep': YAML reads a bare yes, no, on or off as true: quote the key"),
    ],
)
def test_slips_are_explained(tmp_path, lines, message):
    path = tmp_path / "mine.yaml"
    path.write_text(CARD + lines)
    with pytest.raises(ConfigError, match=message) as error:
        load_card(path)
    assert str(path) in str(error.value)


def test_quoted_expressions_and_merged_mappings_are_no_slips(tmp_path):
    path = tmp_path / "mine.yaml"
    lines = "  other: {<<: &common {kind: jet, unit: MeV}, collection: Fat, unit: TeV, define: {m: 'max(pt, 20)'}}\n"
    path.write_text(CARD + lines + "  third: {<<: *common, collection: Third}\n")
    objects = load_card(path).objects
    assert objects["other"].define["m"].text == "max(pt, 20)"
    assert (objects["other"].unit, objects["third"].unit) == ("TeV", "MeV")
