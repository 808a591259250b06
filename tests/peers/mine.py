"""Hard negatives of 20,000 pairs among their 20,000 answers, beside sentence-transformers with the same vectors.

Queries are verses, answers the same words in another order; the encoder has the width of all-MiniLM-L6-v2 and random
weights. Seconds are those of the search alone; both sides must find the same negatives, but for few that are as near as
each other to the last bits.
"""

import json
import random
import shutil

import sentence_transformers
import torch
from shared import THREADS, Rows, arguments, peer, run, verses
from transformers import BertConfig, BertModel

COUNT = 20_000
OPTIONS = {
    "the nearest 3": ({"num_negatives": 3}, []),
    "5 of ranks 10 to 50, 5 % below the positive": (
        {"num_negatives": 5, "range_min": 10, "range_max": 50, "relative_margin": 0.05},
        ["--range-min", "10", "--range-max", "50", "--relative-margin", "0.05"],
    ),
}
# Share of queries whose negatives may differ: sums are rounded in another order.
TOLERANCE = 0.002


def main() -> None:
    args = arguments(__doc__)
    folder = args.out.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = folder / "model"
    run(args.sst, "tokenizer", "train", "corpora/kjv.txt.gz", "--format", "text", "--vocab-size", "8192", "--out", model)
    torch.manual_seed(1)
    BertModel(BertConfig(vocab_size=8192, hidden_size=384, num_hidden_layers=1, num_attention_heads=12,
                         intermediate_size=1536)).save_pretrained(model)
    shuffle = random.Random(1)
    # Each text once, so that both sides have the same corpus.
    queries = list(dict.fromkeys(verses()))[: COUNT // 10 if args.quick else COUNT]
    answers = []
    for number, query in enumerate(queries):
        words = query.split()
        shuffle.shuffle(words)
        answers.append(" ".join([*words, str(number)]))
    pairs = folder / "pairs.jsonl"
    lines = (json.dumps({"query": query, "answer": answer}) for query, answer in zip(queries, answers, strict=True))
    pairs.write_text("\n".join(lines), encoding="utf-8")
    for field in ("query", "answer"):
        run(args.sst, "embed", "--model", model, "--data", pairs, "--text-field", field, "--normalize", "--out",
            folder / f"{field}.npy")
    places = {answer: place for place, answer in enumerate(answers)}
    rows = Rows("mine", f"sentence-transformers {sentence_transformers.__version__}, mine_hard_negatives", args.processor)
    for label, (options, words) in OPTIONS.items():
        for _ in range(args.repeats):
            report = run(args.sst, "mine", "--model", model, "--data", pairs, "--fields", "query,answer", "--ntuple",
                         "--num-negatives", str(options["num_negatives"]), *words, "--out", folder / "mined.jsonl",
                         "--json").stdout
            theirs = peer("mine.py", {"threads": THREADS, "queries": str(folder / "query.npy"), "check": True,
                                      "corpus": str(folder / "answer.npy"), "options": options}, folder)
            rows.add(label, "s", json.loads(report)["metrics"]["seconds"], theirs["seconds"], False)
        mined = (json.loads(line) for line in (folder / "mined.jsonl").read_text(encoding="utf-8").splitlines())
        ours = {line["anchor"]: {places[text] for text in line["negatives"]} for line in mined}
        both = zip(queries, theirs["negatives"], strict=True)
        differ = sum(ours.get(query, set()) != set(negatives) for query, negatives in both)
        print(f"{label}: {differ} of {len(queries)} queries have other negatives")
        if differ > TOLERANCE * len(queries):
            raise SystemExit("that is too many")
    rows.write(args.result)


if __name__ == "__main__":
    main()
