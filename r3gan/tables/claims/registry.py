"""CLAIMS: one entry per statement of the papers that runs can test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from r3gan.configs import CONFIGS
from r3gan.tables.author_logs import in_units_of_noise
from r3gan.tables.claims.evidence import (
    Better,
    Fails,
    LargerInCurve,
    Proved,
    Reaches,
    Sooner,
    Test,
    ToyCoverage,
)
from r3gan.tables.published import read_published

R3GAN, PROJECTED = "R3GAN (arXiv 2501.05441)", "Projected GAN (arXiv 2111.01007)"
NOISE = "cannot be told from noise as published"
TEN_PERCENT = 0.0953  # as a log ratio
LEAST_UNITS = 2  # a published step below so many s.d. of a difference of two evaluations cannot be told from noise


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement, where it is made, what is published for it, and what would show it."""

    paper: str
    statement: str
    title: str  # the statement for charts, in at most two lines of forest.py
    where: str
    published: str
    test: Test
    own_scale: str = "paper"  # at the others a verdict is one about smaller networks and data
    family: str = ""  # claims whose p-values are corrected together; empty: the claim alone

    @property
    def corrected_with(self) -> str:
        return self.family or self.statement


def _step(before: str, after: str, *, statement: str, title: str, worse: bool = False) -> Claim:
    """A step of Table 1, or a comparison of two of its rows; the published sign is that of the printed FIDs."""
    texts = [read_published("table1")[CONFIGS[name].title, "fid"].text for name in (before, after)]
    a, b = map(float, texts)
    units = in_units_of_noise(a, b)
    said = f"FID {texts[0]} to {texts[1]}, one run each: {b / a - 1:+.1%}, {units:.1f} s.d."
    better, other = (before, after) if worse else (after, before)
    return Claim(
        paper=R3GAN, statement=statement, title=title, where="Table 1", family="table1",
        test=Better(better=(better,), worse=(other,)),
        published=said if units >= LEAST_UNITS else f"{said}; {NOISE}",
    )  # fmt: skip


# Statement, title, what is published, the better configuration, the worse one.
_PARTS = {
    "ccm": ("Mixing channels (CCM) is better than no mixing", "Better with mixed channels",
            "FID 0.77 of an RGB discriminator's (quoted)", "projected-ccm", "projected-no-mixing"),
    "csm": ("Mixing scales too (CCM + CSM) is better than CCM", "Better with mixed scales, too",
            "FID 0.24 of an RGB discriminator's (quoted)", "projected-fastgan", "projected-ccm"),
    "scales": ("Four discriminators are better than one", "Four D better than one",
               "a table", "projected-fastgan", "projected-1"),
    "pretrained": ("Pretrained features are better than random ones", "Better with pretrained features",
                   "a table", "projected-fastgan", "projected-random"),
    "lite1": ("EfficientNet-lite1 is better than lite0", "Better with lite1 than with lite0",
              "FID 1.65 against 2.53 (quoted)", "projected-fastgan", "projected-lite0"),
    "projection": ("Projection is better than FastGAN's own discriminator", "Better with projection",
                   "a table", "projected-fastgan", "fastgan"),
}  # fmt: skip


def _part(features: str, metrics: tuple[str, ...]) -> dict[str, Claim]:
    """What the parts of the projector are worth in some features; those of ImageNet have trained the networks too."""
    return {
        f"{name}-{features}": Claim(
            paper=PROJECTED, statement=f"{says}, in features of {features}", title=f"{title} ({features})",
            where="ablation", published=published,
            test=Better(better=(better,), worse=(worse,), metrics=metrics), family=f"projector in {features}",
        )
        for name, (says, title, published, better, worse) in _PARTS.items()
    }  # fmt: skip


_LOSSES = {
    "r1": ("loss-rpgan-r1", "loss-gan-r1"),
    "r1r2": ("loss-rpgan-r1r2", "loss-gan-r1r2"),
}
_GAMMAS = ("gamma0.1", "gamma1", "gamma10", "gamma100")


def _at_all_gammas(*names: str) -> tuple[str, ...]:
    """The configurations with their schedule of gamma, and their variants with a constant one."""
    return (*names, *(f"{name}.{gamma}" for gamma in _GAMMAS for name in names))


_ONE_RUN = "one run of each arm"
CLAIMS: Mapping[str, Claim] = {
    "r1-alone-fails": Claim(
        paper=R3GAN, statement="With R1 alone training diverges, whichever the loss; with R1 + R2 it does not",
        title="R1 alone diverges, R1 + R2 does not",
        where="section 2.4, Figure 1, Table 2", published=f"1000 / 693 / Fail / Fail modes, {_ONE_RUN}",
        test=Fails(
            fail={name: _at_all_gammas(name) for name in _LOSSES["r1"]}, sound=_at_all_gammas(*_LOSSES["r1r2"])
        ),
    ),
    "gamma-does-not-help": Claim(
        paper=R3GAN, statement="No gamma from 0.1 to 100 rescues R1 alone",
        title="No gamma rescues R1 alone", where="footnote 2", published="a sentence",
        test=Fails(fail={gamma: tuple(f"{name}.{gamma}" for name in _LOSSES["r1"]) for gamma in _GAMMAS}),
    ),
    "gradient-explodes": Claim(
        paper=R3GAN, statement="Without R2 the gradient norm of D at fakes grows (explodes where training fails)",
        title="Without R2 gradients at fakes grow", where="section 2.4", published="a sentence",
        test=LargerInCurve(larger=_LOSSES["r1"], smaller=_LOSSES["r1r2"], column="grad_norm_fake"),
    ),
    "rpgan-covers-more": Claim(
        paper=R3GAN, statement="Under R1 + R2 the relativistic loss covers more modes than the classic one",
        title="R1 + R2: RpGAN covers more modes than GAN",
        where="Table 2", published=f"1000 against 693 modes, {_ONE_RUN}", family="rpgan",
        test=Better(better=("loss-rpgan-r1r2",), worse=("loss-gan-r1r2",), metrics=("modes",)),
    ),
    "rpgan-more-even": Claim(
        paper=R3GAN, statement="Under R1 + R2 the relativistic loss covers the modes more evenly (KL)",
        title="R1 + R2: RpGAN covers modes more evenly",
        where="Table 2", published=f"KL 0.0781 against 0.9270, {_ONE_RUN}", family="rpgan",
        test=Better(better=("loss-rpgan-r1r2",), worse=("loss-gan-r1r2",), metrics=("kl",)),
    ),
    "r2-covers-more": Claim(
        paper=R3GAN, statement="With R2 in addition to R1 the relativistic loss covers more modes",
        title="RpGAN + R1: more modes covered with R2",
        where="Table 2", published="1000 modes against Fail", family="rpgan",
        test=Better(better=("loss-rpgan-r1r2",), worse=("loss-rpgan-r1",), metrics=("modes",)),
    ),
    "step-B": _step(
        "A", "B", title="A to B: worse without StyleGAN2's tricks", worse=True,
        statement="Removing StyleGAN2's tricks makes it worse (A to B)",
    ),
    "step-C-rpgan": _step(
        "B", "C-rpgan", title="B to C: better with the relativistic loss",
        statement="The relativistic loss improves B",
    ),
    "step-C-r2": _step(
        "C-rpgan", "C-r2", title="In C: better with R2",
        statement="R2 improves it further",
    ),
    "step-D-resnet": _step(
        "C-r2", "D-resnet", title="C to D: better with residual networks",
        statement="Residual networks improve it",
    ),
    "step-D-noskip": _step(
        "D-resnet", "D-noskip", title="In D: better without output skips",
        statement="Without output skips it is better",
    ),
    "step-E-resnext": _step(
        "D-noskip", "E-resnext", title="D to E: better with grouped convolutions",
        statement="Grouped convolutions improve it",
    ),
    "step-E-inverted": _step(
        "E-resnext", "E-inverted", title="In E: better with inverted bottlenecks",
        statement="Inverted bottlenecks improve it",
    ),
    "E-beats-A": _step(
        "A", "E-inverted", title="A to E: better at an equal budget",
        statement="Config E is better than StyleGAN2 (A) at an equal budget",
    ),
    "lazy-fails-on-toys": Claim(
        paper=R3GAN, statement="Penalties at every 8th step fail completely on 2-D toys",
        title="Toys: penalties every 8 steps fail", where="appendix E",
        published="a sentence", own_scale="desk", test=ToyCoverage(interval=8, completely=True),
    ),
    "lazy-worse-on-toys": Claim(
        paper=R3GAN, statement="Penalties at every 8th step cover less of 2-D toys",
        title="Toys: penalties every 8 steps cover less", where="appendix E",
        published="a sentence", own_scale="desk", test=ToyCoverage(interval=8, completely=False),
    ),
    "lazy-worse-on-stacked": Claim(
        paper=R3GAN, statement="Penalties at every 8th step are worse on StackedMNIST",
        title="StackedMNIST: worse with lazy penalties", where="appendix E",
        published="a sentence", test=Better(better=("E-inverted",), worse=("E-inverted.lazy8",), metrics=("kl",)),
    ),
    "no-penalty-cycles": Claim(
        paper=R3GAN, statement="Without penalties RpGAN need not converge locally (Proposition I)",
        title="Without penalties no local convergence",
        where="section 2.2, appendix B", published="a proof", own_scale="", test=Proved(proposition="I"),
    ),
    "penalty-converges": Claim(
        paper=R3GAN, statement="With R1, R2 or both RpGAN converges locally (Proposition II)",
        title="With R1, R2 or both local convergence",
        where="section 2.3, appendix C", published="a proof", own_scale="", test=Proved(proposition="II"),
    ),
    "full-coverage": Claim(
        paper=R3GAN, statement="Config E covers all 1000 modes of StackedMNIST",
        title="E covers all 1000 modes", where="Table 2",
        published="1000 modes, KL 0.029, one run", test=Reaches(config="E", metric="modes", target=1000),
    ),
    "E-beats-dcgan": Claim(
        paper=R3GAN, statement="Config E covers more modes than DCGAN",
        title="E covers more modes than DCGAN", where="Table 2",
        published="1000 against 99 modes (another paper's re-run of DCGAN: 78.9 +- 6.46)",
        test=Better(better=("E",), worse=("dcgan",), metrics=("modes",)),
    ),
    "bf16-is-enough": Claim(
        paper=R3GAN, statement="bfloat16 trains as well as float32 (within 10%)",
        title="bfloat16 is as good as float32", where="appendix D and E",
        published="a sentence",
        test=Better(better=("E-inverted.bf16",), worse=("E-inverted",), metrics=("digit-frechet",), margin=TEN_PERCENT),
    ),
    "gelu-no-better": Claim(
        paper=R3GAN, statement="GELU is no better than LeakyReLU (a gain below 10%)",
        title="GELU is no better than LeakyReLU", where="appendix E", published="a sentence", family="activations",
        test=Better(better=("E-inverted",), worse=("E-inverted.gelu",), margin=TEN_PERCENT, or_better=True),
    ),
    "swish-no-better": Claim(
        paper=R3GAN, statement="Swish is no better than LeakyReLU (a gain below 10%)",
        title="Swish is no better than LeakyReLU", where="appendix E", published="a sentence", family="activations",
        test=Better(better=("E-inverted",), worse=("E-inverted.swish",), margin=TEN_PERCENT, or_better=True),
    ),
    "groupnorm-no-help": Claim(
        paper=R3GAN, statement="Group normalisation does not help (a gain below 10%)",
        title="Group normalisation does not help", where="appendix E", published="a sentence",
        test=Better(better=("E-inverted",), worse=("E-inverted.groupnorm",), margin=TEN_PERCENT, or_better=True),
    ),
    "projected-faster-images": Claim(
        paper=PROJECTED, statement="Projected GAN reaches StyleGAN2's best with fewer images",
        title="Projected GAN needs fewer images", where="abstract, Figure 1",
        published="80 times fewer (1.1 against 88 million), one run", family="speed",
        test=Sooner(sooner="projected-fastgan", baseline="A", clock="kimg"),
    ),
    "projected-faster-time": Claim(
        paper=PROJECTED, statement="Projected GAN reaches StyleGAN2's best in less time",
        title="Projected GAN needs less time", where="abstract, Figure 1",
        published="40 times less (3 hours against 5 days), one run", family="speed",
        test=Sooner(sooner="projected-fastgan", baseline="A", clock="train_seconds"),
    ),
    "fastgan-generator-faster": Claim(
        paper=PROJECTED, statement="Under projection FastGAN's generator converges sooner than StyleGAN2's",
        title="Projected: FastGAN's G converges sooner",
        where="section 5", published="a figure", family="speed",
        test=Better(better=("projected-fastgan",), worse=("projected-A",), metrics=("fid", "digit-frechet")),
    ),
    **_part("digits", ("digit-frechet",)),
    **_part("ImageNet", ("lite1-frechet-64px", "lite1-frechet")),
}  # fmt: skip
