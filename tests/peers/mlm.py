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
from shared import THREADS, Rows, arguments, measured, peer, run, verses

SKIP = 20
SIZES = {
    "256 x 4": {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024},
    "384 x 6": {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 6, "intermediate_size": 1536},
}
BATCH, LENGTH, RATE = 32, 128, 1e-3


def recipe(name: str, folder: Path, model: dict, steps: int, seed: int) -> str:
    """The recipe of sst's side."""
    keys = "\n".join(f"{key} = {value}" for key, value in model.items())
    return f"""[run]
name = "{name}"
dir = "{folder / 'runs'}"
seed = {seed}
device = "cpu"
[data]
paths = ["{folder / 'train.txt'}"]
format = "text"
validation = 0.0
rows = "document"
max_length = {LENGTH}
cache = "{folder / 'cache'}"
[tokenizer]
path = "{folder / 'tokenizer'}"
[model]
type = "bert"
max_position_embeddings = {LENGTH}
{keys}
[objective]
name = "mlm"
[train]
steps = "{steps}step"
batch_size = {BATCH}
precision = "bf16"
log_every = "10step"
save_every = "0step"
[train.optimizer]
lr = {RATE}
[train.schedule]
warmup = "{SKIP}step"
"""


def loss(sst: Path, model: Path, folder: Path) -> float:
    """The loss of hidden tokens in the held-out verses."""
    report = run(sst, "eval", "mask-accuracy", "--model", model, "--data", folder / "held-out.txt", "--json")
    return json.loads(report.stdout)["metrics"]["loss"]


def main() -> None:
    args = arguments(__doc__)
    folder = args.out.resolve()
    shutil.rmtree(folder / "runs", ignore_errors=True)
    lines = verses()
    (folder / "train.txt").write_text("\n".join(v for i, v in enumerate(lines) if i % 50), encoding="utf-8")
    (folder / "held-out.txt").write_text("\n".join(lines[::50]), encoding="utf-8")
    run(args.sst, "tokenizer", "train", folder / "train.txt", "--vocab-size", "8192", "--out", folder / "tokenizer")
    steps = 60 if args.quick else 400
    rows = Rows("mlm", f"Trainer of transformers {transformers.__version__}, bf16, batches of like length")
    for size, model in SIZES.items():
        for seed in range(args.repeats):
            name = f"{size.replace(' ', '')}-{seed}"
            path = folder / f"{name}.toml"
            path.write_text(recipe(name, folder, model, steps, seed), encoding="utf-8")
            if not (folder / "cache").exists():
                run(args.sst, "data", "prepare", path)
            ended = measured(args.sst, "pretrain", path)
            metrics = folder / "runs" / name / "metrics.jsonl"
            log = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
            # Windows of ten steps, or fewer at the end.
            windows = [row for row in log if "perf/tokens_per_second" in row and row["_step"] > SKIP]
            taken = [(row["_step"] - 1) % 10 + 1 for row in windows]
            seconds = sum(row["perf/seconds_per_step"] * n for row, n in zip(windows, taken, strict=True))
            tokens = sum(
                row["perf/tokens_per_second"] * row["perf/seconds_per_step"] * n
                for row, n in zip(windows, taken, strict=True)
            )
            first = measured(args.sst, "pretrain", path, "--set", f"run.name={name}-first", "--set", "train.steps=1step",
                             "--set", "train.log_every=1step", "--set", "train.schedule.warmup=0step")
            first_log = (folder / "runs" / f"{name}-first" / "metrics.jsonl").read_text(encoding="utf-8")
            first_step = json.loads(first_log.splitlines()[0])["_timestamp"] - first.started
            job = {
                "threads": THREADS, "tokenizer": str(folder / "tokenizer"), "max_length": LENGTH,
                "train": str(folder / "train.txt"), "out": str(folder / "peer"), "steps": steps, "batch_size": BATCH,
                "lr": RATE, "warmup": SKIP, "precision": "bf16", "seed": seed, "skip": SKIP,
                "model": model | {"max_position_embeddings": LENGTH},
            }
            other = peer("mlm.py", job, folder)
            rows.add(f"{size}, speed", "useful tokens/s", tokens / seconds, other["tokens"] / other["seconds"])
            rows.add(f"{size}, held-out loss", "nats",
                     loss(args.sst, folder / "runs" / name, folder), loss(args.sst, folder / "peer/model", folder), False)
            rows.add(f"{size}, peak memory", "MiB", ended.peak_memory / 2**20, other["peak_memory"] / 2**20, False)
            rows.add(f"{size}, first step after", "s", first_step, other["first_step"], False)
    rows.write(args.result)


if __name__ == "__main__":
    main()
