"""The study of Kishimoto et al. (ISGC 2025): learning from unlabelled collisions which object does not belong.

    python examples/simulate.py --preset kishimoto --events 250000 --output runs/kishimoto/samples
    python examples/kishimoto_study.py --size small

Stages: ``pretrain`` transformers on unlabelled events, with and without Lorentz augmentation; ``finetune`` (all
trainings of the four tasks); ``report`` (figures 3 to 5 of the paper and their tables); ``all`` does everything.
Whatever is finished is kept and not done again while data, code and arguments are the same: networks in --output,
trainings as lines of --records. Figures published earlier (--earlier) are printed beside. With --collisions the
unlabelled events are files of yours, such as the NanoAOD of CERN Open Data records 30517 and 30550.
``--size small`` is a smaller transformer for two cores, ``published`` the paper's for a GPU.
"""

from pathlib import Path

from pyg_hep import command
from pyg_hep.studies.command import changed, finetune_stage, place_of, pretrain_stage, study_options, write_report
from pyg_hep.studies.kishimoto import recipes, report

STAGES = ("pretrain", "finetune", "report", "all")


def main() -> None:
    """Whatever the stage asks for and is not done yet."""
    results = Path(__file__).parent / "results"
    parser = study_options(__doc__, "kishimoto", STAGES, recipes.SIZES, results, earlier="23a25f7")
    parser.add_argument(
        "--collisions", type=list[str], default=[], help="NanoAOD files, folders or patterns to pretrain on"
    )
    options = parser.parse_args()
    study = changed(recipes.SIZES[options.size], options.study)
    study.check()
    output = command.start_run(options.output, parser, options)
    place = place_of("kishimoto", options)

    jobs = recipes.pretrainings(study, place, options.collisions)
    pretrained = pretrain_stage(jobs, options)
    if options.stage == "pretrain":
        return
    records = finetune_stage(recipes.plan_study(study, jobs, place), options)
    if options.stage in ("report", "all"):
        write_report(report.make(study, records, pretrained, output, Path(options.earlier)), options)


if __name__ == "__main__":
    command.run(main)
