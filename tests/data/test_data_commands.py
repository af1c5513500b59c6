def test_features_are_packed_and_a_second_time_refused(command, folder, tmp_path, capsys):
    files = [folder / f"{split}.jsonl" for split in ("train", "val", "test")]
    arguments = ("--annotations", *files, "--features", folder / "features" / "clip", "--out", tmp_path / "packed")
    assert command("tools/pack_features", *arguments) == 0
    assert "3 videos, 15 clips, width 5; checksum" in capsys.readouterr().out
    assert command("tools/pack_features", *arguments) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}/packed: exists already; remove it or choose another name\n"


def test_reading_is_benchmarked_each_way(command, folder, tmp_path):
    out = tmp_path / "benchmark.csv"
    arguments = ("--data", folder, "--batch-size", 1, "--workers", 0, "--repeats", 1, "--out", out)
    # one query makes one batch, which counts as the first: a second gives something to time
    lines = (folder / "train.jsonl").read_text()
    (folder / "train.jsonl").write_text(lines + lines.replace('"qid": 0', '"qid": 9'))
    assert command("benchmarks/features", *arguments) == 0
    rows = out.read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:5]] == ["npz per item", "packed float32", "packed float16", "in memory"]
    assert out.with_suffix(".json").is_file()


def test_a_long_video_is_grounded_in_windows(command, tmp_path):
    out = tmp_path / "long.csv"
    assert command("benchmarks/long_video", "--minutes", 1, 3, "--preset", "demo", "--out", out) == 0
    rows = [row.split(",") for row in out.read_text().splitlines()[1:]]
    # 60 clips are one window of 64; 180 clips need 5 that share half with the next
    assert [(row[1], row[2], row[6]) for row in rows] == [("60", "1", "60"), ("180", "5", "180")]


def test_downloads_are_listed_and_those_by_hand_explained(command, capsys):
    assert command("tools/download") == 0
    assert "CC BY-NC-SA 4.0" in capsys.readouterr().out
    assert command("tools/download", "--name", "lighthouse-features") == 2
    assert "cannot be fetched automatically" in capsys.readouterr().err
