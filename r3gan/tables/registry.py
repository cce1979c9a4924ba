"""TABLES: one entry per table of the papers; what an entry can say is in kind.py, each kind's class in kinds/."""

from __future__ import annotations

from collections.abc import Mapping

from r3gan.errors import unknown
from r3gan.tables.author_logs import WINDOW
from r3gan.tables.kind import Kind
from r3gan.tables.kinds.ablation import AblationTable, PublishedColumn
from r3gan.tables.kinds.author_logs import LogTable
from r3gan.tables.kinds.claims import ClaimTable
from r3gan.tables.kinds.comparison import Comparison, ComparisonTable
from r3gan.tables.kinds.convergence import ConvergenceTable
from r3gan.tables.kinds.loss_figure import LossFigure
from r3gan.tables.kinds.own import OwnTable
from r3gan.tables.kinds.parameter_figure import ParameterFigure
from r3gan.tables.kinds.presets import PresetTable
from r3gan.tables.kinds.propositions import PropositionTable
from r3gan.tables.kinds.quality import QualityTable
from r3gan.tables.kinds.speed import SpeedTable
from r3gan.tables.kinds.toys import ToyTable
from r3gan.tables.kinds.variants import VariantTable


def _fids(title: str, published: str, dataset: str) -> Comparison:
    return Comparison(
        title=title,
        published=published,
        datasets=(dataset,),
        trained={"R3GAN Config E": "E"},
        metrics={"fid": "fid", "recall": "recall"},
    )


_TABLE1 = ("A", "B", "C-rpgan", "C-r2", "D-resnet", "D-noskip", "E-resnext", "E-inverted")
_STACKED = ("stackedmnist", "stackedmnist5k-16")
_MODES = {"modes": "modes", "kl": "kl"}
_LOSSES = Comparison(
    title="The objective, on a small norm-free ResNet",
    published="table2-losses",
    datasets=_STACKED,
    trained={
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
TABLES: Mapping[str, Kind] = {
    "claims": ClaimTable(
        title="Claims: which of them hold",
        notes=(
            "The rule was fixed before the runs. Unit of replication: the training seed; arms share seeds, and "
            "differences are taken seed by seed, of logs where a metric is a distance. Supported or contradicted: the "
            "95% t-interval of the mean over at least 3 seeds excludes no effect, also after Holm's correction over "
            "the claims of one table. Failure rates: Wilson's intervals against a half.",
            "Effect: x 1.2 says that the distance of the arm which should be worse is 1.2 times the other's; intervals "
            "next to it are 95%, a bootstrap interval is in each number's conditions.",
            "A run that diverged counts as untrained. A run that did not reach its target is censored: its speed-up is "
            "an upper bound, with which a claim can be contradicted and not supported.",
            "Published evidence: a step of Table 1 in units of the standard deviation of a difference of two single "
            "evaluations, 2.3% from the authors' own logs; variance between training seeds is not in it.",
            "A verdict at a smaller scale is one about networks and data of that scale.",
        ),
    ),
    "table1": QualityTable(
        title="Table 1: from StyleGAN2 to R3GAN, Config A to E",
        published="table1",
        rows=_TABLE1,
        counted_at="ffhq-256",
        published_metric="fid",
        logged=True,
        metrics=("fid", "digit-frechet", "modes", "kl", "recall"),
        notes=(
            'The paper prints "Well-behaved Loss 12.46" between B and C: it is the heading of C, not a run.',
            "For B to E the paper does not state gamma, augmentation and x-flips on FFHQ-256, nor B's initialisation; "
            "what was chosen is in r3gan/configs and in every record.",
        ),
    ),
    "author-logs": LogTable(
        title="The authors' training logs",
        published="table1",
        rows=_TABLE1,
        notes=(
            "Two repositories of R3GAN's first author, IFeelBloated/BaselineGAN-Roadmap and -Prototype, hold the FIDs "
            "of nine runs of 2022 and 2023; commits and paths are in r3gan/tables/author_logs.csv. All: FFHQ-256 with "
            "x-flips, batch 64, Adam (0, 0.99), EMA half-life 20 kimg, no augmentation, float32, seed 0.",
            "Only A is the run behind a printed number. C + R2 and D - Output skips have no log, nor has any run at "
            "the paper's lr of 5e-5.",
            f"Scatter: the standard deviation of the second differences of log FID over sqrt(6), {WINDOW[0]:,.0f} to "
            f"{WINDOW[1]:,.0f} kimg. A step below 2 units cannot be told from noise as published.",
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
                trained={"R3GAN Config E": "E", "DCGAN": "dcgan"},
                metrics=_MODES,
            ),
        ),
        notes=(
            "KL: of the generated modes to the uniform distribution, in nat; a perfect sampler is expected at "
            "999 / (2 N), which is 0.0192 at 26,000 samples and 0.05 at 10,000.",
            "The paper states neither the ResNet's size nor gamma, batch and learning rate of its loss ablation; the "
            "one used here has Config D's residual blocks (r3gan/configs). The four runs differ in the objective only.",
            "(conflict): PacGAN's own table (arXiv 1712.04086) prints 1000.0 modes and KL 0.06 for PacGAN where 992 "
            "and 0.28 are copied, and 78.9 and 4.50 for its re-run of DCGAN where 99 and 3.40 are. The other rivals' "
            "numbers have not been traced to their origin.",
            "Fail: training diverged; the run's record says at which step and why.",
            "The smoke scale is not the paper's StackedMNIST: 5,000 digits at 16 px instead of 70,000 at 32 px, "
            "narrower networks, a minute or two of training.",
        ),
    ),
    "figure1": LossFigure(
        title="Figure 1: the generator's loss under four objectives",
        of=_LOSSES,
        notes=(
            "The curve of a run that diverged ends in a cross.",
            "Values of different objectives are not comparable; only the course of each curve is.",
        ),
    ),
    "table2-gamma": VariantTable(
        title="Table 2: the objective at constant gamma",
        scale="desk",
        variants="gamma",
        families=(tuple(_LOSSES.trained.values()),),
        metrics=("modes", "kl", "digit-frechet"),
        notes=(
            "Constant gamma and a constant step of 1e-3, whereas Table 2's runs have schedules of both; networks and "
            "data are those of Table 2 at this scale.",
        ),
    ),
    "table3": ComparisonTable(
        title="Table 3: CIFAR-10",
        sections=(_CIFAR10,),
        notes=(
            _LEAKS,
            "NFE: network evaluations for one image.",
            "(conflict): DDPM's own abstract says 3.17. StyleGAN2+ADA, Diffusion StyleGAN2 and StyleGAN-XL are as in "
            "their own abstract or repository; the other numbers have not been traced to their origin.",
        ),
    ),
    "table4": ConvergenceTable(
        title="Table 4: convergence speed of Projected GAN",
        published="table4",
        also=("table4-features", "table4-ablation", "table4-reruns"),
        trained={"Projected GAN*": "projected-fastgan", "StyleGAN2-ADA": "A", "FastGAN": "fastgan"},
        datasets={
            "CLEVR": "clevr-256",
            "FFHQ": "ffhq-256",
            "Cityscapes": "cityscapes-256",
            "Bedroom": "lsun-bedroom-256",
            "Church": "lsun-church-256",
        },
        speed_dataset="Church",
        baseline="A",
        rows=(
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
            "* is trained through features learned on ImageNet, as FID's own features were, which flatters it; the "
            "smoke scale measures digits, without ImageNet.",
            "Images and time give two different speed-ups: 80 times fewer images were 40 times less time. Seconds of "
            "training exclude evaluation and the writing of snapshots.",
            "kimg to target: the first measurement at least as good as the baseline's best, so it is known to within "
            'the interval; "> N" where that was not reached in N.',
            "(quoted): from other papers that quote the numbers; (conflict): 3.08 is quoted elsewhere.",
            "Smoke networks are narrow and use features of 64-px images; the published speed-ups are not expected.",
        ),
    ),
    "table4-ablation": AblationTable(
        title="Table 4, ablation: the parts of the projector",
        baseline="fastgan",
        rows=(
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
                title="FID relative to an RGB discriminator",
                published="table4-ablation",
                quantity="relative_fid",
                rows={"projected-ccm": "CCM only, L1-L4", "projected-fastgan": "CCM + CSM, L1-L4"},
            ),
            PublishedColumn(
                title="FID by feature network",
                published="table4-features",
                quantity="fid",
                rows={"projected-lite0": "lite0", "projected-fastgan": "lite1"},
            ),
        ),
        notes=(
            "* is trained through features learned on ImageNet. A metric in ImageNet's features flatters such a row; a "
            "metric without them is shown next to it where there is one. Digits have their own classifier; for natural "
            "images there is none, so at the mini and paper scales every metric uses ImageNet's features.",
            "No projection is FastGAN with its own discriminator of RGB images, whose reconstruction loss also uses "
            "ImageNet's features; it differs from the other rows in its generator's tanh and blocks and in its "
            "optimiser too, as in its own code. The paper's baseline is the same generator with an RGB discriminator.",
            "Random features are those of the same network at initialisation.",
            "Relative: a row's distance over that of the row without projection; below 1 is better.",
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
            "A cell shows the configured value, and the published one with it where they differ; arrows go from the "
            "first image to the end of the burn-in, along a cosine.",
            "Parameters are counted from the networks built here; the paper prints them in millions, and the exact "
            "numbers follow from its architecture. GPUs are those of the authors' runs.",
        ),
    ),
    "table7": SpeedTable(
        title="Table 7: speed and memory of the training step",
        module="steps",
        notes=(
            "Medians over rounds in which this project's step and a textbook implementation take turns on the same "
            "networks, weights and batch. Textbook: NCHW float32, two passes of D, autograd.grad with create_graph, "
            "resampling as a depthwise convolution, one EMA update per parameter. Ratio: textbook over this project.",
            "MiB: the most tensor memory that a step takes, above what is held between steps; CUDA graphs hold theirs, "
            "which is why it is small there.",
            "bf16 peak: the work of the step (9 forward passes for D, where the textbook takes 13, and 6 for G) over "
            "the device's dense bfloat16 peak; only on GPUs and sizes for which both are known.",
            "cifar10-narrowed is the CIFAR-10 topology at an eighth of its width. Config A's D and G steps are those "
            "without its lazy penalties. The textbook side is the same for every variant.",
            "Official: the authors' own networks and trainer, on a CPU with their reference operations, in turn with "
            "the other two; official ratio is theirs over this project's. Where the column is missing or empty they "
            "were not timed: clone github.com/brownvc/R3GAN and run `make bench OFFICIAL=<the clone>`.",
            "Finite-difference penalties and penalties every few steps are approximations, timed to show what the "
            "exact ones cost; nothing here trains with them.",
        ),
    ),
    "table7-projected": SpeedTable(
        title="Table 7, Projected GAN: variants of computing the frozen feature network",
        module="projected",
        reference="Plain",
        notes=(
            "Medians over rounds in which one variant and the plain one take turns on the same weights and batch. "
            "Plain: NCHW, separate batch norms, one pass over reals and one over fakes. Ratio: plain over the variant.",
            "features: the projector's feature maps of reals and fakes, forward only, as the D step needs them; "
            "features and back: those of fakes and the gradient of the images, as the G step needs it. "
            "FastGAN has such a network in its D step alone.",
            "folded: the frozen network is in eval mode, so its batch norms become part of its convolutions. compiled: "
            "torch.compile of the frozen network, warm; the first step takes a minute more.",
            "Features of reals are not cached: every image is augmented anew before the projector, so no two steps use "
            "the same pixels.",
            "MiB: the most tensor memory that a step takes, above what is held between steps.",
        ),
    ),
    # Not called "own": its pictures would lie in the folder of the records of the scale `own`.
    "own-pictures": OwnTable(
        title="Your own pictures",
        by_hand="own",
        notes=(
            "Recipes that no paper publishes are derived by the rule of docs/own.md; a run's record holds all of it.",
            "Untrained: the same generator before training. Lower is better for distances (Frechet, KID), higher for "
            "precision and recall; numbers of different data sets do not compare.",
        ),
    ),
    "recipes": VariantTable(
        title="The search for the desk scale's recipes",
        scale="search",
        variants="",
        families=(("A",), ("B", "C-rpgan", "C-r2"), ("D-resnet", "D-noskip"), ("E-resnext", "E-inverted")),
        metrics=("digit-frechet", "modes", "kl"),
        chosen_by="digit-frechet",
        notes=(
            "Every network family has had the same search: the same settings at the same number of images, on a seed "
            "that no table shows. What each setting is: pipelines/study/search.yaml.",
            "A family takes the setting with the least mean log of the digit Frechet distance over its rows, which is "
            "then fixed in pipelines/study/desk.yaml. No row has a recipe of its own.",
        ),
    ),
    "toys": ToyTable(
        title="2-D toys: line, circle and 25 Gaussians",
        notes=(
            "The paper says that penalties at every 8th step, 8 times as strong, fail on these (appendix E); it states "
            "neither networks nor optimiser. Here: r3gan/toys.py, with the losses and penalties of training.",
            "Coverage: the share of 64 equal parts of the line or circle, or of 25 Gaussians, that at least a tenth of "
            "their fair share of 4,096 samples lie near. On data: the share of samples that lie near (within 0.1 of a "
            "line or circle of half-width 2, within 4 standard deviations of a Gaussian). Distance: of a sample to the "
            "nearest point of the line or circle, or to the nearest centre, from which data are 0.063 away on average.",
            "grad norm fake: the mean norm of D's gradient at samples after the last step.",
            "These networks do not resolve the 25 Gaussians in so few steps: of samples spread evenly over the grid "
            "13% would lie near a centre, and hardly more do, at every penalty. Line and circle are learned.",
        ),
    ),
    "propositions": PropositionTable(
        title="Propositions I and II: local convergence on the Dirac GAN",
        notes=(
            "Proposition I: without regularisation RpGAN need not converge: its eigenvalues are purely imaginary "
            "wherever the data are. Proposition II: with R1 or R2, or both, their real parts are negative.",
            "Without regularisation, simultaneous updates end up circling the equilibrium; alternating updates still "
            "approach it, but ever more slowly (terms beyond the Jacobian). With regularisation, the distance falls by "
            "a constant factor per step.",
            "The eigenvalues are those of the Jacobian of the losses that training uses (r3gan/losses.py, "
            "r3gan/penalties.py), differentiated in float64; the closed forms are derived by hand.",
            "The classic GAN differs from RpGAN where the data are not at 0: there D's two terms damp it, and the "
            "unregularised GAN converges on this example, while RpGAN, which depends on differences only, does not.",
        ),
    ),
}


def find_table(name: str) -> Kind:
    """The entry of TABLES, or a UserError that lists them."""
    if name not in TABLES:
        raise unknown("table", name, TABLES)
    return TABLES[name]
