"""Features of three classes in the plane through their templates (Mueller et al. 2019)."""

from lamv.core.projection import project, template_plane
from lamv.evaluate.snapshot import Result, Snapshot, rounded

#: Examples of a class.
EXAMPLES = 100


def projection(snapshot: Snapshot) -> list[Result]:
    """Curves of training and test examples."""
    classes, kernels = snapshot.options.classes, snapshot.last_kernels
    if kernels is None or snapshot.plan.num_classes < 3 or kernels.shape[1] < 2:
        snapshot.note("no projection, which takes three classes and two features or more")
        return []
    results = [Result() for _ in snapshot.replicas.numbers]
    for split in ("train", "test"):
        table = snapshot.of_classes(split, classes, EXAMPLES) if split in snapshot.tables else None
        if table is None:
            continue
        features = snapshot.passes.activations(snapshot.replicas, table)["features"]
        for r, (result, labels) in enumerate(zip(results, snapshot.labels(table), strict=True)):
            templates = kernels[r].T[list(classes)]
            try:
                plane = template_plane(templates)
            except ValueError:
                snapshot.note("no projection, as its templates lie on a line")
                continue
            x, y = project(features[r], plane).T
            result.curves.append({
                "split": split, "kind": "projection", "classes": list(classes),
                "names": [snapshot.row.names.classes[c] for c in classes],
                "x": rounded(x), "y": rounded(y), "label": [classes.index(int(label)) for label in labels],
                "templates": [rounded(point) for point in project(templates, plane)],
            })  # fmt: skip
    return results
