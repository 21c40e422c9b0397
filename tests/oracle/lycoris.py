"""Changes that LyCORIS's own modules made, kept in `lycoris.safetensors` for tests/checkpoints.

    pip download --no-deps lycoris-lora==4.1.3 einops==0.8.1 toml==0.10.2 -d wheels
    for wheel in wheels/*.whl; do unzip -q $wheel -d FOLDER; done
    python -m tests.oracle.lycoris FOLDER

makes the file again, beside torch. Of each case it keeps the weight, the tensors as a trainer
writes them, and the change of the weight, all in float32. Only this script needs the
packages, whose dependencies are heavy.
"""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

FILE = Path(__file__).with_suffix(".safetensors")
# What is made -> the module, its class, and its settings. This version's `get_merged_weight` takes
# alpha / rank twice of LoHa and LoKr, everyone else once: theirs is 1 here
_DORA = {"weight_decompose": True}
_COLUMNS = {**_DORA, "wd_on_out": False}
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "locon": ("locon", "LoConModule", {"lora_dim": 3, "alpha": 2}),
    "locon_rs": ("locon", "LoConModule", {"lora_dim": 4, "alpha": 2, "rs_lora": True}),
    "locon_tucker": ("locon", "LoConModule", {"lora_dim": 3, "alpha": 2, "use_tucker": True}),
    "locon_rows": ("locon", "LoConModule", {"lora_dim": 3, "alpha": 2, **_DORA}),
    "locon_columns": ("locon", "LoConModule", {"lora_dim": 3, "alpha": 2, **_COLUMNS}),
    "loha": ("loha", "LohaModule", {"lora_dim": 3, "alpha": 3}),
    "loha_tucker": ("loha", "LohaModule", {"lora_dim": 3, "alpha": 3, "use_tucker": True}),
    "loha_rows": ("loha", "LohaModule", {"lora_dim": 3, "alpha": 3, **_DORA}),
    "loha_columns": ("loha", "LohaModule", {"lora_dim": 3, "alpha": 3, **_COLUMNS}),
    "lokr": ("lokr", "LokrModule", {"lora_dim": 1, "alpha": 1}),
    "lokr_factor": ("lokr", "LokrModule", {"lora_dim": 1, "alpha": 1, "factor": 2}),
    "lokr_whole": ("lokr", "LokrModule", {"full_matrix": True}),
    "lokr_both": ("lokr", "LokrModule", {"lora_dim": 1, "alpha": 1, "decompose_both": True}),
    "lokr_tucker": ("lokr", "LokrModule", {"lora_dim": 1, "alpha": 1, "use_tucker": True}),
    "lokr_rows": ("lokr", "LokrModule", {"lora_dim": 1, "alpha": 1, **_DORA}),
    "lokr_columns": ("lokr", "LokrModule", {"lora_dim": 1, "alpha": 1, **_COLUMNS}),
    "ia3": ("ia3", "IA3Module", {}),
    "ia3_input": ("ia3", "IA3Module", {"train_on_input": True}),
    "glora": ("glora", "GLoRAModule", {"lora_dim": 3, "alpha": 2}),
    "oft": ("diag_oft", "DiagOFTModule", {"lora_dim": 4}),
    "oft_limited": ("diag_oft", "DiagOFTModule", {"lora_dim": 4, "constraint": 0.02}),
    "oft_rescaled": ("diag_oft", "DiagOFTModule", {"lora_dim": 4, "rescaled": True}),
    "boft": ("boft", "ButterflyOFTModule", {"lora_dim": 4}),
    "boft_limited": ("boft", "ButterflyOFTModule", {"lora_dim": 4, "constraint": 0.02}),
    "boft_rescaled": ("boft", "ButterflyOFTModule", {"lora_dim": 4, "rescaled": True}),
}


def layers() -> dict[str, nn.Module]:
    return {
        "linear": nn.Linear(12, 16),
        "kernel": nn.Conv2d(6, 8, 3, padding=1),
        "point": nn.Conv2d(6, 8, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the packages were unpacked")
    sys.path.insert(0, str(parser.parse_args().folder))
    torch.manual_seed(0)
    kept: dict[str, Tensor] = {}
    for case, (module, kind, settings) in CASES.items():
        made = getattr(importlib.import_module(f"lycoris.modules.{module}"), kind)
        for name, layer in layers().items():
            if "tucker" in case and name != "kernel":
                continue
            adapter = made("case", layer, **settings)
            with torch.no_grad():
                for parameter in adapter.parameters():
                    parameter.copy_(torch.randn(parameter.shape) * 0.5)
            tensors = {key: each.clone() for key, each in state(adapter).items()}
            with torch.no_grad():
                before = layer.weight.detach().clone()
                merged = adapter.get_merged_weight(1, before.shape)[0].reshape(before.shape)
            kept[f"{case}/{name}/weight"] = before
            kept[f"{case}/{name}/change"] = (merged - before).contiguous()
            kept |= {f"{case}/{name}/file/{key}": each for key, each in tensors.items()}
    save_file({key: each.detach().contiguous() for key, each in kept.items()}, FILE)


def state(adapter: Any) -> dict[str, Tensor]:
    """What a trainer writes of it."""
    own = getattr(adapter, "custom_state_dict", None)
    return adapter.state_dict() if own is None or own() is None else own()


if __name__ == "__main__":
    main()
