"""Parity of sst's image models and dual encoders with transformers, both ways.

1. The tests of sst-models load every folder of tests/goldens/vision and save it under target/tmp/vision-folders, with a
   dual encoder that they made of two trained towers. transformers must load each without one missing or unexpected key, and
   give the outputs of the golden.
2. transformers writes fresh, larger cases in the layout of tests/goldens/vision; the test `vision_parity_external` of
   sst-models compares outputs, loss and gradients with them.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import AutoConfig, CLIPConfig, SiglipConfig, ViTConfig, ViTMAEConfig  # noqa: E402
from transformers.utils.logging import disable_progress_bar  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from goldens.vision import gen  # noqa: E402
from parity.bert import spoil  # noqa: E402
from parity.rust import ROOT, require  # noqa: E402

TOLERANCE = 1e-5
WIDE = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 150, "image_size": 32,
        "patch_size": 8}
TEXT = gen.TEXT | {"hidden_size": 48, "num_attention_heads": 4, "intermediate_size": 100, "num_hidden_layers": 3}
# folder: class, config, seed
CASES = {
    "vit": (transformers.ViTForImageClassification, ViTConfig(**WIDE, **gen.TOPICS), 21),
    "mae": (transformers.ViTMAEForPreTraining,
            ViTMAEConfig(**WIDE, decoder_hidden_size=48, decoder_num_hidden_layers=2, decoder_num_attention_heads=4,
                         decoder_intermediate_size=90, norm_pix_loss=True), 22),
    "clip": (transformers.CLIPModel, CLIPConfig(text_config=TEXT | {"eos_token_id": gen.END}, vision_config=WIDE,
                                                projection_dim=32), 23),
    "siglip": (transformers.SiglipModel, SiglipConfig(text_config=TEXT | {"projection_size": 64}, vision_config=WIDE), 24),
}


def distance(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found.double() - wanted.double()).norm() / wanted.double().norm())


def load(folder: Path):
    """The model that transformers reads from `folder`; ends the script on any key that does not fit."""
    kind = getattr(transformers, AutoConfig.from_pretrained(folder).architectures[0])
    model, info = kind.from_pretrained(folder, dtype=torch.float32, output_loading_info=True, attn_implementation="eager")
    if wrong := {kind: sorted(map(str, names)) for kind, names in info.items() if names}:
        raise SystemExit(f"transformers does not load {folder} as it is: {wrong}")
    return model.eval()


def check_saved(saved: Path) -> None:
    names = {folder.name for folder in saved.iterdir()} if saved.is_dir() else set()
    if missing := {*gen.CASES, "made"} - names:
        raise SystemExit(f"{saved} lacks {sorted(missing)}: run cargo test -p sst-models --test it vision first")
    load(saved / "made")
    for name in gen.CASES:
        model = load(saved / name)
        case = load_file(ROOT / "tests/goldens/vision" / name / "case.safetensors")
        inputs = {key: case[key] for key in ["pixel_values", "labels", "input_ids", "attention_mask"] if key in case}
        if "visible" in case:
            # Noise that leaves the visible patches of the golden, in their order.
            count = (model.config.image_size // model.config.patch_size) ** 2
            order = torch.arange(case["visible"].shape[1], dtype=torch.float32) - 100
            noise = torch.rand(len(case["visible"]), count)
            inputs["noise"] = noise.scatter(1, case["visible"], order.expand_as(case["visible"]))
        with torch.no_grad():
            worst = distance(gen.run(model, inputs).loss, case["loss"])
        print(f"{name}: the loss of transformers on the folder of sst differs by {worst:.1e}", flush=True)
        if not worst <= TOLERANCE:
            raise SystemExit(f"{name}: more than {TOLERANCE:.0e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--saved", type=Path, default=ROOT / "target/tmp/vision-folders", help="folders that sst wrote")
    parser.add_argument("--out", type=Path, default=ROOT / "target/parity/vision", help="folder for fresh cases")
    args, _ = parser.parse_known_args()
    torch.set_num_threads(1)
    disable_progress_bar()
    check_saved(args.saved)
    for name, case in CASES.items():
        gen.write_case(args.out / name, *case)
        spoil(args.out / name, args.out / f"{name}-spoilt", "loss")
        require("vision_parity_external", "SST_VISION_CASE", args.out / name, args.out / f"{name}-spoilt")
    print("image models: parity with transformers holds")


if __name__ == "__main__":
    main()
