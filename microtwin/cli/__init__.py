"""The command line: one file per subcommand."""

from microtwin.errors import exit_code


def main(arguments: list[str] | None = None) -> int:
    """Run ``microtwin``; exit codes as in :func:`microtwin.errors.exit_code`, 2 for arguments that do not parse."""
    import sys

    import tyro

    import microtwin
    from microtwin.cli.push import push
    from microtwin.cli.render import render

    def run() -> int:
        if (sys.argv[1:] if arguments is None else arguments) == ["--version"]:
            print(f"microtwin {microtwin.__version__}")
            return 0
        return tyro.extras.subcommand_cli_from_dict(
            {"push": push, "render": render},
            prog="microtwin",
            description="A digital twin for magnetic rolling microrobots.",
            args=arguments,
            use_underscores=False,
        )

    return exit_code("microtwin", run, stopped="stopped before there was anything to save")
