"""Write a classifier as a program that torch alone loads: pixels in, logits out, and the names of its classes."""

import json
from dataclasses import dataclass

import torch
from torch import nn

from realgap.classifier import storage, training
from realgap.run import steps
from realgap.store import naming
from realgap.store.files import whole


@dataclass(frozen=True)
class Options:
    image_size: int


class Whole(nn.Module):
    """A network with what is done to images before it: uint8 (n, h, w, 3) to logits float32 (n, classes)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(training.to_pixel_values(images))


def main() -> None:
    args, options = steps.parse(__doc__, Options, classifier={}, out={})
    network, made = storage.classifier(args.classifier)
    example = torch.zeros(2, options.image_size, options.image_size, 3, dtype=torch.uint8)
    program = torch.export.export(Whole(network).eval(), (example,), dynamic_shapes=({0: torch.export.Dim("n")},))
    about = {"classes.json": naming.names({args.classifier: made}), "made.json": made}
    with whole(args.out) as beside:
        torch.export.save(
            program, beside, extra_files={name: json.dumps(one, ensure_ascii=False) for name, one in about.items()}
        )


if __name__ == "__main__":
    steps.run(main)
