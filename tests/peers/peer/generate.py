"""Generation as transformers documents it: the peer of `sst generate`. Reads a job and writes a result."""

import json
import sys
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    tokenizer = AutoTokenizer.from_pretrained(job["model"], padding_side="left")
    tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32).eval()
    prompts = Path(job["prompts"]).read_text(encoding="utf-8").splitlines()
    inputs = tokenizer(prompts, return_tensors="pt", padding=True)
    inputs.pop("token_type_ids", None)

    def timed(count: int) -> tuple[float, torch.Tensor]:
        started = time.time()
        with torch.inference_mode():
            found = model.generate(**inputs, do_sample=False, max_new_tokens=count, pad_token_id=0)
        return time.time() - started, found

    timed(2)  # what is made once
    one, _ = timed(1)
    everything, found = timed(1 + job["more"])
    ids = found[:, inputs["input_ids"].shape[1]:].tolist()
    Path(job["result"]).write_text(json.dumps({"seconds": everything - one, "ids": ids}), encoding="utf-8")


if __name__ == "__main__":
    main()
