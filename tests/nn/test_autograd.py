import torch

from pyg_hep.nn.autograd import apply


class Double(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return 2 * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad):
        return apply(Double, grad)


def test_recorded_only_where_torch_records_and_equal():
    x = torch.tensor([1.0, 3.0], requires_grad=True)
    recorded = apply(Double, x)
    with torch.no_grad():
        bare = apply(Double, x)
    assert torch.equal(recorded, bare)
    assert recorded.grad_fn is not None
    assert not bare.requires_grad


def test_gradients_of_gradients_are_recorded():
    x = torch.tensor([1.0, 3.0], requires_grad=True)
    (gradient,) = torch.autograd.grad((apply(Double, x) ** 2).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(gradient.sum(), x)
    assert torch.equal(second, torch.full((2,), 8.0))
