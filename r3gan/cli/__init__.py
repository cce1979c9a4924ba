"""The `r3gan` command: one sub-command a stage, and a few that show what there is.

Each `run_...` function imports what it needs, so that `--help` and `list` answer without torch.
"""

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from r3gan import __version__
from r3gan.cli import data, engines, estimate, evaluate, generate, look, measure, records, report, stages, train
from r3gan.cli.arguments import Function, Parser
from r3gan.errors import UserError

# Of a file or a folder that the user named, or of the disk; any other is a mistake in this code.
OF_FILES = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR,
    errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP,
)  # fmt: skip
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

    for module in (look, estimate, data, train, evaluate, measure, generate, stages, engines, records, report):
        module.add_commands(command)
    parser.commands = commands.choices
    return parser


def stand_in_for_home() -> None:
    """Let a folder below work/ be the home where there is none, as in a container; torch and DVC ask for one."""
    try:
        home = Path.home()
        usable = home.is_dir() and (os.access(home, os.W_OK) or (home / ".cache/r3gan").is_dir())
    except RuntimeError:
        usable = False
    if not usable:
        os.environ["HOME"] = str(Path("work/home").resolve())
    if not os.environ.keys() & {"LOGNAME", "USER"}:
        os.environ["USER"] = str(os.getuid())  # the user may have no name, and torch asks for it


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 done, 1 and 3 from `compare`, 2 the user's mistake, 75 stopped and saved, 130 interrupted."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may not know a sign
    parser = build_parser()
    commands = parser.commands
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in commands:
        commands[words[0]].refuse_unknown_flags(words[1:])  # argparse would first ask for what is missing
    arguments, left = parser.parse_known_args(words)
    if left:
        commands[arguments.command].error(f"unrecognized arguments: {' '.join(left)}")
    stand_in_for_home()
    try:
        return arguments.function(arguments) or 0
    except UserError as error:
        print(f"r3gan {arguments.command}: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        package = (error.name or "r3gan").split(".")[0]
        if package == "r3gan":
            raise
        hint = f"{package} is not installed; `pip install 'r3gan[train]'` installs what this command needs"
        print(f"r3gan {arguments.command}: {hint}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno not in OF_FILES:
            raise
        where = error.filename or "a file"
        print(f"r3gan {arguments.command}: {where} cannot be used ({error.strerror})", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0
