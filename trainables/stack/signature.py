"""Which networks may share a stack: the signature of a network as it was built.

A stack runs the code of one network with the tensors of all. Two networks may share it only if everything but the
tensors' values is equal, so the signature covers module types, shapes, dtypes and every attribute of every module.
"""

from __future__ import annotations

import hashlib
import pickle
import uuid
import weakref

import torch
from torch import Tensor, nn

from trainables.stack.layout import named_tensors

_TENSOR_HOLDERS = {"_parameters", "_buffers", "_modules", "training"}
_LOCAL_CLASSES: weakref.WeakKeyDictionary[type[nn.Module], str] = weakref.WeakKeyDictionary()


def signature(network: nn.Module) -> str:
    """A digest that is equal for networks which may share a stack."""
    digest = hashlib.sha256()

    def add(*parts: object) -> None:
        digest.update(repr(parts).encode())

    # Under every name: where a module or a tensor is registered twice, it matters which one it is.
    first: dict[int, str] = {}
    for name, module in network.named_modules(remove_duplicate=False):
        add(name, first.setdefault(id(module), name), *_class(type(module)))
        plain: dict[str, object] = {}
        for attribute, value in sorted(vars(module).items()):
            if isinstance(value, Tensor):
                add(attribute, value.dtype, tuple(value.shape), value.detach().cpu().reshape(-1).tolist())
            elif attribute not in _TENSOR_HOLDERS:
                plain[attribute] = value
        digest.update(_bytes(plain))
    for name, tensor in named_tensors(network):
        kind = type(tensor).__name__
        add(kind, name, first.setdefault(id(tensor), name), tensor.dtype, tuple(tensor.shape), tensor.requires_grad)
    return digest.hexdigest()


def _class(kind: type[nn.Module]) -> tuple[str, ...]:
    """A name for a class. One that was made in a function may use any of that function's variables, so it is only
    equal to itself.
    """
    if "<locals>" not in kind.__qualname__:
        return kind.__module__, kind.__qualname__
    return (_LOCAL_CLASSES.setdefault(kind, uuid.uuid4().hex),)


def _bytes(attributes: dict[str, object]) -> bytes:
    try:
        return pickle.dumps(attributes)
    except Exception:  # a lambda, say: equal to nothing else, which costs speed and never correctness
        return uuid.uuid4().bytes


def why_not_fused(network: nn.Module, device: torch.device) -> str | None:
    """The reason why members with this network are trained one by one; None where they are fused.

    Convolutions with a weight per member become grouped convolutions: faster on a GPU, 0.6x to 0.8x on a CPU.
    """
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            return f"{type(module).__name__} mixes the rows of a batch"
        if getattr(module, "track_running_stats", False):
            return f"{type(module).__name__} keeps running statistics"
        if isinstance(module, nn.RNNBase):
            return f"{type(module).__name__} has no batching rule"
        if isinstance(module, nn.modules.conv._ConvNd) and device.type == "cpu":
            return f"{type(module).__name__} on a CPU is faster alone"
    return None
