import torch

from pyg_hep.nn.batch_norm import BatchNorm, normalised


def make():
    torch.manual_seed(0)
    norm = BatchNorm(3)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(3))
        norm.bias.copy_(torch.randn(3))
    return norm


def test_places_that_do_not_count_are_zero_and_leave_no_trace():
    norm, plain = make(), make()
    x = torch.randn(2, 4, 3)
    mask = torch.tensor([[1, 1, 0, 1], [0, 1, 0, 0]]).bool()
    x[~mask] = torch.nan
    out = normalised(norm, x, mask.flatten().nonzero()[:, 0])
    expected = torch.nn.functional.batch_norm(
        x[mask], plain.running_mean, plain.running_var, plain.weight, plain.bias, training=True
    )
    torch.testing.assert_close(out[mask], expected)
    assert not out[~mask].any()
    assert torch.equal(norm.running_mean, plain.running_mean)
    assert torch.equal(norm.running_var, plain.running_var)


def test_evaluation_is_row_by_row():
    norm = make()
    norm(torch.randn(20, 3))
    x = torch.randn(2, 4, 3)
    whole = normalised(norm.eval(), x, None)
    torch.testing.assert_close(whole[1, 2], norm(x[1, 2:3])[0])


def test_fewer_than_two_rows_are_normalised_as_in_evaluation():
    norm = make()
    norm(torch.randn(20, 3))
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    for rows in (0, 1):
        x = torch.randn(rows, 3)
        assert torch.equal(norm.train()(x), norm.eval()(x))
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
