"""What trackers hold, read back by the reader of each library, in one form."""

import io
import json
import struct
from pathlib import Path
from typing import NamedTuple

PNG = b"\x89PNG"


class Held(NamedTuple):
    """runs: {name: (knobs, [(step, {metric: value})])}; figures: names; text: of the results."""

    runs: dict
    figures: set
    text: str


def metrics(workdir):
    """{run: [(step, {metric: value})]} of metrics.jsonl, the truth."""
    found = {}
    for line in map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines()):
        point = line["step"], {key: value for key, value in line.items() if "/" in key}
        found.setdefault(f"{line['row']}/seed {line['seed']}", []).append(point)
    return found


def events(path):
    """The records of an event file, both checksums of each checked."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    file = io.BytesIO(path.read_bytes())
    while head := file.read(8):
        (length,) = struct.unpack("<Q", head)
        assert struct.unpack("<I", file.read(4)) == (masked_crc32c(head),)
        body = file.read(length)
        assert struct.unpack("<I", file.read(4)) == (masked_crc32c(body),)
        yield Event.FromString(body)


def tensorboard_files(workdir):
    """By tensorboardX's protocol buffers."""
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    folder, runs, figures, text = workdir / "tensorboard", {}, set(), ""
    for path in folder.rglob("events.out.tfevents.*"):
        knobs, points, restarts = {}, [], []
        for event in events(path):
            restarts += [event.step] if event.session_log.status == event.session_log.START else []
            scalars = {}
            for value in event.summary.value:
                if value.HasField("image"):
                    assert value.image.encoded_image_string.startswith(PNG)
                    figures.add(value.tag.removeprefix("report/"))
                elif value.metadata.plugin_data.plugin_name == "hparams":
                    told = HParamsPluginData.FromString(value.metadata.plugin_data.content).session_start_info.hparams
                    knobs |= {key: getattr(of, of.WhichOneof("kind")) for key, of in told.items()}
                elif value.HasField("tensor"):
                    text += value.tensor.string_val[0].decode()
                else:
                    scalars[value.tag] = value.simple_value
            points += [(event.step, scalars)] if scalars else []
        assert restarts == [0]
        if path.parent != folder / "report":
            assert path.parent.relative_to(folder).as_posix() not in runs, "one file for a run"
            runs[path.parent.relative_to(folder).as_posix()] = knobs, points
    return Held(runs, figures, text)


def tensorboard(workdir):
    """By TensorBoard's own reader."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    folder, runs = workdir / "tensorboard", {}
    for path in folder.rglob("events.out.tfevents.*"):
        read = EventAccumulator(str(path.parent), size_guidance={"scalars": 0}).Reload()
        by_step = {}
        for tag in read.Tags()["scalars"]:
            for scalar in read.Scalars(tag):
                assert tag not in by_step.setdefault(scalar.step, {}), "a step twice"
                by_step[scalar.step][tag] = scalar.value
        if path.parent == folder / "report":
            assert all(read.Images(tag)[0].encoded_image_string.startswith(PNG) for tag in read.Tags()["images"])
            figures = {tag.removeprefix("report/") for tag in read.Tags()["images"]}
            text = read.Tensors(read.Tags()["tensors"][0])[0].tensor_proto.string_val[0].decode()
            continue
        start = read.summary_metadata[metadata.SESSION_START_INFO_TAG].plugin_data.content
        told = metadata.parse_session_start_info_plugin_data(start).hparams
        knobs = {key: getattr(of, of.WhichOneof("kind")) for key, of in told.items()}
        runs[path.parent.relative_to(folder).as_posix()] = knobs, sorted(by_step.items())
    return Held(runs, figures, text)


def wandb(workdir):
    """By wandb's protocol buffers, out of the log of blocks that an offline run is; the library reads it to sync only."""
    import wandb
    from wandb.proto.wandb_internal_pb2 import Record

    wandb.teardown()  # as at the end of a process: the library's own process has written all of its files
    runs, figures, text = {}, set(), ""
    for path in (workdir / "wandb").glob("offline-run-*/run-*.wandb"):
        name, knobs, points = "", {}, []
        for record in map(Record.FromString, _blocks(path.read_bytes())):
            if record.HasField("run") and not name:
                name = record.run.display_name
                knobs = {item.key: json.loads(item.value_json) for item in record.run.config.update}
                assert record.run.project == "lamv" and record.run.run_group == workdir.name
            if record.HasField("history"):
                items = {
                    tuple(item.nested_key or [item.key]): json.loads(item.value_json) for item in record.history.item
                }
                figures |= {key[0] for key, value in items.items() if key[1:] == ("_type",) and value == "image-file"}
                numbers = {key[0]: value for key, value in items.items() if len(key) == 1 and "/" in key[0]}
                points.append((record.history.step.num, numbers))
        if name == "report":
            [table] = path.parent.glob("files/media/table/*.json")
            text = table.read_text()
            images = [found.read_bytes() for found in path.parent.glob("files/media/images/*.png")]
            assert len(images) == len(figures) and all(image.startswith(PNG) for image in images)
        else:
            assert name not in runs, "one file for a run"
            runs[name] = flat(knobs), points
    return Held(runs, figures, text)


def _blocks(content):
    """The records of a log of 32 KiB blocks, as LevelDB has them; its head has 7 bytes."""
    at, waiting = 7, b""
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
        _, length, kind = struct.unpack("<IHB", content[at : at + 7])
        waiting += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield waiting
            waiting = b""


def mlflow(workdir, uri=None):
    """By MLflow's client."""
    from mlflow import MlflowClient

    client = MlflowClient(uri or f"sqlite:///{workdir / 'mlflow' / 'mlflow.db'}")
    runs, figures, text = {}, set(), ""
    [experiment] = client.search_experiments(filter_string="name = 'lamv'")
    for run in client.search_runs([experiment.experiment_id]):
        if run.data.tags.get("mlflow.parentRunId"):
            by_step = {}
            for key in run.data.metrics:
                for metric in client.get_metric_history(run.info.run_id, key):
                    assert key not in by_step.setdefault(metric.step, {}), "a step twice"
                    by_step[metric.step][key] = metric.value
            assert run.info.run_name not in runs
            runs[run.info.run_name] = run.data.params, sorted(by_step.items())
            continue
        assert run.info.run_name == workdir.name
        figures = {Path(file.path).stem for file in client.list_artifacts(run.info.run_id, "figures")}
        text = Path(client.download_artifacts(run.info.run_id, "results.md")).read_text()
        assert json.loads(Path(client.download_artifacts(run.info.run_id, "results.json")).read_text())["data"]
    return Held(runs, figures, text)


def trackio(workdir):
    """By trackio's API and storage."""
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    runs, figures, text, own = {}, set(), "", json.loads((workdir / "trackers.json").read_text())["id"]
    for run in trackio.Api().runs("lamv"):
        if not run.id.startswith(own):  # another test's
            continue
        logs = SQLiteStorage.get_logs("lamv", run.name, run_id=run.id)
        if run.name == "report":
            figures = {
                key for key, value in logs[-1].items() if isinstance(value, dict) and value["_type"] == "trackio.image"
            }
            text = json.dumps(logs[-1]["results"])
            continue
        points = [(log["step"], {key: value for key, value in log.items() if "/" in key}) for log in logs]
        assert run.config["_Group"] == workdir.name
        runs[run.name] = flat(run.config), points
    return Held(runs, figures, text)


def flat(tree, prefix=""):
    found = {}
    for key, value in tree.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found
