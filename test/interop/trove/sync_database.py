"""`trove-manage` of Debian 12, with the function that its migrations ask for and its Python has no longer."""
import inspect
import sys
from collections import namedtuple

ArgSpec = namedtuple("ArgSpec", "args varargs keywords defaults")
inspect.getargspec = lambda function: ArgSpec(*inspect.getfullargspec(function)[:4])

from trove.cmd.manage import main  # noqa: E402

sys.argv[0] = "trove-manage"
main()
