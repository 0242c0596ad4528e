"""The study of OmniLearn (arXiv:2404.16091, arXiv:2502.14652): ten classes of jets, top tagging, jets from noise.

    python examples/simulate.py --preset omnilearn --jets 20000 --output runs/omnilearn/samples
    python examples/omnilearn_study.py --size small

Stages: ``pretrain`` point-edge transformers (classes with jets from noise, by v-prediction, by flow matching and
with noise on ln pT; classes with masked particles; tops of the fast simulation alone); ``top_tagging`` (table I: all
trainings); ``generate`` (jets at several numbers of calls, judged by distances and a two-sample test); ``report``;
``all`` does everything; ``recorded`` reports on all of --records, whoever trained it. Whatever is finished is kept and
not done again while data, code and arguments are the same: networks in --output, lines in --records and beside it.
With --jetclass the ten classes are files of JetClass, with --atlas the tops are those of the ATLAS top-tagging set.
``--size small`` is a network of width 64 for two cores, ``published`` the paper's for a GPU; --study
'{kinds: [joint], rows: [scratch, finetuned]}' does a part of either.
"""

from pathlib import Path

from pyg_hep import command
from pyg_hep.studies import command as stages
from pyg_hep.studies.omnilearn import generation, recipes, report
from pyg_hep.studies.omnilearn.samples import Jets
from pyg_hep.studies.records import Records

STAGES = ("pretrain", "top_tagging", "generate", "report", "recorded", "all")


def main() -> None:
    """Whatever the stage asks for and is not done yet."""
    results = Path(__file__).parent / "results"
    parser = stages.study_options(__doc__, "omnilearn", STAGES, recipes.SIZES, results, earlier=None)
    for name, what in (("jetclass", "of JetClass to pretrain on"), ("atlas", "of the ATLAS top-tagging set")):
        parser.add_argument(f"--{name}", type=list[str], default=[], help=f"files, folders or patterns {what}")
    parser.add_argument("--retrain", action="store_true", help="train the network that comes with the package too")
    options = parser.parse_args()
    study = stages.changed(recipes.SIZES[options.size], options.study)
    study.check()
    output = command.start_run(options.output, parser, options)
    samples = Records(Path(options.records).with_name("generation.jsonl"))
    if options.stage == "recorded":
        learned = Records(Path(options.records).with_name("pretraining.jsonl")).records
        tagging = stages.recorded(options, "top_tagging")
        stages.write_report(report.make(study, tagging, samples, learned, (), output), options)
        return
    jets = Jets(stages.place_of("omnilearn", options), study.particles, tuple(options.jetclass), tuple(options.atlas))

    jobs = recipes.pretrainings(study, jets)
    pretrained = stages.pretrain_stage(jobs, options, options.retrain)
    made = generation.generations(study, jets, {job.kind: job.folder for job in jobs})
    if options.stage in ("generate", "all"):
        generation.generate_missing(made, samples, options.workers, command.note())
    if options.stage in ("top_tagging", "report", "all"):
        tagging = stages.finetune_stage(recipes.plan_tagging(study, jobs, jets), options, "top_tagging")
        samples.keep(job.key for job in made)
        if options.stage != "top_tagging":
            stages.write_report(report.make(study, tagging, samples, pretrained, made, output), options)


if __name__ == "__main__":
    command.run(main)
