"""The study of Ho et al. (arXiv:2412.10665): pretraining, five tasks, and every table and figure of the paper.

    MAKE="examples/simulate.py --preset ho --lhe-dir DIR --output runs/ho/samples"
    python $MAKE --parts pretraining --events 200000; python $MAKE --parts finetuning test control --events 14000
    python examples/ho_study.py --size small

Stages: ``pretrain`` the networks on twelve processes, ``finetune`` (all trainings of the tasks), and the reports
``table1`` (accuracy and gain), ``table3`` (CKA), ``figure1`` (cost); ``all`` does everything, ``recorded`` reports on
all records of the tasks, whatever plan they are of. Whatever is finished is kept and not done again while data, code
and arguments are the same: networks in --output, trainings as lines of --records, from which the reports are made.
Figures published earlier (--earlier) are printed beside.
``--size small`` takes about six hours on two cores, ``published`` is the paper's size for a cluster of GPUs.
"""

from pathlib import Path

from pyg_hep import command
from pyg_hep.studies import command as steps
from pyg_hep.studies.ho import recipes, report

STAGES = ("pretrain", "finetune", "table1", "table3", "figure1", "all", "recorded")
REPORTS = STAGES[2:5]


def main() -> None:
    """Whatever the stage asks for and is not done yet."""
    results = Path(__file__).parent / "results"
    parser = steps.study_options(__doc__, "ho", STAGES, recipes.SIZES, results, earlier="48ebf3f")
    parser.add_argument("--groups", type=list[str], default=list(recipes.GROUPS), help="trainings of stage finetune")
    parser.add_argument("--models", type=list[str] | None, default=None, help="networks of stage pretrain; all")
    parser.add_argument("--retrain", action="store_true", help="train the networks that come with the package too")
    options = parser.parse_args()
    command.check_names(options.groups, recipes.GROUPS)
    study = steps.changed(recipes.SIZES[options.size], options.study)
    output = command.start_run(options.output, parser, options)
    place = steps.place_of("ho", options)

    jobs = recipes.pretrainings(study, place)
    if options.models is not None:
        command.check_names(options.models, [job.name for job in jobs])
        if options.stage == "pretrain":
            jobs = [job for job in jobs if job.name in options.models]
    pretrained = steps.pretrain_stage(jobs, options, options.retrain)
    if options.stage == "pretrain":
        return

    runs = [run for group in options.groups for run in recipes.plan_group(group, study, jobs, place)]
    tasks = {run.task.name for run in runs}
    records = steps.recorded(options, *tasks) if options.stage == "recorded" else steps.finetune_stage(runs, options)
    stages = REPORTS if options.stage in ("all", "recorded") else {options.stage}.intersection(REPORTS)
    if stages:
        pretrained += report.published_pretrainings(jobs, pretrained, Path(options.earlier))
        made = report.make(stages, runs, records, pretrained, output, study.cka_models)
        made["earlier"] = report.beside_earlier(records, Path(options.earlier))
        steps.write_report(made, options)


if __name__ == "__main__":
    command.run(main)
