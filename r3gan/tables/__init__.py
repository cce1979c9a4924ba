"""TABLES: one entry a table of the papers; r3gan/tables/build.py makes its cells, render.py its files."""

from __future__ import annotations

from collections.abc import Mapping

from r3gan.errors import unknown
from r3gan.tables.kinds import (
    AblationTable,
    AnyTable,
    Comparison,
    ComparisonTable,
    ConvergenceTable,
    LossFigure,
    ParameterFigure,
    PresetTable,
    PropositionTable,
    PublishedColumn,
    SpeedTable,
    Table,
)

__all__ = [
    "TABLES",
    "AblationTable",
    "AnyTable",
    "Comparison",
    "ComparisonTable",
    "ConvergenceTable",
    "LossFigure",
    "ParameterFigure",
    "PresetTable",
    "PropositionTable",
    "PublishedColumn",
    "SpeedTable",
    "Table",
    "find_table",
    "tables_of_cells",
]


def _fids(title: str, published: str, dataset: str) -> Comparison:
    return Comparison(
        title=title,
        published=published,
        datasets=(dataset,),
        ours={"R3GAN Config E": "E"},
        metrics={"fid": "fid", "recall": "recall"},
    )


_STACKED = ("stackedmnist", "stackedmnist5k-16")
_MODES = {"modes": "modes", "kl": "kl"}
_LOSSES = Comparison(
    title="The objective, on a small norm-free ResNet",
    published="table2-losses",
    datasets=_STACKED,
    ours={
        "RpGAN+R1+R2": "loss-rpgan-r1r2",
        "GAN+R1+R2": "loss-gan-r1r2",
        "RpGAN+R1": "loss-rpgan-r1",
        "GAN+R1": "loss-gan-r1",
    },
    metrics=_MODES,
    ordered="modes",
)
_CIFAR10 = _fids("CIFAR-10", "table3", "cifar10")
_LEAKS = "* uses features trained on ImageNet, on which FID's own features were trained: it flatters such systems."
TABLES: Mapping[str, AnyTable] = {
    "table1": Table(
        title="Table 1: from StyleGAN2 to R3GAN, Config A to E",
        published="table1",
        configs=("A", "B", "C-rpgan", "C-r2", "D-resnet", "D-noskip", "E-resnext", "E-inverted"),
        counted_at="ffhq-256",
        published_metric="fid",
        metrics=("fid", "digit-frechet", "modes", "kl", "recall"),
        notes=(
            'The paper prints "Well-behaved Loss 12.46" between B and C: it is the heading of C, not a run.',
            "For B to E the paper does not state gamma, augmentation and x-flips on FFHQ-256, nor B's initialisation; "
            "what we chose is in r3gan/configs/ and in every record.",
        ),
    ),
    "table2": ComparisonTable(
        title="Table 2: StackedMNIST, 1000 modes",
        sections=(
            _LOSSES,
            Comparison(
                title="Published systems",
                published="table2",
                datasets=_STACKED,
                ours={"R3GAN Config E": "E", "DCGAN": "dcgan"},
                metrics=_MODES,
            ),
        ),
        notes=(
            "KL: of the generated modes to the uniform distribution, in nat; a perfect sampler is expected at "
            "999 / (2 N), which is 0.0192 at 26,000 samples and 0.05 at 10,000.",
            "The paper states neither the ResNet's size nor gamma, batch and learning rate of its loss ablation; ours "
            "has Config D's residual blocks and is in r3gan/configs/. The four runs differ in the objective alone.",
            "Fail: training diverged, as the run's record says with step and reason. It is shown where a run failed, "
            "and only there.",
            "The smoke scale is not the paper's StackedMNIST: 5,000 digits at 16 px instead of 70,000 at 32 px, "
            "narrower networks, a minute or two of training.",
        ),
    ),
    "figure1": LossFigure(
        title="Figure 1: the generator's loss under four objectives",
        of=_LOSSES,
        notes=(
            "The curve of a run that diverged ends there, at a cross.",
            "The values of different objectives are not comparable: only their course is.",
        ),
    ),
    "table3": ComparisonTable(
        title="Table 3: CIFAR-10",
        sections=(_CIFAR10,),
        notes=(_LEAKS, "NFE: network evaluations for one image."),
    ),
    "table4": ConvergenceTable(
        title="Table 4: convergence speed of Projected GAN",
        published="table4",
        also=("table4-features", "table4-ablation", "table4-reruns"),
        ours={"Projected GAN*": "projected-fastgan", "StyleGAN2-ADA": "A", "FastGAN": "fastgan"},
        datasets={
            "CLEVR": "clevr-256",
            "FFHQ": "ffhq-256",
            "Cityscapes": "cityscapes-256",
            "Bedroom": "lsun-bedroom-256",
            "Church": "lsun-church-256",
        },
        speed_dataset="Church",
        baseline="A",
        configs=(
            "A",
            "E-inverted",
            "fastgan",
            "projected-fastgan",
            "projected-fastgan-release",
            "projected-stylegan2",
            "projected-A",
            "projected-E",
        ),
        trained_on=("ffhq-256", "cifar10-unlabelled", "stackedmnist5k-16"),
        notes=(
            "* is trained through features that ImageNet taught, as FID's own features were, which flatters it; the "
            "smoke scale measures digits, without ImageNet.",
            "Images and time are two clocks: 80 times fewer images were 40 times less time. Seconds of training leave "
            "out evaluation and the writing of snapshots.",
            "kimg to target: the first measurement at least as good as the baseline's best, so it is known to within "
            'the interval; "> N" where that was not reached in N.',
            "(quoted): from other papers that quote the numbers; (conflict): 3.08 is quoted elsewhere.",
            "Smoke networks are narrow and look at features of 64-px images; the published speed-ups are not expected.",
        ),
    ),
    "table4-ablation": AblationTable(
        title="Table 4, ablation: what the projector's parts are worth",
        baseline="fastgan",
        configs=(
            "fastgan",
            "projected-no-mixing",
            "projected-ccm",
            "projected-fastgan",
            "projected-1",
            "projected-2",
            "projected-3",
            "projected-lite0",
            "projected-random",
        ),
        trained_on=("lsun-church-256", "cifar10-unlabelled", "stackedmnist5k-16"),
        counted_at="lsun-church-256",
        published=(
            PublishedColumn(
                title="FID published, relative to an RGB discriminator",
                published="table4-ablation",
                quantity="relative_fid",
                rows={"projected-ccm": "CCM only, L1-L4", "projected-fastgan": "CCM + CSM, L1-L4"},
            ),
            PublishedColumn(
                title="FID published, by feature network",
                published="table4-features",
                quantity="fid",
                rows={"projected-lite0": "lite0", "projected-fastgan": "lite1"},
            ),
        ),
        notes=(
            "* is trained through features that ImageNet taught. A metric in ImageNet's features flatters such a row; "
            "one without them stands beside it where there is one. Digits have a classifier of their own; for natural "
            "images there is none here, so at the mini and paper scales every metric is ImageNet's.",
            "No projection is FastGAN with its own discriminator of RGB images, whose reconstruction loss also looks "
            "through ImageNet's features; it differs from the other rows in its generator's tanh and blocks and in its "
            "optimiser too, as in its own code. The paper's baseline is the same generator with an RGB discriminator.",
            "Random features are those of the same network as it starts, never trained on anything.",
            "Relative: a row's distance over that of the row without projection, below 1 is better.",
        ),
    ),
    "table5": ComparisonTable(
        title="Table 5: FFHQ and ImageNet",
        sections=(
            _fids("FFHQ-256", "table5-ffhq256", "ffhq-256"),
            _fids("FFHQ-64", "table5-ffhq64", "ffhq-64"),
            _fids("ImageNet-32", "table5-imagenet32", "imagenet-32"),
            _fids("ImageNet-64", "table5-imagenet64", "imagenet-64"),
        ),
        notes=(_LEAKS, "NFE: network evaluations for one image."),
    ),
    "figure6": ParameterFigure(
        title="Figure 6: parameters against FID on CIFAR-10",
        of=_CIFAR10,
        notes=(_LEAKS, "Parameters are those of G and D together, on a logarithmic axis."),
    ),
    "table6": PresetTable(
        title="Table 6: hyperparameters of R3GAN, Config E",
        published="table6",
        config="E",
        notes=(
            "A cell shows our value, and the published one beside it where they differ; arrows go from the first image "
            "to the end of the burn-in, along a cosine.",
            "Parameters are counted from the networks we build; the paper prints them in millions, and these numbers "
            "follow from its architecture. GPUs are those of the authors' runs.",
        ),
    ),
    "table7": SpeedTable(
        title="Table 7: speed and memory of the training step",
        module="steps",
        notes=(
            "Medians over rounds in which our step and a textbook's take turns on the same networks, weights and "
            "batch: NCHW float32, two passes of D, autograd.grad with create_graph, resampling as a depthwise "
            "convolution, the EMA parameter by parameter. Ratio: textbook over ours.",
            "MiB: tensor memory that a step takes at its highest, above what is held between steps.",
            "bf16 peak: the work of our step (9 forward passes for D, where the textbook's takes 13, and 6 for G) over "
            "the device's dense bfloat16 peak; only on GPUs and sizes for which both are known.",
            "cifar10-narrowed is the CIFAR-10 topology at an eighth of its width. Config A's D and G steps are those "
            "without its lazy penalties. The textbook's side is the same for every way.",
        ),
    ),
    "table7-projected": SpeedTable(
        title="Table 7, Projected GAN: ways to compute what is frozen",
        module="projected",
        beside="Plain",
        notes=(
            "Medians over rounds in which one way and the plain one take turns on the same weights and batch. Plain: "
            "NCHW, batch norms on their own, one pass over reals and one over fakes. Ratio: plain over the way.",
            "features: the projector's maps of reals and fakes, as the D step wants them, without a way back; features "
            "and back: those of fakes and the gradient of the images, as the G step wants it. A D step's features "
            "need no gradient and take none on either side. FastGAN has such a network in its D step alone.",
            "folded: what is frozen is in eval mode, so its batch norms become part of its convolutions. compiled: "
            "torch.compile of what is frozen, warm; the first step takes a minute more.",
            "Features of reals are not kept: every image is augmented anew before the projector sees it, so no two "
            "steps look at the same pixels.",
            "MiB: tensor memory that a step takes at its highest, above what is held between steps.",
        ),
    ),
    "propositions": PropositionTable(
        title="Propositions I and II: local convergence on the Dirac GAN",
        notes=(
            "Proposition I: without regularisation RpGAN need not converge: its eigenvalues are purely imaginary "
            "wherever the data are. Proposition II: with R1 or R2, or both, their real parts are negative.",
            "Without regularisation, players that move at once end up circling the equilibrium; in turns they still "
            "come nearer, but ever more slowly (terms beyond the Jacobian). With it, the distance falls by a constant "
            "factor a step.",
            "The eigenvalues are those of the Jacobian of the losses that training uses (r3gan/losses.py, "
            "r3gan/penalties.py), differentiated in float64; the closed forms are derived by hand.",
            "The classic GAN differs from RpGAN where the data are not at 0: there D's two terms damp it, and the "
            "unregularised GAN converges on this example, while RpGAN, which sees differences only, does not.",
        ),
    ),
}


def find_table(name: str) -> AnyTable:
    """The entry of TABLES, or a UserError that lists them."""
    if name not in TABLES:
        raise unknown("table", name, TABLES)
    return TABLES[name]


def tables_of_cells() -> list[str]:
    """The tables that are made of numbers with a verdict each; figures are drawn from them."""
    return [name for name, table in TABLES.items() if not isinstance(table, ParameterFigure | LossFigure)]
