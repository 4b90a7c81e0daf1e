"""realgap.devices: where tensors live and in which precision networks run."""

import pytest
import torch

from realgap import devices


def test_auto_is_a_gpu_where_there_is_one():
    assert devices.pick("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert devices.pick("cpu") == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_an_absent_gpu_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"compute\.device: must be .*; got 'cuda', and torch sees no GPU"):
        devices.pick("cuda")


def test_precision_is_what_was_asked_for_and_auto_is_what_the_hardware_multiplies():
    cpu = torch.device("cpu")
    assert devices.pick_dtype("fp32", cpu) == torch.float32
    assert devices.pick_dtype("bf16", cpu) == torch.bfloat16
    with open("/proc/cpuinfo") as file:
        native = {"avx512_bf16", "amx_bf16"} & set(file.read().split())
    assert devices.pick_dtype("auto", cpu) == (torch.bfloat16 if native else torch.float32)


def test_autocast_changes_matrix_work_in_half_precision_only():
    x = torch.ones(2, 2)
    for dtype in (torch.float32, torch.bfloat16):
        with devices.autocast(torch.device("cpu"), dtype):
            assert (x @ x).dtype == dtype
    assert (x @ x).dtype == torch.float32
