"""The command line: one file per subcommand; further ones from the entry-point group ``microtwin.commands``."""

from collections.abc import Callable
from importlib.metadata import entry_points

from microtwin.errors import exit_code


def main(arguments: list[str] | None = None) -> int:
    """Run ``microtwin``; exit codes as in :func:`microtwin.errors.exit_code`, 2 for arguments that do not parse."""
    import sys

    import tyro

    import microtwin
    from microtwin.cli.dataset import dataset, verify
    from microtwin.cli.evaluate import evaluate
    from microtwin.cli.explain import explain
    from microtwin.cli.focus import focus
    from microtwin.cli.learn import learn
    from microtwin.cli.panel import panel
    from microtwin.cli.predict import predict
    from microtwin.cli.push import push
    from microtwin.cli.render import render
    from microtwin.cli.search import search
    from microtwin.cli.train import train

    mine: list[Callable] = [push, learn, render, dataset, train, evaluate, predict, search, explain, focus, panel]

    def run() -> int:
        given = sys.argv[1:] if arguments is None else arguments
        if given == ["--version"]:
            print(f"microtwin {microtwin.__version__}")
            return 0
        if given[:2] == ["dataset", "verify"]:
            return tyro.cli(verify, prog="microtwin dataset verify", args=given[2:], use_underscores=False)
        commands = {**{command.__name__: command for command in mine}, **_others()}
        if given[:1] == ["dataset"]:
            from microtwin.cli.config_file import with_config

            commands["dataset"] = with_config(dataset, given[1:])
        return tyro.extras.subcommand_cli_from_dict(
            commands,
            prog="microtwin",
            description="A digital twin for magnetic rolling microrobots.",
            args=arguments,
            use_underscores=False,
        )

    return exit_code("microtwin", run, stopped="stopped before there was anything to save")


def _others() -> dict[str, Callable]:
    """Subcommands of packages that the library does not know, such as the hardware's."""
    return {entry.name: entry.load() for entry in entry_points(group="microtwin.commands")}
