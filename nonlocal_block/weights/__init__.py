"""Checkpoints: files of a network's parameters, and the package's own, whose SHA-256 are in ``index.json``."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from nlmeans.formats import replacing

FORMAT = 1
"""Raised with changes that older versions of the package cannot read."""
FOLDER = Path(__file__).parent
INDEX = "index.json"
REMEDY = "Install the package again"
QUOTED = 200
"""Characters of a file, or of another library's message on it, that an error repeats."""
MOST = 64
"""Numbers up to this are arguments of any network; larger ones must be a side or the count of its tensors."""
Network = TypeVar("Network", bound=nn.Module)
Loaded = tuple[dict[str, Any], dict[str, Tensor], dict[str, Any]]
"""Arguments, parameters and notes."""


def shipped(name: str, network: str, folder: Path | None = None) -> Loaded:
    """Return the arguments, parameters and notes of one of the package's checkpoints, if it is unchanged.

    Parameters
    ----------
    name : str
        Its name in the index, such as "classifier".
    network : str
        The class of its network.
    folder : Path, optional
        The folder of index and checkpoints; by default the package's.

    Raises
    ------
    FileNotFoundError
        If the index or the file is missing.
    ValueError
        If there is no checkpoint of that name, it is of a newer format, truncated or changed; the message says which.
    """
    folder = folder or FOLDER
    index = _read(folder)
    entry = _entry(index, name)
    path = folder / entry["file"]
    if not path.is_file():
        raise FileNotFoundError(f"the weights {path} are missing. {REMEDY}")
    content = path.read_bytes()  # once: what is checked is what is loaded
    size = len(content)
    if size != entry["bytes"]:
        what = "truncated" if size < entry["bytes"] else "damaged"
        raise ValueError(f"the weights {path} are {what}: they must have {entry['bytes']} bytes; got {size}. {REMEDY}")
    digest = hashlib.sha256(content).hexdigest()
    if digest != entry["sha256"]:
        raise ValueError(
            f"the weights {path} were changed: their SHA-256 must be {entry['sha256']}; got {digest}. {REMEDY}, "
            "or name the file to load it all the same"
        )
    return _parsed(content, path, network)


def save(
    path: str | os.PathLike[str], network: nn.Module, arguments: Mapping[str, Any], notes: Mapping[str, Any]
) -> None:
    """Write a network's parameters as a safetensors file, which appears whole or not at all.

    Parameters
    ----------
    path : path
        The file; one of that name is replaced.
    network : nn.Module
        The network; its class is noted.
    arguments : mapping
        The arguments that it was made with.
    notes : mapping
        Training recipe, seed, figures. Both mappings go into the file's metadata, as JSON.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    content = _packed(type(network).__name__, arguments, state, notes)
    with replacing(Path(path), overwrite=True) as part:
        part.write_bytes(content)


def load(path: str | os.PathLike[str], network: str) -> Loaded:
    """Return the arguments, parameters and notes of a file that `save` wrote; nothing in it is executed.

    Parameters
    ----------
    path : path
        A safetensors file.
    network : str
        The class of its network.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is corrupt, of a newer format, or of another network; the message names it.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return _parsed(Path(path).read_bytes(), path, network)


def _packed(network: str, arguments: Mapping[str, Any], state: Mapping[str, Tensor], notes: Mapping[str, Any]) -> bytes:
    """Return the content of a safetensors file; its library would write one that others may not read."""
    metadata = {
        "network": network,
        "format": str(FORMAT),
        "arguments": json.dumps(dict(arguments)),
        "notes": json.dumps(dict(notes)),
    }
    content: bytes = _library().torch.save(dict(state), metadata)
    return content


def _parsed(content: bytes, path: str | os.PathLike[str], network: str) -> Loaded:
    """Return the arguments, parameters and notes in a safetensors file."""
    library = _library()
    try:
        state = library.torch.load(content)
    except library.SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file: {_short(error)}") from error
    # A header of JSON, after eight bytes with its length; the loader itself returns no metadata.
    metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get("__metadata__", {})
    if metadata.get("network") != network:
        raise ValueError(f"{path} does not hold a {network}; its metadata is {_short(metadata)}")
    try:
        form = int(metadata["format"])
        arguments, notes = (json.loads(metadata[name]) for name in ("arguments", "notes"))
        if not isinstance(arguments, dict) or not isinstance(notes, dict):
            raise ValueError("arguments and notes must be objects")
    except (KeyError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} does not say what it holds: {_short(repr(error))}") from error
    if not 1 <= form <= FORMAT:
        reason = "a newer version wrote it: update the package" if form > FORMAT else "there is none such"
        raise ValueError(f"{path} must be of format {FORMAT} or older; got {form}: {reason}")
    return arguments, state, notes


def _short(text: Any) -> str:
    """Return a text on one line, shortened if it is long: files may hold anything."""
    line = " ".join(str(text).split())
    return line if len(line) <= QUOTED else f"{line[:QUOTED]} …"


def _library() -> Any:
    try:
        import safetensors.torch
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "trained weights need safetensors, which is not installed: pip install 'nlmeans[learned]'",
            name="safetensors",
        ) from error
    return safetensors


def assembled(
    network_class: Callable[..., Network], arguments: Mapping[str, Any], state: Mapping[str, Tensor], name: Any
) -> Network:
    """Return a network with these parameters, in float32 and ready to evaluate; no random number is drawn.

    Parameters
    ----------
    network_class : class
        A class of nn.Module.
    arguments, state : mapping
        From `load`.
    name : str or path
        The checkpoint's name in errors.

    Raises
    ------
    ValueError
        If the parameters do not fit.
    """
    floats = {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in state.items()}
    try:
        _check_sizes(arguments, floats)
        with torch.device("meta"):
            network = network_class(**arguments).float()
        wanted, given = ({k: (tuple(x.shape), x.dtype) for k, x in s.items()} for s in (network.state_dict(), floats))
        for key in sorted(wanted.keys() | given.keys()):  # before memory is taken
            if wanted.get(key) != given.get(key):
                raise ValueError(f"{key} must be {wanted.get(key, 'absent')}; got {given.get(key, 'none')}")
        network.to_empty(device="cpu").load_state_dict(floats)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{name} does not fit {network_class.__name__}({_short(dict(arguments))}): {_short(error)}"
        ) from error
    return network.eval()


def _check_sizes(arguments: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    """Refuse arguments too large for a network with these parameters, which would take for ever to make."""
    most = max(MOST, len(state), *(side for tensor in state.values() for side in tensor.shape))
    for name, value in arguments.items():
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int) and number > most:
                raise ValueError(f"{name} must be at most {most} for weights of these sizes; got {number}")


def ship(
    name: str,
    source: str | os.PathLike[str],
    network: str,
    folder: Path | None = None,
    *,
    half: bool = False,
    notes: Mapping[str, Any] | None = None,
) -> Path:
    """Copy a checkpoint to the package's own, and note its hash in the index.

    Parameters
    ----------
    name : str
        Its name for `shipped`; one of that name is replaced.
    source : path
        A file that `save` wrote.
    network : str
        The class of its network.
    folder : Path, optional
        The folder of index and checkpoints; by default the package's.
    half : bool, default False
        Store float32 parameters in float16, in half the bytes.
    notes : mapping, optional
        Notes besides the file's own, such as licence and figures on test sets.
    """
    folder = folder or FOLDER
    path = folder / f"{name}.safetensors"
    # Read first: if the index cannot be read, no new checkpoint must be left behind.
    index: dict[str, Any] = _read(folder) if (folder / INDEX).exists() else {"format": FORMAT, "files": {}}
    arguments, state, own = load(source, network)
    if half:
        state = {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in state.items()}
    content = _packed(network, arguments, state, {**own, **(notes or {})})
    with replacing(path, overwrite=True) as part:
        part.write_bytes(content)
    index["files"][name] = {
        "file": path.name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    with replacing(folder / INDEX, overwrite=True) as part:
        part.write_text(json.dumps(index, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return path


def digest(name: str, folder: Path | None = None) -> str:
    """Return the SHA-256 of one of the package's checkpoints, from the index."""
    sha256: str = _entry(_read(folder or FOLDER), name)["sha256"]
    return sha256


def _entry(index: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the index's entry of a checkpoint."""
    files: dict[str, dict[str, Any]] = index["files"]
    if name not in files:
        raise ValueError(f"there must be weights of that name: {', '.join(sorted(files))}; got {name!r}")
    return files[name]


def _read(folder: Path) -> dict[str, Any]:
    path = folder / INDEX
    try:
        index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        form = index["format"]
        if form == FORMAT and not all(
            {key: type(value) for key, value in entry.items()} == {"file": str, "bytes": int, "sha256": str}
            for entry in index["files"].values()
        ):
            raise ValueError("an entry must have a file, its bytes and its sha256")
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}, the index of trained weights, is missing. {REMEDY}") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is not an index of trained weights: {_short(error)}") from error
    if form != FORMAT:
        newer = isinstance(form, int) and form > FORMAT
        reason = "a newer version of nonlocal_block wrote it: update the package" if newer else "it is corrupt"
        raise ValueError(f"{path} must be of format {FORMAT}; got {form!r}: {reason}")
    return index
