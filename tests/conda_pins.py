"""Rewrite envs/realgap.yaml from the pins of envs/requirements.txt:  python tests/conda_pins.py"""

from pathlib import Path

ENVS = Path(__file__).resolve().parents[1] / "envs"


def pins() -> list[str]:
    """The lines of requirements.txt that pin something, markers included."""
    lines = (ENVS / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.lstrip().startswith("#")]


def conda_file() -> str:
    """What envs/realgap.yaml must hold."""
    header = ["# Made from envs/requirements.txt by `python tests/conda_pins.py`; a test keeps them equal."]
    fixed = ["channels:", "  - conda-forge", "dependencies:", "  - python=3.11", "  - pip", "  - pip:"]
    return "\n".join([*header, *fixed, *(f"      - {pin}" for pin in pins())]) + "\n"


if __name__ == "__main__":
    (ENVS / "realgap.yaml").write_text(conda_file())
