"""The command lines for batch systems, what they answer, and a job's script: nothing is started.

Of PBS, Flux and LSF this is all that is tested: the lines are held to the documented ones.
"""

from __future__ import annotations

import json
import subprocess

import pytest

from piotutor import Workload, launch
from piotutor.errors import PiotutorError, UsageError
from piotutor.launch import submit
from piotutor.launch.batch import BODY, CODE, OUTPUT, SCRIPT, Request, Said, Told, script_of
from piotutor.launch.flux import Flux
from piotutor.launch.guard import Orders
from piotutor.launch.local import Local, Ranks
from piotutor.launch.lsf import LSF
from piotutor.launch.pbs import PBS, chunks
from piotutor.launch.slurm import Slurm, cpus_of, plugins_of
from piotutor.launch.submit import Submission

MODULE = ("piotutor.launch.worker", "/run/job.json")
MPICH = Local(mpiexec="/opt/mpiexec", family="mpich", library="MPICH 5.0.2", python="/py")
OPENMPI = Local(mpiexec="/opt/mpiexec", family="openmpi", library="Open MPI v5.0.9", python="/py")
FOUND = {"local": MPICH, "python": "/py"}
PLUGINS = ("pmix", "none", "pmi2")
WORKER = ["/py", "-m", "mpi4py", "-m", *MODULE]
REQUEST = Request("a-job", "/run dir/batch.sh", ranks=6, minutes=11)
SPREAD = Request("a-job", "/run dir/batch.sh", ranks=6, per_node=2, minutes=125)
SITE = {"partition": "debug", "account": "p1", "extra": ("--flag", "a b")}


def test_srun():
    slurm = Slurm(plugins=PLUGINS, nodes=2, tools={"srun": "/usr/bin/srun"}, **FOUND)
    assert slurm.argv(Ranks(4, MODULE, ("wrap",), per_node=2)) == [
        *("/usr/bin/srun", "--mpi=pmi2", "--ntasks=4", "--nodes=2", "--ntasks-per-node=2"),
        *("--kill-on-bad-exit=1", "--export=ALL", "--input=0", "wrap", *WORKER),
    ]
    assert slurm.env()["PIOTUTOR_NODE_FROM"] == "SLURMD_NODENAME"


def test_srun_in_an_allocation_shares_what_there_is():
    slurm = Slurm(plugins=PLUGINS, allocation="7", cpus=2, extra="--cpu-bind=none", **FOUND)
    few = slurm.argv(Ranks(2, program=("prog",)))
    assert few[-3:] == ["--overlap", "--cpu-bind=none", "prog"]
    assert slurm.argv(Ranks(3, program=("prog",)))[-2:] == ["--overcommit", "prog"]


@pytest.mark.parametrize(
    ("local", "plugins", "chosen"),
    [
        (MPICH, ("none", "pmi2", "pmix"), "pmi2"),
        (MPICH, ("none", "cray_shasta"), "cray_shasta"),
        (MPICH, ("none", "pmix"), "pmix"),
        (OPENMPI, ("none", "pmi2", "pmix"), "pmix"),
        (MPICH, ("none",), ""),
    ],
)
def test_srun_introduces_ranks_as_their_mpi_needs_it(local, plugins, chosen):
    assert Slurm(plugins=plugins, local=local).plugin == chosen


def test_a_srun_that_cannot_introduce_ranks_is_refused():
    tools = dict.fromkeys(Slurm.programs, "/bin/true")
    slurm = Slurm(plugins=("none",), tools=tools, **FOUND)
    with pytest.raises(UsageError, match=r"shows none, MPICH 5.0.2 needs pmi2 or .*slurm:mpi="):
        slurm.check(Workload(num_tasks=2))
    slurm.check(Workload(num_tasks=1))
    Slurm(mpi="special", tools=tools, **FOUND).check(None)


def test_what_srun_lists():
    new = "MPI plugin types are...\n\tpmix\n\tnone\n\tpmi2\n"
    new += "specific pmix plugin versions available: pmix_v4,pmix_v3\n"
    assert plugins_of(new) == ("pmix", "none", "pmi2", "pmix_v4", "pmix_v3")
    old = "srun: MPI types are...\nsrun: none\nsrun: pmi2\nsrun: openmpi\n"
    assert plugins_of(old) == ("none", "pmi2", "openmpi")
    assert [cpus_of(text) for text in ("", "4", "72(x2),36")] == [0, 4, 180]


def test_submitting_commands():
    assert Slurm(**SITE, **FOUND).submit(SPREAD) == [
        *("sbatch", "--parsable", "--export=ALL", "--output=/dev/null", "--no-requeue"),
        *("--job-name=a-job", "--ntasks=6", "--ntasks-per-node=2"),
        *("--partition=debug", "--account=p1", "--time=125", "--flag", "a b", SPREAD.script),
    ]
    assert PBS(**SITE, **FOUND).submit(SPREAD) == [
        *("qsub", "-N", "piotutor", "-S", "/bin/sh", "-V", "-r", "n", "-j", "oe"),
        *("-o", "/dev/null", "-l", "select=3:ncpus=2:mpiprocs=2", "-l", "walltime=02:05:00"),
        *("-q", "debug", "-A", "p1", "--flag", "a b", SPREAD.script),
    ]
    assert Flux(**SITE, **FOUND).submit(SPREAD) == [
        *("flux", "batch", "-n", "6", "--nodes=3", "--job-name=a-job", "--output=/dev/null"),
        *("--error=/dev/null", "--time-limit=125m", "--queue=debug", "--bank=p1"),
        *("--flag", "a b", SPREAD.script),
    ]
    assert LSF(**SITE, **FOUND).submit(SPREAD) == [
        *("bsub", "-J", "a-job", "-o", "/dev/null", "-rn", "-n", "6", "-R", "span[ptile=2]"),
        *("-W", "125", "-q", "debug", "-P", "p1", "--flag", "a b", "'/run dir/batch.sh'"),
    ]
    assert LSF(jsrun="/x/jsrun", nodes=2, **FOUND).submit(REQUEST)[6:8] == ["-nnodes", "2"]


@pytest.mark.parametrize("system", [Slurm, PBS, Flux, LSF])
def test_the_users_own_time_limit_stands(system):
    assert any("1:30" in word for word in system(time="1:30", **FOUND).submit(REQUEST))
    unlimited = Request("a-job", "/x", ranks=2)
    assert not [one for one in system(**FOUND).submit(unlimited) if "time" in one or one == "-W"]


def test_ranks_within_the_others_jobs():
    assert PBS(**FOUND).argv(Ranks(4, MODULE)) == ["/opt/mpiexec", "-n", "4", *WORKER]
    assert LSF(**FOUND).argv(Ranks(4, MODULE)) == ["/opt/mpiexec", "-n", "4", *WORKER]
    ranks = Ranks(4, MODULE, per_node=2)
    jsrun = LSF(jsrun="/x/jsrun", **FOUND).argv(ranks)
    assert jsrun == ["/x/jsrun", "-n", "4", "-a", "1", "-c", "1", "-r", "2", *WORKER]
    flux = Flux(allocation="local:///run/flux", **FOUND)
    assert flux.named(flux.argv(ranks), "mine") == [
        *("flux", "run", "--job-name=mine", "-N", "2", "--tasks-per-node=2"),
        *("--shell-options=exit-on-error", *WORKER),
    ]


def test_what_pbs_selects():
    assert chunks(6, None, 0) == "1:ncpus=6:mpiprocs=6"
    assert chunks(6, None, 4) == "3:ncpus=2:mpiprocs=2"
    assert chunks(5, 2, 0) == "2:ncpus=2:mpiprocs=2+1:ncpus=1:mpiprocs=1"


QSTAT = """Job Id: 12.server
    Job_Name = piotutor
    job_state = {}
    comment = Not Running: Insufficient amount of resource: ncp
\tus (R: 8 A: 4 T: 4)
    Variable_List = A=b
"""
PBS_WHY = "Not Running: Insufficient amount of resource: ncpus (R: 8 A: 4 T: 4)"
ANSWERS = [
    (Slurm, "PENDING|Priority\n", Said("waiting", "Priority")),
    (Slurm, "PENDING|None\n", Said("waiting", "PENDING")),
    (Slurm, "RUNNING|None\n", Said("running")),
    (Slurm, "COMPLETING|None\n", Said("running")),
    (Slurm, "TIMEOUT|TimeLimit\n", Said("over", "TIMEOUT")),
    (Slurm, "", Said("over")),
    (PBS, QSTAT.format("Q"), Said("waiting", PBS_WHY)),
    (PBS, QSTAT.format("R"), Said("running")),
    (PBS, QSTAT.format("F"), Said("over", "F")),
    (PBS, "", Said("over")),
    (Flux, "SCHED||no nodes\n", Said("waiting", "no nodes")),
    (Flux, "DEPEND||\n", Said("waiting", "DEPEND")),
    (Flux, "RUN||\n", Said("running")),
    (Flux, "INACTIVE|CANCELED|\n", Said("over", "CANCELED")),
    (
        LSF,
        "PEND|New job is waiting for scheduling;\n",
        Said("waiting", "New job is waiting for scheduling;"),
    ),
    (LSF, "PSUSP|-\n", Said("waiting", "PSUSP")),
    (LSF, "RUN|-\n", Said("running")),
    (LSF, "EXIT|-\n", Said("over", "EXIT")),
]


@pytest.mark.parametrize(("system", "answer", "said"), ANSWERS)
def test_states(system, answer, said):
    assert system.read(answer) == said


def test_ids():
    assert Slurm.id_of("sbatch: lua: be nice\n12;main\n") == "12"
    assert Slurm.id_of("sbatch: error: no") == ""
    assert PBS.id_of("12.server.site\n") == "12.server.site"
    assert PBS.id_of("qsub: Unknown queue\n") == ""
    assert Flux.id_of("ƒ3ETxsR9H\n") == "ƒ3ETxsR9H"
    assert LSF.id_of("Job <12> is submitted to default queue <normal>.\n") == "12"
    assert LSF.id_of("bad: Job not submitted.\n") == ""


def test_cancelling_commands():
    term, kill = ["scancel", "--signal=TERM", "12.0"], ["scancel", "--signal=KILL", "12.0"]
    assert Slurm.cancels("12") == [term, kill, ["scancel", "12"]]
    assert Slurm.cancels("12.0") == [term, kill]  # a step: the job is the user's own
    assert PBS.cancels("12.server") == [["qdel", "12.server"]]
    assert Flux.cancels("ƒ1") == [["flux", "cancel", "ƒ1"]]
    assert LSF.cancels("12") == [["bkill", "12"], ["bkill", "-s", "KILL", "12"]]


HOSTILE = [
    "a b",
    "$(touch oops)",
    "`touch oops`",
    "'; touch oops; '",
    "x\n#SBATCH --nodes=9",
    "%j\\",
]


def orders(run_dir, **others):
    env = {"PIOTUTOR_CAPTURE_PREFIX": "/a b\n/c'd", "LAST": HOSTILE[3]}
    return Orders(run_dir=str(run_dir), argv=["true"], env=env, data={}, **others)


def test_a_jobs_script_passes_words_and_variables_as_they_are(tmp_path):
    run_dir = tmp_path / HOSTILE[3].replace("/", "")
    run_dir.mkdir()
    show = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)])); sys.exit(7)"
    argv = ["python3", "-c", show, *HOSTILE]
    given = orders(run_dir, directory=str(tmp_path), unset=["UNWANTED"])
    script = script_of(Orders(**{**vars(given), "argv": argv}))
    (run_dir / BODY).write_text(script)
    done = subprocess.run(
        ["sh", run_dir / BODY], cwd="/", env={"PATH": "/usr/bin:/bin", "UNWANTED": "1"}
    )
    words, environment = json.loads((run_dir / OUTPUT).read_text())
    assert words == HOSTILE
    assert environment.items() >= given.env.items()
    assert environment["PIOTUTOR_RUN"] == str(run_dir) and "UNWANTED" not in environment
    assert (done.returncode, (run_dir / CODE).read_text()) == (7, "7\n")
    assert not list(tmp_path.rglob("oops"))


def test_a_cancelled_job_that_starts_late_does_nothing(tmp_path):
    run_dir = tmp_path
    (run_dir / "batch-cancelled").touch()
    (run_dir / BODY).write_text(script_of(orders(run_dir)))
    assert subprocess.run(["sh", run_dir / BODY]).returncode == 0
    assert not (run_dir / CODE).exists()


def test_what_a_submitted_job_makes_of_the_orders(tmp_path):
    slurm = Slurm(plugins=PLUGINS, tools={"sbatch": "/x/sbatch"}, **FOUND)
    ours = orders(
        tmp_path, pools=[{"directory": "/q", "count": 2}], temporary="/tmp/x", sampler=["look"]
    )
    told = slurm.adapt(ours, Ranks(2, MODULE))
    assert told.argv == ["/py", "-m", "piotutor.launch.submit", "follow", str(tmp_path)]
    assert told.cancel == ["/py", "-m", "piotutor.launch.submit", "cancel", str(tmp_path)]
    assert (told.pools, told.temporary, told.sampler, told.block) == ([], "", [], {})
    assert Told.read(tmp_path).submit[0] == "/x/sbatch"
    assert "--time=11" in Told.read(tmp_path).submit  # the time-out, and a minute
    assert (tmp_path / SCRIPT).read_text().count("\n") == 2  # nothing that looks like a directive
    day = slurm.adapt(orders(tmp_path, timeout=86400.0), Ranks(2, MODULE))
    assert day and not [one for one in Told.read(tmp_path).submit if "time" in one]


def test_what_a_step_in_an_allocation_makes_of_them(tmp_path):
    slurm = Slurm(plugins=PLUGINS, allocation="7", **FOUND)
    ranks = Ranks(2, MODULE)
    ours = Orders(**{**vars(orders(tmp_path)), "argv": slurm.argv(ranks)})
    told = slurm.adapt(ours, ranks)
    name = f"piotutor-{tmp_path.name}"
    assert told.argv == ["srun", f"--job-name={name}", *slurm.argv(ranks)[1:]]
    assert Told.read(tmp_path) == Told("slurm", name, [], "7")
    assert "--jobs=7" in Slurm.find_steps(Told.read(tmp_path))


def test_specs():
    tools = {"PATH": "/nowhere"}
    slurm = Slurm.find(None, tools, partition="debug", extra="--gres=gpu:1 '--comment=a b'")
    assert slurm.extra == ("--gres=gpu:1", "--comment=a b")
    with pytest.raises(UsageError, match=r"Slurm isn't here: no srun on the PATH"):
        slurm.check(None)
    for spec, problem in {
        "slurm:partitio=x": "launcher slurm: there is no option 'partitio': is it partition?",
        "slurm:nodes=none": "launcher slurm: nodes=none: give a whole number",
        "slurm:partition=--wrap": "launcher slurm: partition=--wrap: give one word",
        "slurm:extra='": "launcher slurm: extra=': give arguments",
        "slurm:debug": "launcher slurm: there is no option 'debug': choose partition",
        "local:nodes=2": "launcher local: there is no option 'nodes': it has none",
        "slurmy": "launcher 'slurmy' is unknown: choose one of local",
    }.items():
        with pytest.raises(UsageError) as refused:
            launch.parse(spec)
        assert str(refused.value).startswith(problem)


def test_what_is_for_a_new_job_is_refused_inside_of_one():
    tools = dict.fromkeys(Slurm.programs, "/bin/true")
    inside = Slurm(plugins=PLUGINS, tools=tools, allocation="7", partition="x", **FOUND)
    with pytest.raises(UsageError, match=r"partition=x is for a new job: .*Slurm's job 7"):
        inside.check(None)


def test_the_default(tmp_path, monkeypatch, programs):
    assert launch.default(tmp_path, {}).name == "local"
    assert launch.default(tmp_path, {"PIOTUTOR_LAUNCHER": "pbs:partition=x"}).name == "pbs"
    monkeypatch.setenv("PATH", "/nowhere")
    assert launch.default(tmp_path, {"SLURM_JOB_ID": "7"}).name == "local"


@pytest.fixture
def programs(tmp_path):
    """Return a function that makes a program which stands in for one of a batch system's."""
    (tmp_path / "bin").mkdir()

    def make(name, text):
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    return make


@pytest.fixture
def pbs(tmp_path, programs, monkeypatch):
    """Return a function that makes the submission of a command to a PBS that scripts stand in for.

    Its qsub starts the job at once, and its qstat knows it as long as it runs.
    """
    job = tmp_path / "job"
    programs(
        "qsub", f'for script; do :; done; setsid sh "$script" & echo $! >{job}; echo 12.server'
    )
    alive = f"kill -0 $(cat {job}) 2>/dev/null"
    programs("qstat", f"{alive} && echo ' job_state = R' || {{ echo Unknown Job Id; exit 1; }}")
    programs("qdel", f"kill -- -$(cat {job})")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(submit, "LATE", 0.2)

    def make(*argv):
        run_dir = tmp_path / "run"
        run_dir.mkdir()
        ours = Orders(**{**vars(orders(run_dir)), "argv": list(argv)})
        PBS(**FOUND).adapt(ours, Ranks(2, MODULE))
        return Submission(run_dir)

    return make


def test_following_a_job_to_its_end(pbs, capfd):
    submission = pbs("sh", "-c", "echo hello; exit 5")
    assert submission.follow() == 5
    assert capfd.readouterr().out == "hello\n"
    assert (submission.run_dir / "batch-job").read_text() == "12.server"
    assert json.loads((submission.run_dir / "batch-state.json").read_text())["state"]


def test_a_job_that_ends_without_a_word(pbs, capfd):
    submission = pbs("sh", "-c", "kill -9 $PPID")
    assert submission.follow() == 1
    assert capfd.readouterr().out == "PBS ended job 12.server: it is gone\n"


def test_cancelling_a_job(pbs, eventually):
    submission = pbs("sleep", "60")
    submission.submit()
    assert submission.cancel() == ""
    assert submission.cancel() == ""  # again, as a sweep does


def test_what_may_be_left_is_told(pbs, tmp_path, programs, monkeypatch):
    submission = pbs("sleep", "60")
    submission.submit()
    ending = (tmp_path / "bin/qdel").read_text()
    programs("qdel", "exit 1")
    with monkeypatch.context() as hurried:
        hurried.setattr(submit, "GONE", 0.2)
        assert submission.cancel() == "PBS still has 12.server: qdel 12.server"
    programs("qdel", ending)
    assert submission.cancel() == ""


def test_a_job_that_is_not_taken(pbs, programs):
    programs("qsub", "echo qsub: Unknown queue >&2; exit 170")
    with pytest.raises(PiotutorError, match="PBS didn't take the job: qsub: Unknown queue"):
        pbs("true").follow()
