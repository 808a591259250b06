"""Writing and reading of the golden files: safetensors and JSON whose bytes depend on the content alone."""

import json
from pathlib import Path

import torch
import transformers
from safetensors import safe_open
from safetensors.torch import save_file


def save_case(path: Path, tensors: dict[str, torch.Tensor], **facts) -> None:
    """Writes `tensors` to `path`, with the library versions and `facts` as JSON under the metadata key `made_with`.

    One metadata key only: safetensors writes several in random order, which would change the bytes of every run.
    """
    made_with = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__, **facts}
    tensors = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    save_file(tensors, path, metadata={"made_with": json.dumps(made_with, sort_keys=True)})


def save_json(path: Path, value) -> None:
    """Writes `value` as JSON, two spaces, non-ASCII kept, with a final newline."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def shapes(paths: list[Path]) -> dict[str, list[int]]:
    """Every key of the safetensors files with its shape, sorted by name."""
    found = {}
    for path in paths:
        with safe_open(path, "pt") as file:
            found |= {name: file.get_slice(name).get_shape() for name in file.keys()}
    return dict(sorted(found.items()))
