"""`python -m r3gan` is the `r3gan` command."""

from r3gan.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
