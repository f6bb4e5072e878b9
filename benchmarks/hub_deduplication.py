"""How many bytes does a hub store when a model comes again, changed a little, from a machine that never saw it?

A hub is served in a folder of its own. The real client uploads a model, then a variant of it, each time from a process
with an empty cache, so that only what the hub tells about its chunks can save anything. Bytes are counted on the hub's
disk, compressed as they lie there.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from record import HERE, Cells, stamp, stamp_lines, table, write
from safetensors.torch import save_file

Weights = dict[str, torch.Tensor]
SCALE = 0.02
EMBEDDING = "model.embed_tokens.weight"
CLIENT = """
import sys
from huggingface_hub import HfApi
folder, repository = sys.argv[1:]
HfApi().create_repo(repository, exist_ok=True)
HfApi().upload_folder(folder_path=folder, repo_id=repository)
"""
PLACES = {
    "same": "the next revision of the same repository",
    "sister": "a new repository of the same owner, which names no base",
    "card": "a new repository of somebody else, whose card names the base in the same upload",
}
EXPLAINED = """\
A Llama-shaped model of {layers} layers and {hidden} hidden numbers with {vocabulary:,} tokens, in bfloat16,
{megabytes:.1f} MB of random weights, each cell with weights of its own. Shares are of the variant's size: what the
hub's disk holds more than before, after the upload of the whole folder by `upload_folder` (huggingface_hub {client},
hf_xet {xet}) from an empty cache. The base itself takes {base:.1%} of its size, packed chunk by chunk; nothing of that
is in the other rows."""


def main() -> None:
    given = arguments()
    cells = Cells(given.out / "hub_deduplication.jsonl")
    with TemporaryDirectory() as work, served(Path(work)) as hub:
        for key in keys(given):
            cells.take(key, lambda key=key: cell(hub, Path(work), key))
    found = [taken for key in keys(given) if (taken := cells.get(key))]
    write(given.out / "hub_deduplication.md", page(found, given))


def keys(given: argparse.Namespace) -> list[dict[str, Any]]:
    shape = {"layers": given.layers, "hidden": given.hidden, "vocabulary": given.vocabulary, "seed": given.seed}
    places = [place for place in PLACES if place in (given.only or PLACES)]
    return [{"variant": variant, "place": place, **shape} for variant in VARIANTS for place in places]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=PLACES, help="where variants go")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for hub_deduplication.md and .jsonl")
    return parser.parse_args()


def weights(layers: int, hidden: int, vocabulary: int, source: torch.Generator) -> Weights:
    """A model's weights, under the names that transformers gives them."""
    wide = hidden * 8 // 3
    shapes = {EMBEDDING: (vocabulary, hidden), "model.norm.weight": (hidden,)}
    for layer in range(layers):
        at = f"model.layers.{layer}."
        shapes |= {f"{at}self_attn.{name}_proj.weight": (hidden, hidden) for name in "qkvo"}
        shapes |= {f"{at}mlp.{name}_proj.weight": (wide, hidden) for name in ("gate", "up")}
        shapes |= {f"{at}mlp.down_proj.weight": (hidden, wide), f"{at}input_layernorm.weight": (hidden,)}
    return {name: rows(shape, source) for name, shape in shapes.items()}


def rows(shape: tuple[int, ...], source: torch.Generator) -> torch.Tensor:
    return (torch.randn(shape, generator=source) * SCALE).to(torch.bfloat16)


def the_same(base: Weights, layers: int, source: torch.Generator) -> Weights:
    """Nothing changes."""
    del layers, source
    return base


def tuned(base: Weights, layers: int, source: torch.Generator) -> Weights:
    """Every weight of the last layer moves a little."""
    last = f"model.layers.{layers - 1}."
    return {
        name: (value.float() + 0.01 * SCALE * torch.randn(value.shape, generator=source)).to(torch.bfloat16)
        if name.startswith(last)
        else value
        for name, value in base.items()
    }


def enlarged(base: Weights, layers: int, source: torch.Generator) -> Weights:
    """64 tokens more, in the embedding."""
    del layers
    embedding = base[EMBEDDING]
    return base | {EMBEDDING: torch.cat([embedding, rows((64, embedding.shape[1]), source)])}


def pruned(base: Weights, layers: int, source: torch.Generator) -> Weights:
    """The layer in the middle goes; those behind it move up."""
    del source
    gone = layers // 2
    kept: Weights = {}
    for name, value in base.items():
        parts = name.split(".")
        if parts[1] == "layers":
            layer = int(parts[2])
            if layer == gone:
                continue
            parts[2] = str(layer - (layer > gone))
        kept[".".join(parts)] = value
    return kept


Variant = Callable[[Weights, int, torch.Generator], Weights]
VARIANTS: Mapping[str, tuple[str, Variant]] = {
    "again": ("the same model again", the_same),
    "tuned": ("the last layer fine-tuned", tuned),
    "enlarged": ("64 rows more in the vocabulary", enlarged),
    "pruned": ("one layer pruned", pruned),
}


class Hub:
    """A hub that is served, and what it has on the disk."""

    def __init__(self, data: Path, url: str):
        self.data, self.url = data, url

    def token(self, name: str) -> str:
        made = minnow("hub", "user", "add", name, "--data", str(self.data), "--json")
        return str(json.loads(made)["token"])

    def stored(self) -> int:
        return sum(path.stat().st_size for path in (self.data / "blobs").rglob("*") if path.is_file())


@contextmanager
def served(work: Path) -> Iterator[Hub]:
    data = work / "hub"
    command = [str(program("minnow")), "hub", "serve", "--data", str(data), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield Hub(data, json.loads(process.stdout.readline())["url"])
        finally:
            process.terminate()


def cell(hub: Hub, work: Path, key: Mapping[str, Any]) -> dict[str, Any]:
    """Upload a base and a variant of it, and count."""
    variant, place, layers = key["variant"], key["place"], key["layers"]
    number = list(VARIANTS).index(variant) * len(PLACES) + list(PLACES).index(place)
    source = torch.Generator().manual_seed(key["seed"] * 1000 + number)
    base = weights(layers, key["hidden"], key["vocabulary"], source)
    owner, other = f"{place}-{variant}", f"{place}-{variant}-other"
    token = hub.token(owner)
    before = hub.stored()
    base_bytes = upload(hub, work, token, f"{owner}/base", base, card="license: mit")
    base_stored = hub.stored() - before
    target, card = f"{owner}/base", "license: apache-2.0"
    if place == "sister":
        target = f"{owner}/variant"
    elif place == "card":
        token, target, card = hub.token(other), f"{other}/variant", f"base_model: {owner}/base"
    changed = VARIANTS[variant][1](base, layers, source)
    before = hub.stored()
    size = upload(hub, work, token, target, changed, card)
    stored = hub.stored() - before
    known = {id(value) for value in base.values()}
    new = sum(size_of(value) for value in changed.values() if id(value) not in known)
    new -= size_of(base[EMBEDDING]) if variant == "enlarged" else 0  # of the embedding, 64 rows are new
    counted = {"base_bytes": base_bytes, "base_stored": base_stored, "bytes": size, "stored": stored, "new_bytes": new}
    return counted | {"clients": client_versions(), "stamp": stamp(key["seed"])}


def upload(hub: Hub, work: Path, token: str, repository: str, model: Weights, card: str) -> int:
    """Upload a folder from an empty cache; the size of its weights."""
    with TemporaryDirectory(dir=work) as folder, TemporaryDirectory(dir=work) as home:
        save_file(model, Path(folder) / "model.safetensors", metadata={"format": "pt"})
        (Path(folder) / "README.md").write_text(f"---\n{card}\n---\n", encoding="utf-8")
        size = (Path(folder) / "model.safetensors").stat().st_size
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        told = {"HF_ENDPOINT": hub.url, "HF_TOKEN": token, "HF_HOME": home, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        subprocess.run(
            [sys.executable, "-c", CLIENT, folder, repository], env=environment | told, check=True, stdout=sys.stderr
        )
    return size


def size_of(value: torch.Tensor) -> int:
    return value.numel() * value.element_size()


def minnow(*arguments: str) -> str:
    return subprocess.run([program("minnow"), *arguments], capture_output=True, text=True, check=True).stdout


def program(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def client_versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("huggingface_hub", "hf_xet")}


def page(found: Sequence[Mapping[str, Any]], given: argparse.Namespace) -> list[str]:
    """The results as Markdown."""
    cells = {(taken["key"]["variant"], taken["key"]["place"]): taken for taken in found}
    places = [place for place in PLACES if any(key[1] == place for key in cells)]
    last = found[-1]
    explained = EXPLAINED.format(
        layers=given.layers,
        hidden=given.hidden,
        vocabulary=given.vocabulary,
        megabytes=last["base_bytes"] / 1e6,
        base=sum(taken["base_stored"] for taken in found) / sum(taken["base_bytes"] for taken in found),
        client=last["clients"]["huggingface_hub"],
        xet=last["clients"]["hf_xet"],
    )
    lines = []
    for variant, (words, _) in VARIANTS.items():
        row = [cells[variant, place] for place in places if (variant, place) in cells]
        if len(row) == len(places):
            shares = [f"{taken['stored'] / taken['bytes']:.2%}" for taken in row]
            lines.append([words, f"{row[0]['new_bytes'] / row[0]['bytes']:.2%}", *shares])
    legend = [f"- `{place}`: {PLACES[place]}" for place in places]
    head = ["share of the variant", "new", *places]
    shown = ["# What a hub stores of variants", "", explained, "", *table(head, lines), "", *legend, ""]
    return [*shown, *stamp_lines(last["stamp"])]


if __name__ == "__main__":
    main()
