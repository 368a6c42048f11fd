"""A process that has imported everything once and forks for every command.

``python warm_server.py SOCKET`` listens. Under another name (``python``, ``cdvd-mm``, ``torchrun``,
``srun`` or ``pip``, links to this file) it hands its command line, folder, environment and outputs
to the one that listens. A child has a limit of time and of memory; the server dies with its parent.
"""

import array
import json
import os
import signal
import socket
import sys

SECONDS, MEMORY = 60, 4 << 30  # a child's limits; the memory on top of what the imports took


def ask() -> int:
    """Have the server run this command line; its exit code."""
    command = dict(argv=[os.path.basename(sys.argv[0]), *sys.argv[1:]], cwd=os.getcwd(),
                   env=dict(os.environ))
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(os.environ['WARM_SERVER'])
        outputs = array.array('i', [1, 2])
        link.sendmsg([json.dumps(command).encode() + b'\0'],
                     [(socket.SOL_SOCKET, socket.SCM_RIGHTS, outputs)])
        return int(link.makefile().read() or 1)


def serve(path: str) -> None:
    """Import, then fork for every caller, one after the other."""
    import ctypes
    kernel = ctypes.CDLL(None)
    kernel.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    import commands_in_children
    commands_in_children.warm_up()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            caller, _ = listener.accept()
            with caller:
                caller.sendall(str(_answer(caller, kernel, commands_in_children.run)).encode())


def _answer(caller: socket.socket, kernel, run) -> int:
    """Fork for one command line; 124 where it took too long."""
    text, outputs = b'', []
    while not text.endswith(b'\0'):
        part, sent, _ = socket.recv_fds(caller, 1 << 16, 2)[:3]
        text, outputs = text + part, outputs + list(sent)
    command = json.loads(text[:-1])
    child = os.fork()
    if not child:
        _in_child(command, outputs, kernel, run)
    for output in outputs:
        os.close(output)
    status = os.waitpid(child, 0)[1]
    try:
        os.killpg(child, signal.SIGKILL)  # what it left behind
    except ProcessLookupError:
        pass
    return 124 if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM \
        else os.waitstatus_to_exitcode(status) & 0xFF


def _in_child(command: dict, outputs: list[int], kernel, run) -> None:
    import resource
    code = 1
    try:
        kernel.prctl(1, signal.SIGKILL)
        os.setpgid(0, 0)
        signal.alarm(SECONDS)  # ends the process, whatever it is doing
        with open('/proc/self/statm') as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
        for number, output in enumerate(outputs, start=1):
            os.dup2(output, number)
        sys.stdout, sys.stderr = (open(number, 'w', closefd=False, buffering=1)
                                  for number in (1, 2))
        os.environ.clear()
        os.environ.update(command['env'])
        os.chdir(command['cwd'])
        code = run(*command['argv'])
    except BaseException:  # noqa: BLE001  (the child must not go on as a second server)
        import traceback
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == '__main__':
    if os.path.basename(sys.argv[0]) == 'warm_server.py':
        serve(sys.argv[1])
    else:
        sys.exit(ask())
