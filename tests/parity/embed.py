"""`sst embed` beside sentence-transformers on the real all-MiniLM-L6-v2, and an exported folder in both.

Two thousand texts: verses, empty ones, ones longer than the limit, Chinese lines, and some with odd spacing. The vectors
must agree to 1e-5, from the folder as it is, and from one that `sst export` wrote.
"""

import argparse
import gzip
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

ROOT = Path(__file__).resolve().parents[2]


def texts() -> list[str]:
    """What real data holds."""

    def lines(name: str) -> list[str]:
        with gzip.open(ROOT / "corpora" / name, "rt", encoding="utf-8") as file:
            return [line.strip() for line in file if line.strip()]

    verses, chinese = lines("kjv.txt.gz"), lines("sanguo.txt.gz")
    odd = ["", "  two  spaces ", "\ttab\t", "[MASK] and [SEP]", "Ünïcödé — “quotes”", "0123456789" * 60]
    long = [" ".join(verses[at : at + 40]) for at in range(0, 400, 40)]
    rest = 2000 - len(odd) * 3 - len(long) - 100
    return [*odd, *verses[:rest], *odd, *long, *chinese[:100], *odd]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sst", type=Path, required=True, help="the sst binary")
    parser.add_argument("--out", type=Path, required=True, help="folder for the case")
    parser.add_argument("--model-cache", type=Path, required=True, help="folder that holds minilm/")
    args = parser.parse_args()
    torch.set_num_threads(2)
    model = (args.model_cache / "minilm").resolve()
    if not (model / "model.safetensors").is_file():
        raise SystemExit(f"{model} holds no model: run `cargo xtask model minilm` first")
    folder = args.out / "embed"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    data = folder / "texts.jsonl"
    found = texts()
    data.write_text("".join(json.dumps({"text": text}) + "\n" for text in found), encoding="utf-8")
    exported = folder / "exported"
    subprocess.run([args.sst, "export", "--model", model, "--format", "sentence-transformers", "--out", exported],
                   check=True)
    for name, source in (("the hub's folder", model), ("an exported folder", exported)):
        want = SentenceTransformer(str(source), device="cpu").encode(found)
        for extension in ("npy", "safetensors", "jsonl"):
            out = folder / f"vectors.{extension}"
            subprocess.run([args.sst, "embed", "--model", source, "--data", data, "--out", out], check=True)
            off = np.abs(read(out) - want).max()
            print(f"{name}, .{extension}: {len(want)} vectors differ by at most {off:.2e}")
            if not off < 1e-5:
                raise SystemExit("that is more than 1e-5")


def read(path: Path) -> np.ndarray:
    """The vectors of a file that sst wrote."""
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".safetensors":
        from safetensors.numpy import load_file

        return load_file(path)["embeddings"]
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if [line["index"] for line in lines] != list(range(len(lines))):
        raise SystemExit("lines are out of order")
    return np.array([line["embedding"] for line in lines], dtype=np.float32)


if __name__ == "__main__":
    main()
