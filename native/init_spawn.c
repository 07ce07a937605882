#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Both ends of the streams of one child. */
struct streams {
  int child[3];
  int own[3];
};

struct child {
  const struct start *start;
  const struct account *account;
  const struct streams *streams;
  struct rlimit files;
  const char *search_path;
  char candidate[PATH_MAX];
  struct failure failure;
};

static void close_all(int *fds) {
  for (int i = 0; i < 3; i++) {
    if (fds[i] >= 0)
      close(fds[i]);
    fds[i] = -1;
  }
}

static bool open_pipe(int *reader, int *writer, int *own) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0)
    return false;
  *reader = fds[0];
  *writer = fds[1];
  return fcntl(*own, F_SETFL, O_NONBLOCK) == 0;
}

/* /dev/null rather than an empty pipe: programs as ripgrep search their stdin when it is a pipe. An image may lack it. */
static bool open_nothing(int *fd) {
  int writer;
  *fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (*fd >= 0)
    return true;
  if (!open_pipe(fd, &writer, &writer))
    return false;
  close(writer);
  return true;
}

static struct failure open_pipes(bool wants_input, struct streams *streams) {
  int *child = streams->child, *own = streams->own;
  bool is_open = wants_input ? open_pipe(&child[0], &own[0], &own[0]) : open_nothing(&child[0]);
  for (int i = 1; is_open && i <= 2; i++)
    is_open = open_pipe(&own[i], &child[i], &own[i]);
  return (struct failure){is_open ? 0 : errno, "limit"};
}

static int open_terminal_peer(int terminal) {
  int number;
  char path[32];
  int fd = ioctl(terminal, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (fd >= 0 || ioctl(terminal, TIOCGPTN, &number) != 0)
    return fd;
  snprintf(path, sizeof path, "/dev/pts/%d", number); /* gVisor has no TIOCGPTPEER */
  return open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static bool set_up_terminal(const struct start *start, const struct account *account, int terminal, int *peer) {
  int unlocked = 0;
  struct winsize size = {.ws_row = start->rows ? start->rows : 24, .ws_col = start->cols ? start->cols : 80};
  if (ioctl(terminal, TIOCSPTLCK, &unlocked) != 0)
    return false;
  *peer = open_terminal_peer(terminal);
  if (*peer < 0 || ioctl(terminal, TIOCSWINSZ, &size) != 0)
    return false;
  /* As grantpt(3). A devpts without this uid in its user namespace refuses, and the descriptor still works. */
  if (fchown(*peer, account->uid, account->gid) != 0)
    return true;
  return fchmod(*peer, 0620) == 0;
}

/* One terminal is all three streams of the child; here it is one descriptor to read and one to write. */
static struct failure open_terminal(const struct start *start, const struct account *account, struct streams *streams) {
  int *child = streams->child, *own = streams->own;
  own[1] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  bool is_open = own[1] >= 0 && set_up_terminal(start, account, own[1], &child[0]);
  if (is_open)
    own[0] = fcntl(own[1], F_DUPFD_CLOEXEC, 3);
  for (int i = 1; is_open && own[0] >= 0 && i <= 2; i++)
    child[i] = fcntl(child[0], F_DUPFD_CLOEXEC, 3);
  is_open = is_open && own[0] >= 0 && child[1] >= 0 && child[2] >= 0;
  return (struct failure){is_open ? 0 : errno, "pty"};
}

static const char *env_get(char *const *env, const char *name) {
  size_t length = strlen(name);
  for (; *env; env++)
    if (strncmp(*env, name, length) == 0 && (*env)[length] == '=')
      return *env + length + 1;
  return NULL;
}

static void env_add(struct start *start, const char *name, char *assignment) {
  if (env_get(start->env, name))
    return;
  start->env[start->env_count++] = assignment;
  start->env[start->env_count] = NULL;
}

struct added_env {
  char home[1100], user[300], logname[300];
};

static void complete_env(struct start *start, const struct account *account, struct added_env *added) {
  snprintf(added->home, sizeof added->home, "HOME=%s", account->home);
  env_add(start, "HOME", added->home);
  if (account->name[0] == '\0')
    return;
  snprintf(added->user, sizeof added->user, "USER=%s", account->name);
  snprintf(added->logname, sizeof added->logname, "LOGNAME=%s", account->name);
  env_add(start, "USER", added->user);
  env_add(start, "LOGNAME", added->logname);
}

/*
 * From here to the end of run_child: code of the vforked child, in init's memory while init stands still. It allocates nothing and changes
 * only *child. Raw system calls, because the set*id functions of glibc would take locks and signal threads.
 */

static bool become_user(const struct account *account) {
  return syscall(SYS_setgroups, account->group_count, account->groups) == 0 &&
         syscall(SYS_setresgid, account->gid, account->gid, account->gid) == 0 &&
         syscall(SYS_setresuid, account->uid, account->uid, account->uid) == 0;
}

static bool enter_directory(const struct start *start, const struct account *account) {
  if (start->cwd[0] != '\0')
    return chdir(start->cwd) == 0;
  return chdir(account->home) == 0 || chdir("/") == 0;
}

static bool take_streams(const struct child *child) {
  for (int i = 0; i < 3; i++)
    if (dup2(child->streams->child[i], i) < 0)
      return false;
  return !child->start->wants_terminal || ioctl(0, TIOCSCTTY, 0) == 0;
}

static void reset_signals(void) {
  sigset_t none;
  signal(SIGPIPE, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The next directory of a PATH with the program's name behind it; an empty one is the current directory. */
static const char *next_candidate(const char *path, const char *program, char *candidate) {
  const char *end = strchrnul(path, ':');
  size_t length = (size_t)(end - path), name = strlen(program);
  candidate[0] = '\0';
  if (length + name + 2 <= PATH_MAX) {
    memcpy(candidate, path, length);
    candidate[length] = '/';
    memcpy(candidate + (length ? length + 1 : 0), program, name + 1);
  }
  return *end ? end + 1 : NULL;
}

static bool may_be_elsewhere(int error) {
  return error == ENOENT || error == ENOTDIR || error == EACCES || error == ENAMETOOLONG;
}

/* Returns only when nothing could be executed. EACCES of any candidate tells more than ENOENT of the others. */
static int search_and_execute(struct child *child) {
  char *const *argv = child->start->argv, *const *env = child->start->env;
  int result = ENOENT;
  for (const char *path = child->search_path; path;) {
    path = next_candidate(path, argv[0], child->candidate);
    if (child->candidate[0] == '\0')
      continue;
    execve(child->candidate, argv, env);
    if (!may_be_elsewhere(errno))
      return errno;
    if (errno == EACCES)
      result = EACCES;
  }
  return result;
}

static int execute(struct child *child) {
  char *const *argv = child->start->argv;
  if (child->start->is_built_in) {
    syscall(SYS_execveat, own_program, "", argv, child->start->env, AT_EMPTY_PATH);
    return errno;
  }
  if (argv[0][0] == '\0')
    return ENOENT;
  if (!strchr(argv[0], '/'))
    return search_and_execute(child);
  execve(argv[0], argv, child->start->env);
  return errno;
}

static struct failure run_child(struct child *child) {
  if (setsid() < 0 || !take_streams(child))
    return (struct failure){errno, child->start->wants_terminal ? "pty" : "fork"};
  if (setrlimit(RLIMIT_NOFILE, &child->files) != 0)
    return (struct failure){errno, "limit"};
  if (!become_user(child->account))
    return (struct failure){errno, "user"};
  if (!enter_directory(child->start, child->account))
    return (struct failure){errno, "cwd"};
  reset_signals();
  return (struct failure){execute(child), "exec"};
}

/* vfork returns once the child has executed or ended, so its failure is known then, without a pipe and a copy of page tables. */
__attribute__((noinline)) static pid_t vfork_child(struct child *child) {
  pid_t pid = vfork();
  if (pid == 0) {
    child->failure = run_child(child);
    _exit(127);
  }
  return pid;
}

static struct rlimit files_limit(uint32_t wanted) {
  struct rlimit limit = inherited_files;
  if (wanted > 0 && wanted < limit.rlim_max)
    limit.rlim_max = wanted;
  if (wanted > 0 || limit.rlim_cur > limit.rlim_max)
    limit.rlim_cur = limit.rlim_max;
  return limit;
}

static struct failure run(struct start *start, const struct account *account, const struct streams *streams, pid_t *pid) {
  static struct child child; /* PATH_MAX is much for a stack that two processes share */
  const char *path = env_get(start->env, "PATH");
  child.start = start;
  child.account = account;
  child.streams = streams;
  child.files = files_limit(start->open_files);
  child.search_path = path ? path : DEFAULT_PATH;
  child.failure = (struct failure){0, "exec"};
  *pid = vfork_child(&child);
  if (*pid < 0)
    return (struct failure){errno, "fork"};
  return child.failure; /* that child is reaped like any other, and nobody knows its number */
}

static struct failure open_and_run(struct start *start, const struct account *account, struct streams *streams, pid_t *pid) {
  struct failure failure =
      start->wants_terminal ? open_terminal(start, account, streams) : open_pipes(start->wants_input, streams);
  if (failure.error == 0)
    failure = run(start, account, streams, pid);
  close_all(streams->child);
  if (failure.error != 0)
    close_all(streams->own);
  return failure;
}

struct failure spawn(struct start *start, struct spawned *spawned) {
  static struct added_env added;
  static struct account account;
  struct streams streams = {.child = {-1, -1, -1}, .own = {-1, -1, -1}};
  *spawned = (struct spawned){.pid = 0, .input = -1, .output = -1, .error = -1};
  if (!start->argv[0])
    return (struct failure){EINVAL, "exec"};
  int error = account_find(start->user, &account);
  if (error != 0)
    return (struct failure){error, "user"};
  complete_env(start, &account, &added);
  struct failure failure = open_and_run(start, &account, &streams, &spawned->pid);
  *spawned = (struct spawned){
      .pid = spawned->pid, .input = streams.own[0], .output = streams.own[1], .error = streams.own[2]};
  return failure;
}
