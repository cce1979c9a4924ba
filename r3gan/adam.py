"""Adam without the import of torch's compiler."""

import inspect

import torch


class Adam(torch.optim.Adam):
    """torch.optim.Adam, bit for bit, without the wrappers that keep torch.compile out of its methods.

    They import torch._dynamo at their first call, four seconds of every process, and no optimiser step is compiled.
    """

    add_param_group = inspect.unwrap(torch.optim.Adam.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Adam.zero_grad)
    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))
