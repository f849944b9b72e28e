/* SPDX-License-Identifier: MIT */
/*
 * mint-keeper: custody without policy.  Starts the supervisor, and does for it
 * what needs rights or must outlive it: children, listening sockets, pipes.
 * One loop that never blocks.  This file: options, signals, the loop, the end.
 */

#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>


#define KEEPER_PROGRAM      "mint-keeper " MINT_VERSION
#define KEEPER_SPARE_FDS    64              /* to start a supervisor with */
#define KEEPER_KILL_MS      5000
#define KEEPER_LOCK_TRIES   100
#define KEEPER_LOCK_MS      50


static void keeper_options(int argc, char **argv);
static int keeper_option(int option);
static int keeper_prepare(void);
static void keeper_lock(void);
static void keeper_mark(void);
static void keeper_signals(int fd);
static void keeper_reap(void);


struct keeper  keeper = {
    .stop_timeout_ms = 60000,
    .stop_deadline_ms = KEEPER_NEVER
};

static const char  *keeper_pid_file;

static const struct option  keeper_option_names[] = {
    { "supervisor-identity", required_argument, NULL, 's' },
    { "identity", required_argument, NULL, 'i' },
    { "uid-range", required_argument, NULL, 'u' },
    { "tmp-root", required_argument, NULL, 't' },
    { "state-root", required_argument, NULL, 'd' },
    { "cgroup", required_argument, NULL, 'c' },
    { "pid-file", required_argument, NULL, 'p' },
    { "socket", required_argument, NULL, 'k' },
    { "stop-timeout", required_argument, NULL, 'w' },
    { "version", no_argument, NULL, 'v' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 }
};

static const char  keeper_help[] =
    "usage: mint-keeper [OPTION]... -- SUPERVISOR [ARGUMENT]...\n"
    "\n"
    "Starts SUPERVISOR (a path), starts it again when it dies, and holds its\n"
    "children, listening sockets and pipes meanwhile.\n"
    "\n"
    "As root; without root all run as the keeper's own user:\n"
    "  --supervisor-identity UID:GID[:GID]...   what SUPERVISOR runs as\n"
    "  --identity UID:GID[:GID]...   ids that children may have (repeatable)\n"
    "  --uid-range FIRST-LAST        more of them, uids and gids alike\n"
    "\n"
    "  --state-root DIR     directories below may be made and given to an\n"
    "                       owner (repeatable)\n"
    "  --tmp-root DIR       these may also be emptied (repeatable)\n"
    "  --cgroup NAME        give each child a cgroup of its own below one of\n"
    "                       this name, where cgroups can be written\n"
    "  --pid-file FILE      also a lock: a second keeper refuses\n"
    "  --socket PATH        where the supervisor waits for the next keeper if\n"
    "                       this one is killed; that one takes over all there\n"
    "                       is (needs --pid-file)\n"
    "  --stop-timeout SEC   from SIGTERM to killing all (default 60)\n"
    "  --version, --help\n";


int
main(int argc, char **argv)
{
    int            signals, adopted, births;
    uint64_t       now, next, then;
    struct pollfd  fds[3 + WARM_BIRTHS_MAX];

    keeper_options(argc, argv);
    signals = keeper_prepare();
    adopted = adopted_prepare();
    handover_take();

    for ( ;; ) {
        now = keeper_now_ms();

        if (now >= keeper.stop_deadline_ms) {
            keeper_log("error", "supervisor did not stop in time");
            keeper_finish(EXIT_FAILURE, 0);
        }

        next = child_tick(now);
        then = supervisor_tick(now);
        next = then < next ? then : next;
        then = warm_tick(now);
        next = then < next ? then : next;
        next = keeper.stop_deadline_ms < next ? keeper.stop_deadline_ms : next;

        fds[0] = (struct pollfd) { .fd = signals, .events = POLLIN };
        fds[1].revents = 0;
        fds[1].fd = supervisor_poll(&fds[1].events);
        fds[2] = (struct pollfd) { .fd = adopted, .events = POLLIN };
        births = warm_poll(fds + 3);

        if (poll(fds, (nfds_t) births + 3, next == KEEPER_NEVER ? -1
                         : next > now ? (int) (next - now) : 0) > 0)
        {
            /* before a newborn's death is heard of */

            warm_io(fds + 3, births);

            if (fds[1].revents != 0) {
                supervisor_io(fds[1].revents);
            }

            if (fds[2].revents != 0) {
                adopted_io();
            }

            if (fds[0].revents != 0) {
                keeper_signals(signals);
            }
        }
    }
}


static void
keeper_options(int argc, char **argv)
{
    int  option, failed;

    keeper.is_root = geteuid() == 0;
    keeper.supervisor.uid = geteuid();
    keeper.supervisor.gid = getegid();

    while ((option = getopt_long(argc, argv, "+", keeper_option_names, NULL))
           != -1)
    {
        failed = keeper_option(option);

        if (failed != 0) {
            keeper_die(optarg, failed);
        }
    }

    if (optind == argc) {
        keeper_die("no supervisor given, see --help", 0);
    }

    keeper.supervisor.argv = argv + optind;
}


static int
keeper_option(int option)
{
    int       failed;
    uint32_t  seconds;

    switch (option) {

    case 's':
    case 'i':
        return identity_add(optarg, option == 's');

    case 'u':
        return identity_add_range(optarg);

    case 't':
    case 'd':
        return path_add_root(optarg, option == 't');

    case 'c':
        return cgroup_set_name(optarg);

    case 'p':
        keeper_pid_file = optarg;
        return 0;

    case 'k':
        keeper.socket_path = optarg;
        return optarg[0] != '/' ? EINVAL
               : setenv(MINT_KEEPER_SOCKET_ENV, optarg, 1) == -1 ? errno : 0;

    case 'w':
        failed = identity_numbers(optarg, '\0', &seconds, 1) != 1;
        keeper.stop_timeout_ms = (uint64_t) 1000 * seconds;
        return failed ? EINVAL : 0;

    case 'h':
    case 'v':
        fputs(option == 'h' ? keeper_help : KEEPER_PROGRAM "\n", stdout);
        exit(EXIT_SUCCESS);

    default:
        exit(EXIT_FAILURE);
    }
}


void
keeper_die(const char *what, int failed)
{
    fprintf(stderr, "mint-keeper: %s%s%s\n", what, failed != 0 ? ": " : "",
            failed != 0 ? strerror(failed) : "");
    exit(EXIT_FAILURE);
}


/* returns the descriptor that signals come by */

static int
keeper_prepare(void)
{
    int            fd;
    sigset_t       set;
    struct rlimit  most;

    keeper.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    keeper.supervisor.fds[0] = keeper.null_fd;
    keeper.supervisor.fds[1] = STDOUT_FILENO;
    keeper.supervisor.fds[2] = STDERR_FILENO;
    keeper.supervisor.fd_count = MINT_KEEPER_FIRST_FD + 1;
    keeper.supervisor.umask = UINT32_MAX;
    keeper.supervisor.data_bytes = RLIM_INFINITY;
    keeper.supervisor.processes = RLIM_INFINITY;

    getrlimit(RLIMIT_NOFILE, &keeper.nofile);
    most.rlim_cur = most.rlim_max = keeper.nofile.rlim_max;
    setrlimit(RLIMIT_NOFILE, &most);
    keeper.supervisor.nofile = most;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGQUIT);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);

    if (keeper.null_fd == -1 || fd == -1
        || setenv(MINT_KEEPER_FD_ENV, "3", 1) == -1
        || setenv(MINT_KEEPER_PROGRAM_ENV, keeper.supervisor.argv[0], 1) == -1
        || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1)
    {
        keeper_die("cannot start", errno);
    }

    if (keeper_pid_file != NULL) {
        keeper_lock();
        keeper_mark();
    }

    keeper.supervisor.env = environ;
    cgroup_find();

    return fd;
}


/*
 * The lock is held as long as the keeper lives, its file may be stale.  One
 * that was killed just now may have a child between fork and exec, which has
 * it for a moment yet.
 */

static void
keeper_lock(void)
{
    int   fd, tries;
    char  text[16];

    fd = open(keeper_pid_file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
              0644);

    if (fd == -1) {
        keeper_die(keeper_pid_file, errno);
    }

    for (tries = 0; flock(fd, LOCK_EX | LOCK_NB) == -1; tries++) {
        memset(text, 0, sizeof(text));
        (void) !pread(fd, text, sizeof(text) - 1, 0);

        if (tries < KEEPER_LOCK_TRIES && kill(atoi(text), 0) == -1) {
            (void) poll(NULL, 0, KEEPER_LOCK_MS);
            continue;
        }

        fprintf(stderr, "mint-keeper: another mint-keeper (pid %d) has \"%s\": "
                "stop that one, or use another state directory\n",
                atoi(text), keeper_pid_file);
        exit(EXIT_FAILURE);
    }

    snprintf(text, sizeof(text), "%d\n", getpid());

    if (ftruncate(fd, 0) == -1 || write(fd, text, strlen(text)) == -1) {
        keeper_die(keeper_pid_file, errno);
    }
}


/* by which what this system has started is known later, whoever started it */

static void
keeper_mark(void)
{
    char  *path;

    path = realpath(keeper_pid_file, NULL);

    if (path == NULL || setenv(MINT_KEEPER_MARK_ENV, path, 1) == -1
        || asprintf(&keeper.mark, "%s=%s", MINT_KEEPER_MARK_ENV, path) == -1)
    {
        keeper_die(keeper_pid_file, errno);
    }

    if (record_open(path) != 0) {
        keeper_die(keeper_pid_file, ENOMEM);
    }

    free(path);
}


static void
keeper_signals(int fd)
{
    struct signalfd_siginfo  info;

    while (read(fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGCHLD) {
            keeper_reap();
            continue;
        }

        if (keeper.stop_deadline_ms != KEEPER_NEVER || supervisor_pid == 0) {
            keeper_finish(EXIT_FAILURE, 0);
        }

        keeper.stop_deadline_ms = keeper_now_ms() + keeper.stop_timeout_ms;
        supervisor_say(MINT_KEEPER_STOP, 0, 0, 0);
    }
}


/* all are our children, so nobody else waits for any of them */

static void
keeper_reap(void)
{
    int    status;
    pid_t  pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == supervisor_pid) {
            supervisor_died(status);

        } else if (!child_died(pid, status, 0) && !path_wiped(pid, status)) {
            tree_forget(pid);
        }
    }
}


/* kills all there is, the supervisor only after the grace it has */

void
keeper_finish(int status, uint64_t grace_ms)
{
    int            left;
    pid_t          pid, spared;
    uint64_t       now, start;
    struct child  *c;

    start = now = keeper_now_ms();

    do {
        for (c = keeper.children; c != NULL; c = c->next) {
            (void) cgroup_kill(&c->cgroup);
        }

        spared = now < start + grace_ms ? supervisor_pid : 0;
        tree_kill_all(spared);
        left = adopted_kill(spared);

        if (keeper.has_adopted) {
            left += (int) adopted_sweep(ADOPTED_ALL, spared);
        }

        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
            supervisor_pid = pid == supervisor_pid ? 0 : supervisor_pid;
        }

        if (pid == 0 || left > 0) {
            (void) poll(NULL, 0, 10);
        }

        now = keeper_now_ms();
    } while ((pid == 0 || left > 0)
             && now < start + grace_ms + KEEPER_KILL_MS);

    while (keeper.listeners != NULL) {
        listener_close(keeper.listeners->id);
    }

    for (c = keeper.children; c != NULL; c = c->next) {
        cgroup_remove(&c->cgroup);
    }

    cgroup_leave();

    if (keeper_pid_file != NULL) {
        unlink(keeper_pid_file);
        record_remove();
    }

    exit(status);
}


uint64_t
keeper_now_ms(void)
{
    struct timespec  now;

    clock_gettime(CLOCK_BOOTTIME, &now);

    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}


/* says nothing rather than wait for a reader */

void
keeper_log(const char *level, const char *format, ...)
{
    char           text[512], stamp[32];
    time_t         now;
    va_list        args;
    struct pollfd  out = { STDERR_FILENO, POLLOUT, 0 };

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    if (poll(&out, 1, 0) == 1) {
        now = time(NULL);
        strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
        dprintf(STDERR_FILENO, "%s %-5s keeper: %s\n", stamp, level, text);
    }
}


int
keeper_made(pid_t pid)
{
    struct child  *c;

    for (c = keeper.children; c != NULL; c = c->next) {
        if (c->pid == pid && !c->is_reaped) {
            return 1;
        }
    }

    return pid == supervisor_pid || path_is_wiper(pid);
}


/* starting a supervisor must always be possible */

int
keeper_fds_left(int fd)
{
    errno = EMFILE;

    return (rlim_t) fd + KEEPER_SPARE_FDS < keeper.supervisor.nofile.rlim_cur;
}
