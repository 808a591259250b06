"""Greedy generation with a GPT-2 of 124 M parameters in fp32, of one prompt and of eight, beside transformers.

The weights are random, which changes nothing for the speed. Tokens a second are those after the first of each prompt,
so that starting, loading and reading the prompts do not count; both sides must find the same tokens.
"""

import json
import shutil

import torch
import transformers
from shared import THREADS, Rows, arguments, peer, run, verses
from transformers import GPT2Config, GPT2LMHeadModel

MORE = 64


def main() -> None:
    args = arguments(__doc__)
    folder = args.out.resolve()
    model = folder / "model"
    shutil.rmtree(model, ignore_errors=True)
    run(args.sst, "tokenizer", "train", "corpora/kjv.txt.gz", "--format", "text", "--algorithm", "bpe", "--vocab-size",
        "8192", "--end-of-text", "<|endoftext|>", "--out", model)
    torch.manual_seed(1)
    GPT2LMHeadModel(GPT2Config(eos_token_id=None, bos_token_id=None)).save_pretrained(model)
    rows = Rows("generate", f"transformers {transformers.__version__}, fp32, greedy, with its cache", args.processor)
    more = 16 if args.quick else MORE
    for count in (1, 8):
        prompts = folder / f"prompts-{count}.txt"
        prompts.write_text("\n".join(verses()[: count * 100 : 100]) + "\n", encoding="utf-8")
        command = [args.sst, "generate", "--model", model, "--prompts-file", prompts, "--greedy", "--json", "--timing",
                   "--max-new-tokens", str(1 + more)]
        for _ in range(args.repeats):
            *lines, timing = (json.loads(line) for line in run(*command).stdout.splitlines())
            theirs = peer("generate.py", {
                "threads": THREADS, "model": str(model), "prompts": str(prompts), "more": more,
            }, folder)
            rows.add(f"{count} prompt{'s' * (count > 1)}", "tokens/s", timing["timing"]["tokens_per_second"],
                     count * more / theirs["seconds"])
        if [line["ids"] for line in lines] != theirs["ids"]:
            raise SystemExit(f"sst and transformers find other tokens for {count} prompts")
    rows.write(args.result)


if __name__ == "__main__":
    main()
