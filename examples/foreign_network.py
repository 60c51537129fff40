"""A network of one's own on exported graphs, and tracks from its scores.

    smartpix simulate events --pileup 60 --events 100 --seed 1 -o F.root
    smartpix export graphs F.root -o graphs --format npz --jobs 2
    python examples/foreign_network.py graphs --epochs 10 --json

The network below is plain torch-geometric and knows nothing of smartpix: two rounds of messages between hits, and
a classifier of edges. It sees the fields of the export alone. Its scores then go back: smartpix builds and fits
tracks of them and judges these as ``smartpix run`` does. The last fifth of the graphs is not trained on.
"""

import argparse
import json
import sys

import torch
from torch import nn
from torch_geometric.loader import DataLoader
from torch_geometric.nn import MessagePassing

from tracking.graphs import GraphDataset, evaluate_scores

FIELDS = ("x", "edge_attr", "edge_cone", "y")


def perceptron(*widths):
    """Dense layers with ReLU between them."""
    layers = []
    for n_in, n_out in zip(widths, widths[1:], strict=False):
        layers += [nn.ReLU(), nn.Linear(n_in, n_out)]
    return nn.Sequential(*layers[1:])


class Messages(MessagePassing):
    """One round: each hit hears of its edges and their other ends, from both sides."""

    def __init__(self, width):
        super().__init__(aggr="add")
        self.speak, self.update_hit = perceptron(3 * width, width, width), perceptron(2 * width, width, width)

    def forward(self, hits, edge_index, edges):
        """New features of the hits."""
        both = torch.cat([edge_index, edge_index.flip(0)], dim=1)
        heard = self.propagate(both, hits=hits, edges=torch.cat([edges, edges]))
        return hits + self.update_hit(torch.cat([hits, heard], dim=1))

    def message(self, hits_i, hits_j, edges):
        """What one end of an edge tells the other."""
        return self.speak(torch.cat([hits_i, hits_j, edges], dim=1))


class EdgeClassifier(nn.Module):
    """Logits of the edges of a graph."""

    def __init__(self, n_hit, n_edge, width=32, rounds=2):
        super().__init__()
        self.hit_norm, self.edge_norm = nn.BatchNorm1d(n_hit), nn.BatchNorm1d(n_edge)
        self.hit, self.edge = perceptron(n_hit, width, width), perceptron(n_edge, width, width)
        self.rounds = nn.ModuleList(Messages(width) for _ in range(rounds))
        self.classify = perceptron(3 * width, width, 1)

    def forward(self, x, edge_index, edge_attr):
        """(E,) logits."""
        hits, edges = self.hit(self.hit_norm(squeezed(x))), self.edge(self.edge_norm(squeezed(edge_attr)))
        for messages in self.rounds:
            hits = messages(hits, edge_index, edges)
        source, target = edge_index
        return self.classify(torch.cat([hits[source], hits[target], edges], dim=1)).squeeze(1)


def squeezed(values):
    """A logarithm of what may be large, of either sign."""
    return torch.sign(values) * torch.log1p(values.abs())


def features_of(graph):
    """What the network sees of the edges: their geometry and what the cones know."""
    return torch.cat([graph.edge_attr, graph.edge_cone], dim=1)


def train(dataset, epochs, seed=1, report=print):
    """Train on a data set of graphs."""
    torch.manual_seed(seed)
    first = dataset[0]
    network = EdgeClassifier(first.x.shape[1], features_of(first).shape[1])
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for epoch in range(epochs):
        total = n_edges = 0
        for batch in DataLoader(dataset, batch_size=2, shuffle=True):
            logits = network(batch.x, batch.edge_index, features_of(batch))
            loss = nn.functional.binary_cross_entropy_with_logits(logits, batch.y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total, n_edges = total + float(loss.detach()) * len(logits), n_edges + len(logits)
        decay.step()
        report(f"epoch {epoch + 1}: loss {total / max(n_edges, 1):.4f}")
    return network.eval()


def scores_of(network):
    """The scores of a graph's edges, from the fields of its file."""

    def score(graph):
        fields = {
            name: torch.from_numpy(graph[name]) for name in ("x", "edge_index", "edge_attr", "edge_cone")
        }
        with torch.no_grad():
            edges = torch.cat([fields["edge_attr"], fields["edge_cone"]], dim=1)
            return torch.sigmoid(network(fields["x"], fields["edge_index"], edges)).numpy()

    return score


def main(arguments=None):
    """Train, score, build and judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("graphs", help="folder of smartpix export graphs, with truth")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    dataset = GraphDataset(options.graphs, fields=FIELDS)
    n_train = max(len(dataset) * 4 // 5, 1)
    network = train(dataset[:n_train], options.epochs, report=lambda line: print(line, file=sys.stderr))
    found = evaluate_scores(options.graphs, scores_of(network), slice(n_train, None))
    kept = ("n_events", "n_findable", "n_tracks", "track_efficiency", "fake_rate", "duplicate_rate")
    result = {"parameters": sum(p.numel() for p in network.parameters()), "trained_on": n_train}
    result |= {name: found[name] for name in kept}
    print(
        json.dumps(result)
        if options.json
        else "\n".join(f"{name}: {value}" for name, value in result.items())
    )
    return result


if __name__ == "__main__":
    main()
