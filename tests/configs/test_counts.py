"""Parameter counts at paper size, to the last digit (arXiv 2501.05441, configuration and hyperparameter tables)."""

import pytest
import torch

from r3gan.configs import CONFIGS, SIZES
from r3gan.configs.counts import count_parameters

TABLE1 = {
    "A": (24_767_458, 24_001_089),
    "B": (18_890_453, 23_996_481),
    "C-rpgan": (18_890_453, 23_996_481),
    "C-r2": (18_890_453, 23_996_481),
    "D-resnet": (23_400_192, 23_281_536),
    "D-noskip": (23_378_304, 23_281_536),
    "E-resnext": (23_187_648, 23_090_880),
    "E-inverted": (23_057_952, 23_009_568),
}
PRESETS = {
    "stackedmnist": (20_732_160, 20_683_776),
    "cifar10": (20_781_952, 21_280_512),
    "ffhq-64": (22_429_824, 22_381_440),
    "ffhq-256": (23_057_952, 23_009_568),
    "imagenet-32": (82_914_304, 86_548_992),
    "imagenet-64": (103_570_432, 107_205_120),
}


@pytest.mark.parametrize("config", TABLE1)
def test_every_row_of_table1_has_the_published_parameters(config: str) -> None:
    assert tuple(count_parameters(CONFIGS[config], "ffhq-256").values()) == TABLE1[config]


@pytest.mark.parametrize("dataset", PRESETS)
def test_every_preset_has_the_published_parameters(dataset: str) -> None:
    assert tuple(count_parameters(CONFIGS["E"], dataset).values()) == PRESETS[dataset]


def test_paper_sizes_are_those_the_tables_print() -> None:
    assert set(CONFIGS["E"].paper_sizes()) == set(PRESETS)
    assert all(CONFIGS[config].paper_sizes() == ("ffhq-256",) for config in TABLE1)


def test_preset_widths_and_groups_are_those_of_the_hyperparameter_table() -> None:
    expected = {
        "stackedmnist": ((768,) * 4, (96,) * 4),
        "cifar10": ((768,) * 4, (96,) * 4),
        "ffhq-64": ((768,) * 4 + (384,), (96,) * 4 + (48,)),
        "ffhq-256": ((768,) * 4 + (384, 192, 96), (96,) * 4 + (48, 24, 12)),
        "imagenet-32": ((1536,) * 4, (96,) * 4),
        "imagenet-64": ((1536,) * 5, (96,) * 5),
    }
    for dataset, (widths, groups) in expected.items():
        with torch.device("meta"):
            generator = CONFIGS["E"].networks.generator(SIZES[dataset])
        first_blocks = [stage[0] for stage in generator.stages]
        assert tuple(block.conv1.weight.shape[1] for block in first_blocks) == widths
        assert tuple(block.conv2.groups for block in first_blocks) == groups
