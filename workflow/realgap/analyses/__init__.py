"""What each analysis makes of measured arrays: tidy tables, and the section of the report they support."""

from collections.abc import Sequence

from realgap.store.shards import Shard


def class_names(first_shards: Sequence[Shard]) -> list[str]:
    """Names of classes in the order of their numbers, from one extracted shard of real images of each.

    The order of the config is the reader's; logits and confusion matrices are in the order of the numbers.
    """
    named = {int(shard["labels"][0]): shard.attributes["options"]["classes"][0] for shard in first_shards}
    return [named[label] for label in sorted(named)]
