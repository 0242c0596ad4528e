from pathlib import Path

from pyg_hep.studies.command import place_of, study_options


def test_every_training_of_a_study_has_one_thread_however_many_there_are(tmp_path):
    parser = study_options("a study", "ho", ("all",), ("small",), tmp_path, earlier=None)
    for workers in (1, 2):
        options = parser.parse_args(["--workers", str(workers), "--output", str(tmp_path)])
        place = place_of("ho", options)
        assert (place.threads, place.output) == (1, Path(tmp_path))
