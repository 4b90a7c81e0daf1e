import pytest

from realgap.run import benchmarks


def test_benchmarks_of_a_rule_are_found_in_its_folder_or_as_its_file(tmp_path):
    for name, seconds in (("train/a.tsv", 2), ("train/b/c.tsv", 3), ("plot.tsv", 4)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(f"s\th:m:s\n{seconds}\t0:00:0{seconds}\n")
    assert benchmarks.of_rule(tmp_path, "train") == [2, 3]
    assert benchmarks.of_rule(tmp_path, "train", most=1) == [2]
    assert benchmarks.of_rule(tmp_path, "plot") == [4]
    assert benchmarks.of_rule(tmp_path, "invert_shard") == []


@pytest.mark.parametrize("content", ["", "s\n", "h:m:s\tmax_rss\n0:00:01\t20\n", "s\tmax_rss\nsoon\t20\n"])
def test_another_file_is_named(tmp_path, content):
    (tmp_path / "plot.tsv").write_text(content)
    with pytest.raises(ValueError, match="plot.tsv: not a benchmark"):
        benchmarks.of_rule(tmp_path, "plot")
