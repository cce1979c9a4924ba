"""The `r3gan` command: one sub-command a stage, and a few that show what there is.

Each `run_...` function imports what it needs, so that `--help` and `list` answer without torch.
"""

import argparse
import errno
import os
import sys
from collections.abc import Sequence

from r3gan import __version__
from r3gan.cli import estimate, evaluate, generate, look, measure, records, report, stages, train
from r3gan.cli.arguments import Function, Parser
from r3gan.errors import UserError

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
EPILOG = """\
a first look:
  r3gan list configs                 what can be trained
  r3gan params E                     how large it is in the paper
  r3gan train --config E-inverted --dataset stackedmnist5k-16 --dry-run
                                     what a run would do
the whole of Table 1, in dependency order:
  snakemake --cores all results/table1.md
"""


def build_parser() -> Parser:
    parser = Parser(
        prog="r3gan",
        description="Reproduce the tables of R3GAN and Projected GAN: prepare, train, evaluate, tabulate.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"r3gan {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")

    def command(name: str, function: Function, summary: str) -> Parser:
        sub: Parser = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        sub.set_defaults(function=function)
        return sub

    for module in (look, estimate, train, evaluate, measure, generate, stages, records, report):
        module.add_commands(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 done, 1 and 3 from `compare`, 2 the user's mistake, 75 stopped and saved, 130 interrupted."""
    arguments = build_parser().parse_args(argv)
    try:
        return arguments.function(arguments) or 0
    except UserError as error:
        print(f"r3gan {arguments.command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        where = error.filename or "a file"
        print(f"r3gan {arguments.command}: {where} cannot be written ({error.strerror})", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0
