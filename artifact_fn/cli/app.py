"""App: the commands, and what becomes of their answers and mistakes."""

from importlib import metadata

from cyclopts import App, CycloptsError

from artifact_fn.cli.examining import doctor, summary
from artifact_fn.cli.looking import ls, report, show
from artifact_fn.cli.running import resume, run
from artifact_fn.cli.telling import replay
from artifact_fn.cli.told import complain
from artifact_fn.errors import ArtifactFnError, CommandError
from artifact_fn.runs.faults import Interrupted


def app() -> App:
    """The commands, as cyclopts parses them."""
    made = App(
        name="artifact-fn",
        help="Train, resume, look at and examine experiments.",
        version=lambda: metadata.version("artifact-fn"),
        result_action="return_value",
        help_format="plaintext",
    )
    for command in (run, resume, report, replay, ls, show, doctor, summary):
        made.command(command)
    made.register_install_completion_command()
    return made


def called(arguments: list[str]) -> int:
    """Run a command, and answer its exit code."""
    as_json = "--json" in arguments
    try:
        code = app()(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        complain(str(error), as_json=as_json, do="artifact-fn --help tells what there is")
        return 2
    except Interrupted as fault:
        complain(fault, as_json=as_json)
        return fault.exit_code
    except ArtifactFnError as error:
        complain(error, as_json=as_json)
        # What is wrong with the run is told apart from what is wrong with the command.
        return 2 if isinstance(error, CommandError) else 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read this has had enough
        return 0
    return code if isinstance(code, int) else 0
