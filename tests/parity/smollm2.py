"""SmolLM2, a real decoder: `sst convert` reads its GGUF file into a folder that transformers loads, and both continue
texts with the same 200 tokens and find the same perplexity; the capital of France is known.
"""

import argparse
import shutil
import sys
from pathlib import Path

import torch
from transformers.utils.logging import disable_progress_bar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from parity.causal import TOLERANCE, compare_perplexity, compare_text, load  # noqa: E402
from parity.rust import sst, sst_json  # noqa: E402

FRANCE = "The capital of France is"
TEXTS = [FRANCE, "Once upon a time, in a small village by the sea,", "def fibonacci(n):\n"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sst", type=Path, required=True, help="the sst binary")
    parser.add_argument("--out", type=Path, required=True, help="folder for the converted model")
    parser.add_argument("--model-cache", type=Path, required=True, help="folder of downloaded models")
    args = parser.parse_args()
    disable_progress_bar()
    torch.set_num_threads(2)
    folder = (args.out / "smollm2").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    args.out.mkdir(parents=True, exist_ok=True)
    sst(args.sst, "convert", str(args.model_cache / "smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"), "--out", str(folder))
    answer = sst_json(args.sst, "generate", "--model", str(folder), "--prompt", FRANCE, "--greedy", "--max-new-tokens",
                      "8")
    if "Paris" not in answer["text"]:
        raise SystemExit(f"{FRANCE!r} goes on with {answer['text']!r}")
    model, tokenizer = load(folder)
    for text in TEXTS:
        compare_text(args.sst, folder, text, model, tokenizer)
    difference = compare_perplexity(args.sst, folder, TEXTS, model, tokenizer)
    if not difference <= TOLERANCE:
        raise SystemExit(f"perplexity differs by {difference:.1e}, more than {TOLERANCE:.0e}")
    print(f"SmolLM2: {FRANCE!r} goes on with {answer['text']!r}; 200 greedy tokens of {len(TEXTS)} prompts are the same; "
          f"perplexity differs by {difference:.1e}")


if __name__ == "__main__":
    main()
