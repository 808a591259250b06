"""Pretraining with masked language modelling on rows of natural lengths, beside the Trainer.

Both sides get the same verses, tokenizer, model configuration, batch, learning rates, precision and number of steps.
Speed is useful tokens a second after the first steps; the held-out loss of both models comes from `sst eval`, on the
same masks. Memory is the peak of a whole process, and the first step is counted from the start of the process, on data
that sst has prepared before.
"""

import json
import shutil
from pathlib import Path

import transformers
from pretraining import Job, Size, train_peer, train_sst
from shared import Rows, arguments, parts, run

SIZES = {
    "256 x 4": Size(256, 4, rate=1e-3, steps=400, skip=20, quick=60),
    "384 x 6": Size(384, 6, rate=1e-3, steps=400, skip=20, quick=60),
    # BERT-base but for its vocabulary, which is that of the verses.
    "768 x 12": Size(768, 12, rate=1e-4, steps=60, skip=20, quick=30),
}


def loss(sst: Path, model: Path, held_out: Path) -> float:
    """The loss of hidden tokens in the held-out verses."""
    report = run(sst, "eval", "mask-accuracy", "--model", model, "--data", held_out, "--json")
    return json.loads(report.stdout)["metrics"]["loss"]


def main() -> None:
    args = arguments(__doc__, SIZES)
    folder = args.out.resolve()
    shutil.rmtree(folder / "runs", ignore_errors=True)
    train, held_out = parts(folder)
    run(args.sst, "tokenizer", "train", train, "--vocab-size", "8192", "--out", folder / "tokenizer")
    rows = Rows("mlm", f"Trainer of transformers {transformers.__version__}, {args.processor['precision']}, batches of like length", args.processor)
    for label in args.only:
        size = SIZES[label]
        for seed in range(args.repeats):
            job = Job(folder, train, size, f"{label.replace(' ', '')}-{seed}", seed,
                      size.quick if args.quick else size.steps, precision=args.processor["precision"])
            ours, theirs = train_sst(args.sst, job), train_peer(job)
            rows.add(f"{label}, speed", "useful tokens/s", ours.speed, theirs.speed)
            # Of the fastest matrix product of sst's process; a useful token costs the model as much on both sides.
            rows.add(f"{label}, MFU", "of the peak", ours.mfu, ours.mfu * theirs.speed / ours.speed)
            rows.add(f"{label}, held-out loss", "nats", loss(args.sst, ours.model, held_out),
                     loss(args.sst, theirs.model, held_out), False)
            rows.add(f"{label}, peak memory", "MiB", ours.peak_memory, theirs.peak_memory, False)
            rows.add(f"{label}, first step after", "s", ours.first_step, theirs.first_step, False)
    rows.write(args.result)


if __name__ == "__main__":
    main()
