"""Prints training reports side by side and draws them.

usage: compare.py FOLDER NAME...      reads FOLDER/NAME.json (of `greenplan-finetune --report`), the first is the
baseline; writes FOLDER/demo.svg. Exits with 1 if a run exceeded its budget or executed other than predicted.
"""

import json
import pathlib
import sys

COLOURS = ("#444444", "#1b9e77", "#d95f02", "#7570b3", "#e7298a", "#66a61e")
WIDTH, HEIGHT, MARGIN = 420, 260, 52


def trained_epochs(report):
    return [epoch for epoch in report["epochs"] if epoch["epoch"] > 0]


def mean(report, key):
    epochs = trained_epochs(report)
    return sum(float(epoch[key]) for epoch in epochs) / len(epochs)


def wrong_epochs(report):
    """Epochs that were planned over budget, or whose executed FLOPs differ from those predicted for their steps."""
    limit = report["options"].get("budget", {}).get("fraction_of_backward", 1.0)
    wrong = []
    for epoch in trained_epochs(report):
        expected = float(epoch.get("expected_backward_flops", epoch["predicted_backward_flops"]))
        is_over = expected > limit * float(epoch["full_backward_flops"])
        if is_over or float(epoch["executed_backward_flops"]) != float(epoch["predicted_backward_flops"]):
            wrong.append(epoch["epoch"])
    return wrong


def table(names, reports):
    """One row a run; "backward" is the mean step's share of the first run's backward FLOPs."""
    baseline = reports[0]
    full = mean(baseline, "full_backward_flops")
    rows = [("run", "steps", "backward", "predicted", "TFLOP", "s/step", "of full", "peak MB", "training s", "validation loss")]
    for name, report in zip(names, reports):
        epochs, totals, steps = report["epochs"], report["totals"], len(report["steps"])
        seconds = mean(report, "step_seconds")
        planning = float(totals["probe_seconds"]) + float(totals["plan_seconds"])
        rows.append((
            name,
            str(steps),
            f"{mean(report, 'executed_backward_flops') / full:.2%}",
            f"{mean(report, 'predicted_backward_flops') / full:.2%}",
            f"{float(totals['executed_flops']) * 1e-12:.2f}",
            f"{seconds:.3f}",
            f"{seconds / mean(baseline, 'step_seconds'):.2f}",
            f"{max(float(epoch['peak_memory_bytes']) for epoch in trained_epochs(report)) / 1e6:.0f}",
            f"{seconds * steps + planning:.1f}",
            f"{epochs[0]['validation_loss']:.3f} -> {epochs[-1]['validation_loss']:.3f}",
        ))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths)))
             for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0])] + lines[1:])


def curve(report, key, scale):
    """(cumulative `key` per step, validation loss) after each epoch, starting from the model as loaded."""
    epochs = report["epochs"]
    steps = len(report["steps"]) / max(1, len(trained_epochs(report)))
    x, points = 0.0, [(0.0, epochs[0]["validation_loss"])]
    for epoch in trained_epochs(report):
        x += float(epoch[key]) * steps * scale
        points.append((x, epoch["validation_loss"]))
    return points


def panel(names, curves, label, left):
    xs = [x for points in curves for x, _ in points]
    ys = [y for points in curves for _, y in points]
    low, high = min(ys), max(ys)

    def place(x, y):
        return (left + MARGIN + x / max(xs) * (WIDTH - 2 * MARGIN),
                HEIGHT - MARGIN - (y - low) / (high - low) * (HEIGHT - 2 * MARGIN))

    bottom = HEIGHT - MARGIN
    parts = [f'<line x1="{left + MARGIN}" y1="{bottom}" x2="{left + WIDTH - MARGIN}" y2="{bottom}" stroke="#999"/>',
             f'<line x1="{left + MARGIN}" y1="{MARGIN}" x2="{left + MARGIN}" y2="{bottom}" stroke="#999"/>',
             f'<text x="{left + WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">{label}</text>']
    for share in (0, 0.5, 1):
        x, _ = place(max(xs) * share, low)
        _, y = place(0, low + (high - low) * share)
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{max(xs) * share:.3g}</text>')
        parts.append(f'<text x="{left + MARGIN - 6}" y="{y + 4}" text-anchor="end">{low + (high - low) * share:.2f}</text>')
    for i, (name, points) in enumerate(zip(names, curves)):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in (place(*p) for p in points)]
        parts.append(f'<text x="{left + WIDTH - MARGIN - 90}" y="{MARGIN + 16 * i}" fill="{colour}">{name}</text>')
    return parts


def drawing(names, reports):
    flops = [curve(report, "executed_backward_flops", 1e-12) for report in reports]
    seconds = [curve(report, "step_seconds", 1.0) for report in reports]
    parts = panel(names, flops, "executed backward TFLOP", 0) + panel(names, seconds, "seconds in training steps", WIDTH)
    title = f'<text x="{WIDTH}" y="22" text-anchor="middle" font-size="14">Validation loss of {len(names)} fine-tunings</text>'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
            f'font-size="11"><rect width="100%" height="100%" fill="white"/>{title}{"".join(parts)}</svg>\n')


def main():
    folder, names = pathlib.Path(sys.argv[1]), sys.argv[2:]
    reports = [json.loads((folder / f"{name}.json").read_text()) for name in names]
    print(table(names, reports))
    (folder / "demo.svg").write_text(drawing(names, reports))
    print(f"\nThe picture is in {folder}/demo.svg, each run's report beside it.")
    wrong = {name: epochs for name, report in zip(names, reports) if (epochs := wrong_epochs(report))}
    if wrong:
        sys.exit(f"demo: executed FLOPs over budget or not as predicted, by run and epoch: {wrong}")
    print("Executed FLOPs equal the prediction and every plan keeps its budget.")


if __name__ == "__main__":
    main()
