"""The study of Bumblebee (arXiv:2412.07867): masked four-vectors over both levels of dileptonic top pairs, and uses.

    python examples/simulate.py --preset bumblebee --events 400000 --output runs/bumblebee/samples
    python examples/bumblebee_study.py --size small

Stages: ``tops`` (networks, trees and classical methods reconstruct m(ttbar)); ``ablation`` (each table of the embedding
left out); ``finetune`` (toponium and initial state, with the networks of ``tops``); ``report`` (tables and figures 2A,
2B, 2C and 3); ``all`` does everything, and ``recorded`` reports on all of --records, whatever calls trained it.
Whatever is finished is kept and not done again while data, code and arguments are the same: networks in --output,
trainings as lines of --records. ``--size small`` is a transformer of 0.2 million parameters for two cores (about six
hours), ``published`` and ``large_batch`` the 57 million of the paper for a GPU.
"""

from pathlib import Path

from pyg_hep import command
from pyg_hep.studies.bumblebee import recipes, report
from pyg_hep.studies.command import changed, finetune_stage, place_of, recorded, study_options, write_report

STAGES = ("tops", "ablation", "finetune", "report", "all", "recorded")
TASKS = {"tops": ("tops",), "ablation": ("ablation",), "finetune": ("toponium", "initial_state")}


def main() -> None:
    """Whatever the stage asks for and is not done yet."""
    results = Path(__file__).parent / "results"
    parser = study_options(__doc__, "bumblebee", STAGES, recipes.SIZES, results, earlier=None)
    options = parser.parse_args()
    study = changed(recipes.SIZES[options.size], options.study)
    study.check()
    output = command.start_run(options.output, parser, options)
    if options.stage == "recorded":
        write_report(report.make({name: recorded(options, *tasks) for name, tasks in TASKS.items()}, output), options)
        return
    place = place_of("bumblebee", options)

    tops = recipes.plan_tops(study, place)
    plans = {"tops": tops, "ablation": recipes.plan_ablation(study, place)}
    records = {name: finetune_stage(runs, options, name) for name, runs in plans.items()}
    if options.stage in ("finetune", "report", "all"):
        records["finetune"] = finetune_stage(recipes.plan_finetuning(study, place, tops), options, "finetune")
    if options.stage in ("report", "all"):
        write_report(report.make(records, output), options)


if __name__ == "__main__":
    command.run(main)
