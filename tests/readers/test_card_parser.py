import copy
import dataclasses
import json

import pytest
import yaml

from pyg_hep.errors import ConfigError
from pyg_hep.readers import Card, load_card, shipped_cards
from pyg_hep.schema import ObjectType

MINIMAL = {"name": "mine", "objects": {"jet": {"kind": "jet", "collection": "Jet", "cuts": ["pt > 20"]}}}


def broken(path, value):
    content = copy.deepcopy(MINIMAL)
    *parents, last = path
    place = content
    for key in parents:
        place = place[key]
    place[last] = value
    return content


def test_every_shipped_card_is_valid_and_named_like_its_file():
    cards = shipped_cards()
    assert {"simulated_events", "cms_nanoaod"} <= set(cards)
    for name, path in cards.items():
        assert load_card(path).name == name
        assert load_card(name).name == name


def test_ho_card_has_the_published_object_cuts():
    # Ho et al., arXiv:2412.10665, section II.
    objects = load_card("simulated_events").objects
    cuts = {name: [cut.text for cut in o.cuts] for name, o in objects.items()}
    assert cuts["photon"] == ["pt >= 20", "abs(eta) <= 2.37", "not 1.37 < abs(eta) < 1.52"]
    assert cuts["electron"] == ["pt >= 10", "abs(eta) <= 2.47", "not 1.37 < abs(eta) < 1.52"]
    assert cuts["muon"] == ["pt >= 10", "abs(eta) <= 2.7"]
    assert cuts["jet"] == ["pt >= 25", "abs(eta) <= 2.5"]
    assert objects["jet"].overlap.delta_r == 0.4
    assert set(objects["jet"].overlap.objects) == {"photon", "electron", "muon"}


def test_card_is_given_as_path_name_mapping_or_card(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    card = load_card(path)
    assert isinstance(card, Card)
    assert card.objects["jet"].kind is ObjectType.JET
    assert load_card(card) is card
    assert load_card(MINIMAL).as_dict() == card.as_dict()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("objekts",), {}, "key 'objekts': unknown key, did you mean 'objects'"),
        (("objects", "jet", "cutz"), [], "key 'objects.jet.cutz': unknown key, did you mean 'cuts'"),
        (("objects", "jet", "kind"), "jets", "key 'objects.jet.kind'.*did you mean 'jet'"),
        (("objects", "jet", "cuts"), ["pt >"], "key 'objects.jet.cuts'.*'pt >'"),
        (("objects", "jet", "cuts"), "pt > 3", "key 'objects.jet.cuts': expected a list"),
        (("objects", "jet", "overlap"), {"objects": ["muon"]}, "no object 'muon'"),
        (("objects", "jet", "overlap"), {"object": ["jet"]}, "did you mean 'objects'"),
        (("objects", "jet", "at_most"), 0, "key 'objects.jet.at_most'"),
        (("objects", "jet", "btag"), [{"column": "x"}], "key 'objects.jet.btag': give either above"),
        (("objects", "jet", "btag"), [{"column": "x", "above": "y"}], "expected a number"),
        (("objects",), {}, "key 'objects'"),
        (("objects",), [], "key 'objects'"),
        (("reader",), "nanoAOD2", "did you mean 'nanoaod'"),
        (("on_invalid",), "ignore", "key 'on_invalid'"),
        (("weight",), {"negative": "ignore"}, "key 'weight.negative'"),
        (("weight",), {"branches": "w"}, "did you mean 'branch'"),
        (("splits",), {"train": 0.9, "val": 0.3}, "key 'splits'.*at most 1"),
        (("splits",), {"train": "all"}, "key 'splits.train': expected a number"),
        (("selection",), ["n_jet >="], "key 'selection'"),
        (("identity",), {"event": "event"}, "key 'identity.event'"),
        (("objects", "jet", "keep"), {"edge_d0": "dxy"}, r"key 'objects\.jet\.keep\.edge_d0'.*PyG gives that name"),
        (("objects", "jet", "keep"), {"jet_ptr": "dxy"}, r"key 'objects\.jet\.keep\.jet_ptr'.*PyG changes"),
        (("objects", "jet", "keep"), {"charge": "q"}, r"key 'objects\.jet\.keep\.charge'.*of its own"),
        (("objects", "jet", "keep"), {"pt": "2 * pt"}, r"key 'objects\.jet\.keep\.pt'.*another one"),
        (("objects", "jet", "keep"), {"d0": "dxy >"}, r"key 'objects\.jet\.keep\.d0'.*'dxy >'"),
        (("objects", "jet", "keeps"), {"d0": "dxy"}, "did you mean 'keep'"),
        (("fill",), {"d0": -1}, r"key 'fill\.d0': no object keeps 'd0'"),
        (("table",), {}, "key 'table': unknown key, did you mean 'tables'"),
        (("tables",), {"mass_of": {"a": 1}}, r"key 'tables\.mass_of\.a': expected a number, default or tolerance"),
        (("tables",), {"mass_of": {"defualt": 1}}, "did you mean 'default'"),
        (("tables",), {"mass_of": {0.1: "x"}}, r"key 'tables\.mass_of\.0\.1': expected a number"),
        (("tables",), {"sqrt": {0.1: 1}}, r"key 'tables\.sqrt': there is a function of that name"),
        (("tables",), {"mass_of": {}}, r"key 'tables\.mass_of': a table needs at least one key"),
        (("selection",), ["mas_of(n_jet) > 1"], "no function 'mas_of'"),
    ],
)
def test_error_names_file_key_and_nearest_valid_key(tmp_path, path, value, message):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(broken(path, value)))
    with pytest.raises(ConfigError, match=message) as error:
        load_card(file)
    assert str(file) in str(error.value)


def test_missing_required_key_is_named():
    with pytest.raises(ConfigError, match="key 'name': is required"):
        load_card({"objects": MINIMAL["objects"]})


def test_missing_card_names_the_nearest_shipped_one():
    with pytest.raises(ConfigError, match="did you mean 'cms_nanoaod'"):
        load_card("cms_nanoaods")


@pytest.mark.parametrize("content", ["a: [", "- 1\n- 2", "", "!!python/object/apply:os.system ['true']"])
def test_unreadable_yaml_is_one_sentence(tmp_path, content):
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_card(path)


def test_card_takes_from_another_what_it_does_not_give(tmp_path):
    (tmp_path / "base.yaml").write_text(yaml.safe_dump({**MINIMAL, "on_invalid": "error"}))
    (tmp_path / "mine.yaml").write_text("extends: base.yaml\nname: mine\nselection: [n_jet >= 3]\n")
    card = load_card(tmp_path / "mine.yaml")
    assert (card.name, card.on_invalid) == ("mine", "error")
    assert [e.text for e in card.selection] == ["n_jet >= 3"]
    assert set(card.objects) == {"jet"}
    assert load_card({"extends": "ho_nanoaod", "name": "other"}).objects == load_card("ho_nanoaod").objects


def test_cards_that_extend_each_other_in_a_circle_are_an_error(tmp_path):
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(ConfigError, match="in a circle"):
        load_card(tmp_path / "a.yaml")


def test_files_of_a_card_lie_beside_it(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        yaml.safe_dump({**MINIMAL, "files": {"a": "a.root", "b": ["/data/b.root", "root://host//c.root"]}})
    )
    files = load_card(tmp_path / "mine.yaml").files
    assert files == {"a": (str(tmp_path / "a.root"),), "b": ("/data/b.root", "root://host//c.root")}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("label", {"classes": {"a": "x"}, "computed": "ho_multilabel"}, "give one of"),
        ("label", {"computed": "ho_multilabels"}, "did you mean 'ho_multilabel'"),
        ("label", {"computed": "ho_multilabel"}, r"needs 'truth\.higgs'"),
        ("keep", {"jet_index": "n_jet"}, r"'keep\.jet_index'.*PyG changes what has index"),
        ("keep", {"a": "import os"}, "cannot read the cut"),
        ("limits", [{"objects": ["muon"], "at_most": 3}], "no object 'muon'"),
        ("columns", {"a": "b[x]"}, "'x' is no position"),
        ("truth", {"jet": {"collection": "GenPart"}}, "there is an object of the same name"),
        ("name", "../escape", "cannot name a folder"),
        ("weight", {"cross_section": {"a": "b"}}, r"'weight\.cross_section\.a': expected a number"),
        ("records", {"a": "b"}, r"'records\.a': expected a positive integer"),
        ("keep_btag_score", 1, "expected true or false"),
        ("duplicates", "skip", "'duplicates'"),
        ("label", {"regression": {"a": "x"}, "value": "y"}, "give one of"),
        ("label", {"regresion": {"a": "x"}}, "did you mean 'regression'"),
        ("truth", {"top": {"collection": "GenPart", "keep": {"d0": "dxy"}}}, r"'truth\.top\.keep': truth is counted"),
    ],
)
def test_error_of_a_card_wide_key_says_what_is_wrong(key, value, message):
    with pytest.raises(ConfigError, match=message):
        load_card({**MINIMAL, key: value})


def test_new_keys_survive_being_written_as_json_and_read():
    content = copy.deepcopy(MINIMAL)
    content["tables"] = {"mass_of": {0.1: 0.13957, 0: 0.0, "default": 1}, "charge_of": {-211: -1, "tolerance": 0.4}}
    content["objects"]["jet"] |= {
        "keep": {"d0": "dxy", "m": "mass_of(code)"},
        "cuts": ["pt > 20", "jetId >= 2 ?", ["a > 1", "b > 1"]],
    }
    content |= {"fill": {"d0": -1}, "label": {"regression": {"m_top": "GenTop_mass"}}}
    card = load_card(content)
    assert [(cut.text, cut.optional) for cut in card.objects["jet"].cuts] == [
        ("pt > 20", False),
        ("jetId >= 2", True),
        ("a > 1 or b > 1", True),
    ]
    assert card.class_names == ["m_top"]
    assert card.node_columns() == {"d0": "dxy of jet", "m": "mass_of(code) of jet"}
    again = load_card(json.loads(json.dumps(card.as_dict())))
    assert again == dataclasses.replace(card, source=again.source)
    assert again.as_dict() == card.as_dict()
