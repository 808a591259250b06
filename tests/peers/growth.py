"""What growth costs: the same model on ever larger corpora, and on ever longer rows with as many tokens a step.

The corpora are those of `prepare`, each verse a row. Up to 100 MB the Trainer goes beside; to prepare 1 GB it would take
minutes for nothing that 100 MB do not show. The longer rows are full ones, of documents joined and cut.
"""

import shutil

import transformers
from pretraining import Job, Size, train_peer, train_sst
from shared import Rows, arguments, measured, run, shuffled

SIZE = Size(256, 4, rate=1e-3, steps=200, skip=20, quick=40)
LENGTHS = (128, 512, 2048)
TOKENS = 4096  # of a step
# The Trainer takes seconds for a step of the longest rows.
LONG = Size(256, 4, rate=1e-3, steps=50, skip=20, quick=30)


def main() -> None:
    args = arguments(__doc__)
    folder = args.out.resolve()
    run(args.sst, "tokenizer", "train", "corpora/kjv.txt.gz", "--format", "text", "--vocab-size", "8192",
        "--out", folder / "tokenizer")
    steps = SIZE.quick if args.quick else SIZE.steps
    rows = Rows("growth", f"Trainer of transformers {transformers.__version__}, {args.processor['precision']}, batches of like length", args.processor)
    corpora = {megabytes: folder / f"{megabytes}.txt" for megabytes in ([1, 2] if args.quick else [1, 10, 100, 1000])}
    for megabytes, corpus in corpora.items():
        shuffled(corpus, megabytes)
    for seed in range(args.repeats):
        shutil.rmtree(folder / "runs", ignore_errors=True)
        shutil.rmtree(folder / "cache", ignore_errors=True)
        for megabytes, corpus in corpora.items():
            label = f"{megabytes} MB"
            job = Job(folder, corpus, SIZE, f"{megabytes}MB-{seed}", seed, steps,
                      precision=args.processor["precision"])
            recipe = folder / "prepare.toml"
            recipe.write_text(job.recipe(), encoding="utf-8")
            prepared = measured(args.sst, "data", "prepare", recipe)
            rows.add(f"{label}, preparing", "MB/s", corpus.stat().st_size / 1e6 / prepared.seconds, None)
            rows.add(f"{label}, preparing, peak memory", "MiB", prepared.peak_memory / 2**20, None, False)
            compare(rows, args.sst, label, job, megabytes <= 100)
        for length in LENGTHS:
            job = Job(folder, corpora[2 if args.quick else 10], LONG, f"length-{length}-{seed}", seed,
                      LONG.quick if args.quick else LONG.steps, TOKENS // length, length, "stream", precision=args.processor["precision"])
            compare(rows, args.sst, f"rows of {length}", job, True)
    rows.write(args.result)


def compare(rows, sst, label: str, job: Job, with_peer: bool) -> None:
    """Adds the figures of a job."""
    ours, theirs = train_sst(sst, job), train_peer(job) if with_peer else None
    for what, unit, higher, of in (
        ("speed", "useful tokens/s", True, lambda side: side.speed),
        ("peak memory", "MiB", False, lambda side: side.peak_memory),
        ("first step after", "s", False, lambda side: side.first_step),
    ):
        rows.add(f"{label}, {what}", unit, of(ours), of(theirs) if theirs else None, higher)


if __name__ == "__main__":
    main()
