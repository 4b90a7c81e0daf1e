"""Take over results of which Snakemake has no record: what is whole and made of the inputs that are there now."""

from pathlib import Path

from snakemake.persistence import MetadataRecord
from snakemake.persistence.file import FilePersistence

from realgap.run import records, steps


def main() -> None:
    args, _ = steps.parse(__doc__, folder={"type": Path})
    snakemakes = FilePersistence(nolock=True)
    found = records.compare(args.folder, lambda path: snakemakes._read_record(path) is not None)
    for path, record in found.records.items():
        snakemakes._write_record(path, MetadataRecord(**record))
        snakemakes._unmark_incomplete(path)
    for path, why in found.others.items():
        # whatever its time is: Snakemake takes a file without a record for what it should be
        snakemakes._mark_incomplete(path, None)
        print(f"{path}: not taken over, {why}")
    print(
        f"{args.folder}: {len(found.records)} files taken over; {len(found.others)} not, which are made again if needed"
    )


if __name__ == "__main__":
    steps.run(main)
