"""The study of Abasov et al.: hidden variables of objects, then the number of top quarks, then new physics by entropy.

    python examples/simulate.py --preset abasov --lhe-dir DIR --events 20000 --output runs/abasov/samples
    python examples/abasov_study.py --size small

Stages: ``pretrain`` (level 1: the four variants learn hidden variables; one also estimates generated W bosons and top
quarks); ``finetune`` (level 2: 0 to 4 top quarks, with and without level 1, and boosted trees); ``report`` (level 1
errors and views of the representation, level 2 AUC and confusion, entropy of events with a dark-matter mediator);
``all`` does everything. Whatever is finished is kept and not done again while data, code and arguments are the same:
networks in --output, trainings as lines of --records. Figures published earlier (--earlier) are printed beside.
``--size small`` is for two cores, ``published`` for a GPU and the slides' eight million events.
"""

from pathlib import Path

from pyg_hep import command
from pyg_hep.studies.abasov import recipes, report
from pyg_hep.studies.abasov.samples import searched
from pyg_hep.studies.command import changed, finetune_stage, place_of, pretrain_stage, study_options, write_report

STAGES = ("pretrain", "finetune", "report", "all")


def main() -> None:
    """Whatever the stage asks for and is not done yet."""
    results = Path(__file__).parent / "results"
    parser = study_options(__doc__, "abasov", STAGES, recipes.SIZES, results, earlier="e342a7c")
    options = parser.parse_args()
    study = changed(recipes.SIZES[options.size], options.study)
    study.check()
    output = command.start_run(options.output, parser, options)
    place = place_of("abasov", options)

    jobs = recipes.pretrainings(study, place)
    pretrained = pretrain_stage(jobs, options)
    if options.stage == "pretrain":
        return
    runs = recipes.plan_study(study, jobs, place)
    records = finetune_stage(runs, options)
    if options.stage in ("report", "all"):
        made = report.make(runs, records, pretrained, jobs, searched(place), output, Path(options.earlier))
        write_report(made, options)


if __name__ == "__main__":
    command.run(main)
