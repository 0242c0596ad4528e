import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.readers import load_card

CARD = "name: mine\nobjects:\n  jet:\n    kind: jet\n    collection: Jet\n"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("    cuts: [pt > 20]\n    unit: MeV\n    cuts: [pt > 30]\n", r"line 8: .*the key 'cuts' is there twice"),
        ("on_invalid: drop\non_invalid: error\n", r"line 7: .*the key 'on_invalid' is there twice"),
        ("\tkeep: {a: n_jet}\n", r"line \d: .*blanks, not with tabs"),
        ("keep: {a: PV_z[:,1]}\n", r"line 6: .*an expression with brackets, commas, colons or # needs quotes"),
    ],
)
def test_what_is_no_yaml_is_explained_with_its_line(tmp_path, lines, message):
    path = tmp_path / "mine.yaml"
    path.write_text(CARD + lines)
    with pytest.raises(ConfigError, match=message) as error:
        load_card(path)
    assert str(path) in str(error.value)


def test_null_undoes_what_a_card_takes_from_another(tmp_path):
    (tmp_path / "base.yaml").write_text(CARD + "tree: Events\nselection: [n_jet > 2]\n")
    (tmp_path / "mine.yaml").write_text("extends: base.yaml\ntree: null\nselection: null\n")
    card = load_card(tmp_path / "mine.yaml")
    assert (card.tree, card.selection, list(card.objects)) == (None, (), ["jet"])
    with pytest.raises(ConfigError, match="key 'objects': is required"):
        load_card({"extends": str(tmp_path / "base.yaml"), "objects": None})
    jet = {"kind": "jet", "collection": "Jet", "at_most": None, "unit": None}
    assert load_card({"name": "a", "objects": {"jet": jet}}).objects["jet"].at_most is None
