"""The command line: one file per subcommand."""

import sys

from microtwin.errors import InputError


def main(arguments: list[str] | None = None) -> int:
    """Run ``microtwin``; bad input prints one line and exits with 2, Ctrl-C saves what there is and exits with 130."""
    import tyro

    from microtwin.cli.push import push

    try:
        return tyro.extras.subcommand_cli_from_dict(
            {"push": push},
            prog="microtwin",
            description="A digital twin for magnetic rolling microrobots.",
            args=arguments,
            use_underscores=False,
        )
    except InputError as error:
        print(f"microtwin: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("microtwin: stopped before there was anything to save", file=sys.stderr)
        return 130
