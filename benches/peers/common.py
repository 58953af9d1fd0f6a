"""What the comparisons with other programs share: their pinned versions, their environment, and how a run is measured."""

import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = ROOT / "target" / "peers"
PINS = [
    "POT==0.9.7.post1",
    "numpy==2.4.6",
    "scipy==1.17.1",
    "faiss-cpu==1.15.1",
    "jax==0.10.2",
    "ott-jax==0.6.0",
]


def python():
    """The interpreter of an environment with the pinned packages, made if it is not there or has other pins."""
    found, pinned = HOME / "venv" / "bin" / "python", HOME / "venv" / "pins"
    if not pinned.exists() or pinned.read_text() != "\n".join(PINS):
        print("installing", ", ".join(PINS), "in", HOME / "venv", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(HOME / "venv")], check=True)
        subprocess.run([str(found), "-m", "pip", "-q", "install", *PINS], check=True)
        pinned.write_text("\n".join(PINS))
    return found


def environment(threads=1):
    """Variables under which every program takes that many threads, and no library is told which kernels to use."""
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"]
    kept = {name: value for name, value in os.environ.items() if name not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    flags = f"--xla_cpu_multi_thread_eigen={'false' if threads == 1 else 'true'} intra_op_parallelism_threads={threads}"
    return kept | dict.fromkeys(names, str(threads)) | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "KANTOR_PEERS": "1"}


def enter_environment():
    """Runs the calling script again with the pinned packages and one thread."""
    interpreter = python()
    os.execve(interpreter, [str(interpreter), *sys.argv], environment())


def run(command, threads=1):
    """Runs a program that prints one JSON object: (the object, CPU seconds, peak bytes). Both are its own."""
    # A child begins with its parent's peak memory: a small process starts it and measures.
    launcher = [str(python()), "-S", "-E", str(pathlib.Path(__file__).resolve()), *map(str, command)]
    done = subprocess.run(launcher, env=environment(threads), capture_output=True, text=True)
    try:
        *text, used = done.stdout.splitlines()
        return json.loads("\n".join(text)), *json.loads(used)
    except ValueError:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr}{done.stdout}") from None


def launch(command):
    """Runs a program, then prints [CPU seconds, peak bytes] of it."""
    child = os.posix_spawn(command[0], command, os.environ)
    _, status, used = os.wait4(child, 0)
    print(f"\n{json.dumps([used.ru_utime + used.ru_stime, 1024 * used.ru_maxrss])}")
    sys.exit(os.waitstatus_to_exitcode(status))


def cpu(work):
    """A result and the CPU seconds, of all threads, that it took."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def peak():
    """The most memory that this process has held, in bytes."""
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def load():
    return f"load {os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    launch(sys.argv[1:])
