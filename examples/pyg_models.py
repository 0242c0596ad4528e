"""Train PyTorch Geometric's own models, unchanged, on collider events.

    python examples/pyg_models.py --model gps --data ttbar=a.root WH=b.root

An EventDataset is a PyG data set: its transform makes the features and the edges of every graph, PyG's DataLoader
batches them, and the loop below is plain PyTorch. Copy it and put your own layers in place of the two models.
"""

import copy
import time
from typing import Literal

import torch
from jsonargparse.typing import PositiveInt
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GINEConv, GPSConv, TransformerConv, global_mean_pool
from torch_geometric.transforms import Compose

from pyg_hep import command
from pyg_hep.datasets import EventDataset
from pyg_hep.evaluation import classification_report, plots
from pyg_hep.inputs import View
from pyg_hep.objectives import Classification, Loss
from pyg_hep.transforms import CompleteGraph


class EventClassifier(nn.Module):
    """Embed the objects, let them exchange messages, average them, classify the event."""

    def __init__(self, model: str, num_features: int, num_classes: int, layers: int, heads: int, head_width: int):
        super().__init__()
        width = heads * head_width
        self.embed = nn.Sequential(nn.Linear(num_features, width), nn.ReLU(), nn.Linear(width, width))
        self.model, self.layers = model, nn.ModuleList()
        for _ in range(layers):
            if model == "transformer_conv":
                layer = TransformerConv(width, head_width, heads, edge_dim=3, beta=True)
            else:
                update = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
                # Messages along the edges, and attention of all objects of one event.
                layer = GPSConv(width, GINEConv(update, edge_dim=3), heads)
            self.layers.append(layer)
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, num_classes))

    def forward(self, data: Batch) -> Tensor:
        """Logits, shape ``[B, C]``."""
        x = self.embed(data.x)
        for layer in self.layers:
            if self.model == "transformer_conv":
                x = x + layer(x, data.edge_index, data.edge_attr).relu()
            else:
                x = layer(x, data.edge_index, data.batch, edge_attr=data.edge_attr)
        return self.head(global_mean_pool(x, data.batch, size=data.num_graphs))


def main() -> None:
    """Read files, train, keep the best epoch, test once, report."""
    parser = command.Options(__doc__)
    parser.add_argument("--data", nargs="+", required=True, help="files or folders, PATH or NAME=PATH; a name a class")
    parser.add_argument("--card", default="cms_nanoaod", help="dataset card: a path or a shipped name")
    parser.add_argument("--model", type=Literal["transformer_conv", "gps"], default="transformer_conv", help="layers")
    parser.add_argument("--view", default="ho", help="what the model sees of the objects: a published view")
    parser.add_argument("--output", default="runs/pyg_models", help="folder for everything this run writes")
    parser.add_argument("--cache", default="runs/cache", help="folder for converted events")
    parser.add_argument("--layers", type=PositiveInt, default=2, help="number of layers")
    parser.add_argument("--heads", type=PositiveInt, default=4, help="attention heads of every layer")
    parser.add_argument("--head_width", type=PositiveInt, default=8, help="channels of every head")
    parser.add_argument("--epochs", type=PositiveInt, default=10, help="passes over the training events")
    parser.add_argument("--batch_size", type=PositiveInt, default=256, help="events in a step")
    parser.add_argument("--learning_rate", type=float, default=1e-3, help="of AdamW")
    parser.add_argument("--workers", type=int, default=0, help="processes that make the batches")
    parser.add_argument("--seed", type=int, default=0, help="of initialisation and order")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="where to train")
    options = parser.parse_args()
    source = (options.cache, options.card, command.parse_files(options.data, options.card))
    output = command.start_run(options.output, parser, options)

    train, val, test = (EventDataset(*source, split=s, verbose=False) for s in ("train", "val", "test"))
    print("\n".join(train.report.lines()))
    view = View(options.view)
    view.measure(train)
    for part in (train, val, test):
        part.transform = Compose([view.add_to, CompleteGraph()])
    # Event weights, scaled such that every class has the same total weight in the training events.
    balance = Classification(train.num_classes, class_weights="balanced")
    balance.measure(train)
    factors = balance.class_factors
    torch.manual_seed(options.seed)
    shape = (options.layers, options.heads, options.head_width)
    model = EventClassifier(options.model, train.num_features, train.num_classes, *shape).to(options.device)
    optimiser = torch.optim.AdamW(model.parameters(), options.learning_rate)
    loading = {"batch_size": options.batch_size, "num_workers": options.workers}

    def loss(logits: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        term = Loss.mean(nn.functional.cross_entropy(logits, y, reduction="none"), weight * factors.to(y.device)[y])
        return term.numerator / term.denominator

    def predict(dataset: EventDataset) -> Tensor:
        model.eval()
        with torch.no_grad():
            return torch.cat([model(batch.to(options.device)).cpu() for batch in DataLoader(dataset, **loading)])

    history, best, started = [], {}, time.monotonic()
    with SummaryWriter(str(output / "tensorboard")) as log:
        for epoch in range(options.epochs):
            model.train()
            losses = []
            for raw in DataLoader(train, shuffle=True, **loading):
                batch = raw.to(options.device)
                value = loss(model(batch), batch.y, batch.weight)
                optimiser.zero_grad()
                value.backward()
                optimiser.step()
                losses.append(value.item())
            val_loss = float(loss(predict(val), val.y, val.weight))
            figures = {"train_loss": sum(losses) / len(losses), "val_loss": val_loss}
            history.append({"epoch": epoch, **figures})
            log.add_scalars("loss", figures, epoch)
            print(f"epoch {epoch + 1}: " + ", ".join(f"{name} {value:.4f}" for name, value in figures.items()))
            if not best or figures["val_loss"] < best["val_loss"]:
                best = {**history[-1], "weights": copy.deepcopy(model.state_dict())}
    seconds = time.monotonic() - started

    model.load_state_dict(best["weights"])
    probability = predict(test).softmax(dim=-1).numpy()
    report = classification_report(test.y.numpy(), probability, (test.weight * factors[test.y]).numpy())
    print(f"{options.model}: best epoch {best['epoch'] + 1}, {seconds:.0f} s; {len(test)} test events:")
    for name in ("accuracy", "auc"):
        print(f"{name:8s} {report[name]:.4f} +- {report[name + '_error']:.4f}")
    save_file(best["weights"], output / "model.safetensors")
    plots.plot_losses({options.model: history}, output / "loss.png")
    plots.plot_confusion(test.y, probability, train.class_names, output / "confusion.png", test.weight)
    results = {
        "test": report,
        "training": {"best_epoch": best["epoch"], "seconds": seconds, "history": history},
        "events": {"train": len(train), "val": len(val), "test": len(test)},
        "classes": train.class_names,
        "parameters": sum(p.numel() for p in model.parameters()),
    } | {name: getattr(options, name) for name in ("model", "seed")}
    command.write_results(output, results)


if __name__ == "__main__":
    command.run(main)
