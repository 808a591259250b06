"""Pretraining with causal language modelling on full rows, beside the Trainer: GPT-2 of two sizes.

Both sides get the same verses, joined with an end-of-text token and cut into rows of 256 tokens, the same tokenizer,
model configuration, batch, learning rates, precision and number of steps. The held-out loss of both models comes from
`sst eval perplexity`.
"""

import json
import shutil
from pathlib import Path

import transformers
from pretraining import Job, Size, train_peer, train_sst
from shared import Rows, arguments, parts, run

SIZES = {
    "384 x 6": Size(384, 6, rate=1e-3, steps=200, skip=20, quick=40),
    # GPT-2 of 124 M parameters, its vocabulary included.
    "124M": Size(768, 12, rate=3e-4, steps=30, skip=10, quick=20, vocab=50257),
}


def loss(sst: Path, model: Path, held_out: Path) -> float:
    """The loss of a token in the held-out verses, which are read as one text."""
    report = run(sst, "eval", "perplexity", "--model", model, "--data", held_out, "--stream", "--json")
    return json.loads(report.stdout)["metrics"]["loss"]


def main() -> None:
    args = arguments(__doc__, SIZES)
    folder = args.out.resolve()
    shutil.rmtree(folder / "runs", ignore_errors=True)
    train, held_out = parts(folder)
    run(args.sst, "tokenizer", "train", train, "--algorithm", "bpe", "--vocab-size", "8192", "--end-of-text",
        "<|endoftext|>", "--out", folder / "tokenizer")
    rows = Rows("clm", f"Trainer of transformers {transformers.__version__}, {args.processor['precision']}", args.processor)
    for label in args.only:
        size = SIZES[label]
        for seed in range(args.repeats):
            job = Job(folder, train, size, f"{label.replace(' ', '')}-{seed}", seed,
                      size.quick if args.quick else size.steps, 8, 256, "stream", "clm", args.processor["precision"])
            ours, theirs = train_sst(args.sst, job), train_peer(job)
            rows.add(f"{label}, speed", "tokens/s", ours.speed, theirs.speed)
            rows.add(f"{label}, MFU", "of the peak", ours.mfu, ours.mfu * theirs.speed / ours.speed)
            rows.add(f"{label}, held-out loss", "nats", loss(args.sst, ours.model, held_out),
                     loss(args.sst, theirs.model, held_out), False)
            rows.add(f"{label}, peak memory", "MiB", ours.peak_memory, theirs.peak_memory, False)
    rows.write(args.result)


if __name__ == "__main__":
    main()
