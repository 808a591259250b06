"""From text to ready-to-train rows, beside `datasets.map`: reading, tokenising and storing a corpus.

The corpus is the bundled Bible again and again, its words in another order each time. Both sides use all cores, and begin with nothing in any
cache; the ids of the first verses are compared. Memory is the peak of the largest process.
"""

import json
import shutil

import datasets
from shared import THREADS, Rows, arguments, measured, peer, run, shuffled


def main() -> None:
    args = arguments(__doc__)
    folder = args.out.resolve()
    sizes = [5] if args.quick else [10, 100]
    rows = Rows("prepare", f"datasets {datasets.__version__}, map with {THREADS} processes", args.processor)
    for algorithm in ("wordpiece", "bpe"):
        run(args.sst, "tokenizer", "train", "corpora/kjv.txt.gz", "--format", "text", "--vocab-size", "8192",
            "--algorithm", algorithm, "--out", folder / algorithm)
    for megabytes in sizes:
        corpus = folder / f"{megabytes}.txt"
        shuffled(corpus, megabytes)
        size = corpus.stat().st_size / 1e6
        for algorithm in ("wordpiece", "bpe"):
            for repeat in range(args.repeats):
                for cache in ("sst-cache", "peer"):
                    shutil.rmtree(folder / cache, ignore_errors=True)
                recipe = folder / "recipe.toml"
                recipe.write_text(
                    f'[data]\npaths = ["{corpus}"]\nformat = "text"\ncache = "{folder / "sst-cache"}"\n'
                    f'max_length = 128\nvalidation = 0.0\n[data.clean]\ncontrol = false\nwhitespace = false\n'
                    f'[tokenizer]\npath = "{folder / algorithm}"\n[objective]\nname = "mlm"\n[train]\nsteps = "1step"\n',
                    encoding="utf-8",
                )
                ours = measured(args.sst, "data", "prepare", recipe)
                job = {"threads": THREADS, "tokenizer": str(folder / algorithm), "corpus": str(corpus),
                       "out": str(folder / "peer"), "check": False}
                shutil.rmtree(folder / "peer", ignore_errors=True)
                (folder / "peer").mkdir()
                theirs = peer("prepare.py", job, folder)
                what = f"{megabytes} MB, {algorithm}"
                rows.add(f"{what}, speed", "MB/s", size / ours.seconds, size / theirs["seconds"])
                rows.add(f"{what}, peak memory", "MiB", ours.peak_memory / 2**20, theirs["peak_memory"] / 2**20, False)
                if repeat == 0:
                    check(args, folder, corpus, algorithm)
    rows.write(args.result)


def check(args, folder, corpus, algorithm) -> None:
    """Ends the workload unless both sides make the same ids of the first verses."""
    with corpus.open(encoding="utf-8") as file:
        first = [next(file).rstrip("\n") for _ in range(200)]
    sample = folder / "sample.txt"
    sample.write_text("\n".join(first), encoding="utf-8")
    job = {"threads": 1, "tokenizer": str(folder / algorithm), "corpus": str(sample), "out": str(folder / "checked"),
           "check": True}
    shutil.rmtree(folder / "checked", ignore_errors=True)
    theirs = peer("prepare.py", job, folder)["ids"]
    report = run(args.sst, "tokenizer", "encode", "--tokenizer", folder / algorithm, "--json",
                 *[word for text in first for word in ("--text", text)])
    for text, ids, line in zip(first, theirs, report.stdout.splitlines(), strict=True):
        ours = json.loads(line)["ids"]
        if ours != ids:
            raise SystemExit(f"{text!r}: sst makes {ours}, and the peer {ids}")


if __name__ == "__main__":
    main()
