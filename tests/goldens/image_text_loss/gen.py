"""Golden losses of pictures and captions from open_clip: `ClipLoss` and `SigLipLoss`, and their gradients.

`case.safetensors`: for each batch size b `{b}.images` and `{b}.texts` [b, 7], which have length 1, `{b}.log_scale` and
`{b}.bias`, and for each loss `{b}.clip.*` and `{b}.siglip.*`: `loss`, and the gradients `images`, `texts`, `log_scale` and
for SigLIP `bias`.
"""

import argparse
import importlib.util
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from torch.nn.functional import normalize

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from goldens.casefile import save_case  # noqa: E402

SIZES = [2, 5, 17]
WIDTH = 7


def losses():
    """The module of losses of open_clip alone: the whole package needs torchvision."""
    package = Path(importlib.util.find_spec("open_clip").submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location("open_clip_loss", package / "loss.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(folder: Path) -> None:
    generator, open_clip = torch.Generator().manual_seed(11), losses()
    tensors = {}
    for size in SIZES:
        leaves = {
            "images": normalize(torch.randn([size, WIDTH], generator=generator), dim=-1),
            "texts": normalize(torch.randn([size, WIDTH], generator=generator), dim=-1),
            "log_scale": torch.tensor(2.0),
            "bias": torch.tensor(-3.0),
        }
        tensors |= {f"{size}.{name}": leaf for name, leaf in leaves.items()}
        for name, loss in [("clip", open_clip.ClipLoss()), ("siglip", open_clip.SigLipLoss())]:
            inputs = {key: leaf.clone().requires_grad_() for key, leaf in leaves.items()}
            scale = inputs["log_scale"].exp()
            extra = [inputs["bias"]] if name == "siglip" else []
            value = loss(inputs["images"], inputs["texts"], scale, *extra)
            value.backward()
            tensors[f"{size}.{name}.loss"] = value
            for key, leaf in inputs.items():
                if leaf.grad is not None:
                    tensors[f"{size}.{name}.{key}"] = leaf.grad
    save_case(folder / "case.safetensors", tensors, open_clip=version("open_clip_torch"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    main(parser.parse_args().out)
