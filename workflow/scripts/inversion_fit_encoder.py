"""Fit the encoder of an amortised inversion to the images that were inverted first."""

import sys

import numpy as np

from realgap.diffusion import encoder
from realgap.run import steps
from realgap.store import naming, provenance, shards


def main() -> None:
    args, _ = steps.parse(__doc__, moments={"nargs": "+"}, embeddings={"nargs": "+"}, out={})
    moments, inverted = shards.read_all(args.moments, "moments"), shards.read_all(args.embeddings, "embeddings")
    classes = naming.carried(*(one.attributes for one in (*moments, *inverted)))
    mean, ids = (np.concatenate([one[name] for one in moments]) for name in ("mean", "image_ids"))
    names = ("embeddings", "labels", "image_ids")
    embeddings, labels, known = (np.concatenate([one[name] for one in inverted]) for name in names)
    # in an order of their own, whatever shards they come from; of an image that failed there is no embedding
    order = np.lexsort((known, labels))
    row_of = {image_id: row for row, image_id in enumerate(ids.tolist())}
    if missing := set(known.tolist()) - row_of.keys():
        raise ValueError(f"{args.embeddings[0]}: must be of images of {args.moments[0]}; got image {min(missing)}")
    rows = [row_of[image_id] for image_id in known[order].tolist()]
    found = encoder.fit(mean[rows], labels[order], embeddings[order])
    said = f"{len(rows)} images, penalty {found.penalty:g}"
    print(f"{said}: explains {found.explained:.1%} of the embeddings' variance in images left out", file=sys.stderr)
    made = {
        "step": "fit_encoder",
        "inputs": {
            name: shards.joint(one.attributes["checksum"] for one in opened)
            for name, opened in (("moments", moments), ("embeddings", inverted))
        },
        "classes": classes.get(naming.KEY, {}),
        "labels": found.encoder.labels.tolist(),
        "images": len(rows),
        "penalty": found.penalty,
        "explained": round(found.explained, 4),
        "versions": provenance.versions("numpy"),
    }
    shards.write(args.out, "encoder", {"weights": found.encoder.weights}, made)


if __name__ == "__main__":
    steps.run(main)
