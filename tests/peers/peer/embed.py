"""Vectors as sentence-transformers documents it: the peer of `sst embed`. Reads a job and writes a result."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[job["precision"]]
    model = SentenceTransformer(job["model"], device="cpu", model_kwargs={"dtype": dtype})
    sentences = Path(job["sentences"]).read_text(encoding="utf-8").splitlines()
    model.encode(sentences[:64])  # what is made once
    started = time.time()
    # bf16 tensors have no NumPy type.
    vectors = model.encode(sentences, convert_to_numpy=False, convert_to_tensor=True).float().numpy()
    seconds = time.time() - started
    np.save(job["out"], vectors)
    Path(job["result"]).write_text(json.dumps({"seconds": seconds}), encoding="utf-8")


if __name__ == "__main__":
    main()
