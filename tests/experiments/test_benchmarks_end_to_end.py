"""Each benchmark in the folder of another toolkit: trained, predicted, scored, one command each."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

CLIPS = 10
TINY = ("training.epochs=1", "training.batch_size=2", "model.width=16", "model.num_blocks=1", "model.num_heads=2")
TINY = [part for setting in (*TINY, "model.num_slots=2", "model.state_size=4") for part in ("--set", setting)]
# video folder, text folder, text file and key, as each toolkit lays them out
LAYOUTS = {
    "plain": ("features/{}", "features/clip_text", "qid{}.npz"),
    "moment_detr": ("features/{}_features", "features/clip_text_features", "qid{}.npz"),
    "lighthouse": ("{}", "clip_text", "{}.npz"),
    "univtg": ("vid_{}", "txt_clip", "{}.npz"),
}


def moments(qid, clip_length):
    whole = CLIPS * clip_length
    record = {"qid": qid, "query": f"query {qid}", "duration": whole, "vid": f"v{qid}"}
    return record | {"relevant_windows": [[0, whole / 2]]}


def qvhighlights(qid, clip_length):
    ratings = {"relevant_clip_ids": [0, 1], "saliency_scores": [[4, 3, 2], [1, 2, 4]]}
    return moments(qid, clip_length) | ratings


def tvsum(qid, _):
    label = np.random.default_rng(qid).integers(1, 6, (CLIPS, 20)).tolist()
    # the other domain has no feature files: it is never asked for
    rest = {"duration": CLIPS, "vid": f"v{qid}", "domain": "BK", "label": label, "relevant_windows": None}
    return {"qid": qid, "query": "bee keeping"} | rest


def youtube(qid, _):
    match = [1, 1, 0, -1, 0, 1, 0, 0, -1, 1]
    return {"qid": f"y{qid}", "query": "dog", "duration": CLIPS, "vid": f"v{qid}", "domain": "dog", "match": match}


CASES = [
    ("qvhighlights", "moment_detr", 2.0, ("slowfast", "clip"), qvhighlights, "MR-full-mAP", (2e-4, 8)),
    ("charades_sta", "plain", 1.0, ("slowfast", "clip"), moments, "mIoU", (4e-4, 8)),
    ("tacos", "lighthouse", 2.0, ("clip",), moments, "mIoU", (4e-4, 8)),
    ("activitynet_captions", "univtg", 1.0, ("slowfast", "clip"), moments, "mIoU", (4e-4, 8)),
    ("tvsum", "lighthouse", 2.0, ("i3d",), tvsum, "mAP", (2e-3, 10)),
    ("youtube_highlights", "univtg", 1.0, ("slowfast", "clip"), youtube, "mAP", (4e-4, 10)),
]


def make_folder(root, dataset, layout, clip_length, backbones, record):
    """Two videos of ten clips in each of train and val."""
    video, text, name = LAYOUTS[layout]
    generator = np.random.default_rng(0)
    (root / text).mkdir(parents=True)
    for place, split in enumerate(("train", "val")):
        records = [record(2 * place + i, clip_length) for i in range(2)]
        if dataset == "tvsum":
            records.append({**records[0], "qid": 99 + place, "vid": "nowhere", "domain": "VT"})
        (root / f"{dataset}_{split}_release.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
        for found in records[:2]:
            # TVSum's token files have a key of their own
            key = "token" if dataset == "tvsum" else "last_hidden_state"
            np.savez(root / text / name.format(found["qid"]), **{key: generator.normal(size=(3, 5))})
            for backbone in backbones:
                folder = root / video.format(backbone)
                folder.mkdir(exist_ok=True, parents=True)
                rows = generator.normal(size=(CLIPS, 4)).astype(np.float32)
                if backbone == "i3d":
                    np.save(folder / f"{found['vid']}_rgb.npy", rows)
                    np.save(folder / f"{found['vid']}_opt.npy", rows)
                else:
                    np.savez(folder / f"{found['vid']}.npz", features=rows)
    return root


@pytest.mark.parametrize(
    ("dataset", "layout", "clip_length", "backbones", "record", "figure", "paper"), CASES, ids=[c[0] for c in CASES]
)
def test_from_another_toolkits_folder_to_figures(
    command, tmp_path, dataset, layout, clip_length, backbones, record, figure, paper
):
    root = make_folder(tmp_path / "data", dataset, layout, clip_length, backbones, record)
    where = ("--dataset", dataset, "--features", root, "--layout", layout, "--backbones", *backbones)
    domain = ("--domain", "BK") if dataset == "tvsum" else ()
    run = tmp_path / "run"
    assert command("train", *where, *domain, "--preset", "paper", *TINY, "--out", run) == 0
    report = json.loads((run / "metrics.json").read_text())
    training = report["config"]["training"]
    assert (training["learning_rate"], report["config"]["model"]["num_timesteps"]) == paper
    assert training["select_on"] is None and figure in report["figures"]  # the data set's own first figure
    checkpoint = ("--checkpoint", run / "best.pt")
    submission = tmp_path / "submission.jsonl"
    assert command("predict", *checkpoint, *where, *domain, "--split", "val", "--out", submission) == 0
    annotations = root / f"{dataset}_val_release.jsonl"
    if dataset == "tvsum":
        lines = annotations.read_text().splitlines()[:2]
        annotations.write_text("\n".join(lines))
    scored = tmp_path / "metrics.json"
    asked = ("--submission", submission, "--annotations", annotations, "--dataset", dataset, "--out", scored)
    assert command("evaluate", *asked) == 0
    # a submission keeps 4 decimals of a second and QVHighlights rounds its figures
    assert json.loads(scored.read_text())["brief"][figure] == pytest.approx(report["figures"][figure], abs=0.02)


@pytest.fixture
def trained(command, tmp_path):
    """A QVHighlights folder, its options, and a model trained on it."""
    root = make_folder(tmp_path / "data", *CASES[0][:5])
    where = ("--dataset", "qvhighlights", "--features", root, "--layout", "moment_detr")
    assert command("train", *where, "--preset", "demo", *TINY, "--out", tmp_path / "run") == 0
    return root, where, tmp_path / "run" / "best.pt"


def test_a_split_without_answers_is_predicted(command, trained, tmp_path, capsys):
    root, where, checkpoint = trained
    record = qvhighlights(2, 2.0)
    answers = ("relevant_windows", "relevant_clip_ids", "saliency_scores")
    test = {key: value for key, value in record.items() if key not in answers}
    (root / "highlight_test_release.jsonl").write_text(json.dumps(test) + "\n")
    out = tmp_path / "submission.jsonl"
    assert command("predict", "--checkpoint", checkpoint, *where, "--split", "test", "--out", out) == 0
    (line,) = out.read_text().splitlines()
    found = json.loads(line)
    assert list(found) == ["qid", "query", "vid", "pred_relevant_windows", "pred_saliency_scores"]
    assert len(found["pred_saliency_scores"]) == CLIPS and len(found["pred_relevant_windows"][0]) == 3


def test_another_order_of_backbones_is_refused(command, trained, capsys):
    _, where, checkpoint = trained
    capsys.readouterr()
    swapped = (*where, "--backbones", "clip", "slowfast", "--split", "val")
    assert command("predict", "--checkpoint", checkpoint, *swapped) == 2
    said = capsys.readouterr().err
    assert "was trained with feature_names ('slowfast', 'clip')" in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--dataset", "tvsum"), "name the folder of its features with --features"),
        (("--features", "."), "--features belongs to a benchmark of the field; name it with --dataset"),
        (("--dataset", "tvsum", "--features", ".", "--data", "."), "--data and --dataset exclude each other"),
        (
            ("--dataset", "tvsum", "--features", "nowhere"),
            "nowhere: no such folder; expected the features of --dataset in it",
        ),
    ],
)
def test_options_that_do_not_fit_are_one_line(command, arguments, said, capsys):
    assert command("train", *arguments) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_what_would_fail_after_an_epoch_is_said_before_it(command, trained, capsys):
    _, where, checkpoint = trained
    capsys.readouterr()
    assert command("train", *where, "--preset", "demo", "--set", "training.select_on=mIoU") == 2
    assert "training.select_on is 'mIoU'; figures of qvhighlights: MR-full-R1@0.5" in capsys.readouterr().err
    for name, more in (("train", ()), ("predict", ("--checkpoint", checkpoint, "--split", "val"))):
        assert command(name, *where, *more, "--device", "abacus") == 2
        error = capsys.readouterr().err
        assert "device 'abacus' cannot be used" in error and error.count("\n") == 1


def test_an_unknown_domain_lists_those_there(command, tmp_path, capsys):
    root = make_folder(tmp_path / "data", *CASES[4][:5])
    where = ("--dataset", "tvsum", "--features", root, "--layout", "lighthouse", "--backbones", "i3d")
    assert command("train", *where, "--domain", "XX") == 2
    assert "no video of domain 'XX'; domains there: BK, VT" in capsys.readouterr().err


@pytest.mark.skipif("SNNVTG_DATA" not in os.environ, reason="SNNVTG_DATA names no folder of real data")
def test_nine_real_videos_from_training_to_official_figures(command, tmp_path, capsys):
    root = Path(os.environ["SNNVTG_DATA"])
    words = root / "charades_sta" / "glove.charades.300d.txt"
    where = ("--dataset", "qvhighlights", "--features", root / "qvhighlights", "--backbones", "clip", "--text", words)
    run, out, scored = tmp_path / "run", tmp_path / "submission.jsonl", tmp_path / "metrics.json"
    splits = ("--splits", "mini", "mini", "mini")
    assert command("train", *where, *splits, "--preset", "demo", *TINY, "--out", run) == 0
    assert command("predict", "--checkpoint", run / "best.pt", *where, "--split", "mini", "--out", out) == 0
    predictions = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(predictions) == 9 and {len(p["pred_saliency_scores"]) for p in predictions} == {75}
    assert max(len(p["pred_relevant_windows"]) for p in predictions) > 1
    mini = root / "qvhighlights" / "mini.jsonl"
    assert command("evaluate", "--submission", out, "--annotations", mini, "--out", scored) == 0
    figures = json.loads((run / "metrics.json").read_text())["figures"]
    brief = json.loads(scored.read_text())["brief"]
    assert {name: figures[name] for name in brief} == pytest.approx(brief, abs=0.02)
    assert {"HL-min-VeryGood-mAP", "MR-full-mAP", "MR-long-mAP"} <= set(brief)
