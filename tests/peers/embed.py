"""Vectors of 2,000 sentences of natural lengths, in fp32 and in bf16, beside sentence-transformers.

The model has the shape of all-MiniLM-L6-v2 with random weights, which changes nothing for the speed. Sentences a second
count from texts to vectors, tokenising included and loading not; both sides must find the same vectors.
"""

import json
import shutil

import numpy as np
import sentence_transformers
import torch
from shared import THREADS, Rows, arguments, peer, run, verses
from transformers import BertConfig, BertModel

COUNT = 2000
SHAPE = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
# Of the vectors' cosine distance: fp32 rounding, and that of bf16 on both sides.
TOLERANCE = {"fp32": 1e-5, "bf16": 1e-2}


def main() -> None:
    args = arguments(__doc__)
    folder = args.out.resolve()
    model, encoder = folder / "model", folder / "encoder"
    for old in (model, encoder):
        shutil.rmtree(old, ignore_errors=True)
    run(args.sst, "tokenizer", "train", "corpora/kjv.txt.gz", "--format", "text", "--vocab-size", "8192", "--out", encoder)
    torch.manual_seed(1)
    BertModel(BertConfig(vocab_size=8192, **SHAPE)).save_pretrained(encoder)
    run(args.sst, "export", "--model", encoder, "--format", "sentence-transformers", "--normalize", "--max-length", "256",
        "--out", model)
    sentences = folder / "sentences.txt"
    lines = verses()
    count = COUNT // 4 if args.quick else COUNT
    sentences.write_text("\n".join(lines[:: len(lines) // count][:count]) + "\n", encoding="utf-8")
    rows = Rows("embed", f"sentence-transformers {sentence_transformers.__version__}, its default batch of 32", args.processor)
    # Without instructions for bf16 the peer is at its best in fp32.
    for precision in dict.fromkeys(("fp32", args.processor["precision"])):
        for _ in range(args.repeats):
            out = folder / f"{precision}.npy"
            ours = json.loads(run(args.sst, "embed", "--model", model, "--data", sentences, "--out", out, "--precision",
                                  precision, "--json").stdout)
            theirs = peer("embed.py", {"threads": THREADS, "model": str(model), "sentences": str(sentences),
                                       "precision": precision, "out": str(folder / "peer.npy")}, folder)
            rows.add(precision, "sentences/s", ours["texts"] / ours["seconds"], ours["texts"] / theirs["seconds"])
            cosine = (np.load(out) * np.load(folder / "peer.npy")).sum(1)
            if not (1 - cosine).max() < TOLERANCE[precision]:
                raise SystemExit(f"{precision}: vectors differ by {(1 - cosine).max()}")
    rows.write(args.result)


if __name__ == "__main__":
    main()
