"""Parity of sentence vectors with sentence-transformers on the real all-MiniLM-L6-v2.

Writes a case of about 200 sentences in the layout of tests/goldens/minilm, with a link `model` to the model's folder,
and runs the test `parity_minilm` of sst-models on it.
"""

import argparse
import gzip
import shutil
import sys
from pathlib import Path

import torch
from transformers.utils.logging import disable_progress_bar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from goldens.minilm import gen  # noqa: E402
from parity.bert import spoil  # noqa: E402
from parity.rust import ROOT, require  # noqa: E402


def sentences() -> list[str]:
    """The golden's awkward sentences, verses from all over the Bible, one overlong text, and Chinese lines."""

    def lines(name: str) -> list[str]:
        with gzip.open(ROOT / "corpora" / name, "rt", encoding="utf-8") as file:
            return [line.strip() for line in file if line.strip()]

    verses, chinese = lines("kjv.txt.gz"), lines("sanguo.txt.gz")
    return [
        *gen.SENTENCES,
        *verses[:: len(verses) // 170][:170],
        " ".join(verses[:60]),
        *chinese[:: len(chinese) // 17][:17],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sst", type=Path, help="the sst binary (taken for uniformity; this check uses the library)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the case")
    parser.add_argument("--model-cache", type=Path, required=True, help="folder that holds minilm/")
    args = parser.parse_args()
    torch.set_num_threads(1)
    disable_progress_bar()
    case, model = args.out / "minilm", (args.model_cache / "minilm").resolve()
    if not (model / "model.safetensors").is_file():
        raise SystemExit(f"{model} holds no model: run `cargo xtask model minilm` first")
    shutil.rmtree(case, ignore_errors=True)
    case.mkdir(parents=True)
    gen.write_case(case, model, sentences())
    spoilt = args.out / "minilm-spoilt"
    spoil(case, spoilt, "pooled")
    for folder in (case, spoilt):
        (folder / "model").symlink_to(model, target_is_directory=True)
    require("parity_minilm", "SST_PARITY_MINILM", case, spoilt)
    print("MiniLM: parity with sentence-transformers holds")


if __name__ == "__main__":
    main()
