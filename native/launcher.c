#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_ANSWERED = 3, EVENTS_PER_TURN = 64 };

struct serve {
  const char *socket_path, *pid_path;
  bool is_detached;
};

static int epoll_fd = -1, signals_fd = -1;
static bool must_end;

uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct failure failure_of(int error, const char *format, ...) {
  struct failure failure = {.error = error};
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(failure.step, sizeof failure.step, format, arguments);
  va_end(arguments);
  return failure;
}

bool loop_add(int fd, uint32_t events, struct source *source) {
  struct epoll_event event = {.events = events, .data.ptr = source};
  return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

/*
 * epoll_ctl(2): a closed descriptor stays registered while a copy of it is open, and a child that was just forked has copies of
 * all until it executes. So what is in the loop is always taken out before it is closed.
 */
void loop_close(int *fd) {
  if (*fd < 0)
    return;
  epoll_ctl(epoll_fd, EPOLL_CTL_DEL, *fd, NULL);
  close(*fd);
  *fd = -1;
}

void loop_change(int fd, uint32_t events, struct source *source) {
  struct epoll_event event = {.events = events, .data.ptr = source};
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event);
}

/* The pid is looked at before it is reaped: until then it cannot be anybody else's. */
static bool reap_one(void) {
  siginfo_t info = {0};
  struct process_state state = {0};
  int status;
  if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
    return false;
  process_read(info.si_pid, &state);
  if (waitpid(info.si_pid, &status, 0) != info.si_pid)
    return false;
  if (!jobs_ended(info.si_pid, status))
    watch_ended(info.si_pid, state.start_time, status);
  return true;
}

static void signals_ready(void *owner, uint32_t events) {
  struct signalfd_siginfo info;
  (void)owner;
  (void)events;
  while (read(signals_fd, &info, sizeof info) == sizeof info)
    if (info.ssi_signo != SIGCHLD)
      must_end = true;
  while (reap_one()) {
  }
}

static struct failure open_signals(void) {
  static struct source source = {.ready = signals_ready};
  sigset_t watched;
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  sigemptyset(&watched);
  sigaddset(&watched, SIGCHLD);
  sigaddset(&watched, SIGTERM);
  sigaddset(&watched, SIGINT);
  sigprocmask(SIG_SETMASK, &watched, NULL);
  signals_fd = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
  return signals_fd >= 0 && loop_add(signals_fd, EPOLLIN, &source) ? SUCCESS : failure_of(errno, "signals");
}

/* What one event of a turn gave up, another of the same turn may still name; so all of it is freed at the end. */
static void turn(void) {
  struct epoll_event events[EVENTS_PER_TURN];
  int count = epoll_wait(epoll_fd, events, EVENTS_PER_TURN, jobs_wait_ms());
  for (int i = 0; i < count; i++) {
    struct source *source = events[i].data.ptr;
    source->ready(source->owner, events[i].events);
  }
  jobs_expire();
  jobs_bury(); /* before its answer leaves, so that a request that was answered holds nothing any more */
  link_turn();
  jobs_bury();
  watch_bury();
}

/* Held as long as the launcher lives, so two that start at once cannot both find the socket unanswered. */
static struct failure lock(const char *socket_path) {
  char path[4096];
  snprintf(path, sizeof path, "%s.lock", socket_path);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return failure_of(errno, "open %s", path);
  return flock(fd, LOCK_EX | LOCK_NB) == 0 ? SUCCESS : failure_of(errno == EWOULDBLOCK ? EADDRINUSE : errno, "lock %s", path);
}

static struct failure write_pid(const char *path) {
  if (!path)
    return SUCCESS;
  FILE *file = fopen(path, "we");
  if (!file || fprintf(file, "%d\n", getpid()) < 0)
    return failure_of(errno, "write %s", path);
  return fclose(file) == 0 ? SUCCESS : failure_of(errno, "write %s", path);
}

static struct failure open_everything(const struct serve *serve) {
  umask(022);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0)
    return failure_of(errno, "epoll");
  struct failure failure = lock(serve->socket_path);
  if (failure.error == 0)
    failure = gateway_open();
  if (failure.error == 0)
    failure = open_signals();
  if (failure.error == 0)
    failure = link_open(serve->socket_path);
  return failure.error ? failure : write_pid(serve->pid_path);
}

static int start_failed(const struct failure *failure) {
  if (failure->error == EADDRINUSE) {
    fprintf(stderr, "launcher: cannot serve: another launcher answers (%s)\n", failure->step);
    return EXIT_ANSWERED;
  }
  fprintf(stderr, "launcher: cannot serve: %s: %s\n", failure->step, strerror(failure->error));
  return EXIT_FAILED;
}

/* Whatever the caller forgot to close would else be open in every sandbox's runtime for as long as the launcher runs. */
static void close_inherited_descriptors(void) {
  if (close_range(3, ~0u, 0) == 0)
    return;
  for (int fd = 3; fd < 1024; fd++)
    close(fd);
}

/* stderr stays where it was given. Session and standard streams are the launcher's own, so no terminal ends it. */
static void let_go_of_terminal(bool is_detached) {
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  setsid(); /* fails for a group leader, which only a foreground launcher of a shell is */
  if (nothing >= 0)
    dup2(nothing, 0);
  if (nothing >= 0 && is_detached)
    dup2(nothing, 1);
  if (nothing > 2)
    close(nothing);
}

static int run(const struct serve *serve, int ready) {
  let_go_of_terminal(serve->is_detached);
  struct failure failure = open_everything(serve);
  if (failure.error != 0)
    return start_failed(&failure);
  if (chdir("/") != 0)
    return EXIT_FAILED;
  if (ready >= 0 && (write(ready, "", 1) != 1 || close(ready) != 0))
    return EXIT_FAILED;
  while (!must_end)
    turn();
  link_close();
  if (serve->pid_path)
    unlink(serve->pid_path);
  return 0;
}

/* Returns once the launcher serves, or has failed with the status that is handed on. */
static int run_detached(const struct serve *serve) {
  int fds[2], status = 0;
  char byte;
  if (pipe2(fds, O_CLOEXEC) != 0)
    return EXIT_FAILED;
  pid_t pid = fork();
  if (pid == 0) {
    close(fds[0]);
    return run(serve, fds[1]);
  }
  close(fds[1]);
  if (pid > 0 && read(fds[0], &byte, 1) == 1)
    return 0;
  return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
}

static int usage(void) {
  fputs("usage: launcher serve --socket PATH [--pidfile PATH] [--detach]\n"
        "       launcher enter --socket PATH -- COMMAND...\n"
        "       launcher within DISK COMMAND...\n"
        "       launcher clone FREEZER DEVICE DISK CLONE\n"
        "       launcher uncover LOWER UPPER\n",
        stderr);
  return EXIT_USAGE;
}

static int absolute(const char **path) {
  static char resolved[2][4096];
  static int used;
  char directory[2048];
  if (!*path || **path == '/')
    return 0;
  if (used == 2 || !getcwd(directory, sizeof directory) || strlen(*path) > 2000)
    return -1;
  snprintf(resolved[used], sizeof resolved[used], "%s/%s", directory, *path);
  *path = resolved[used++];
  return 0;
}

static bool parse(int argc, char **argv, struct serve *serve) {
  static const struct option options[] = {
      {"socket", required_argument, NULL, 's'}, {"pidfile", required_argument, NULL, 'p'}, {"detach", no_argument, NULL, 'd'}, {0}};
  for (int option; (option = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
    if (option == 's')
      serve->socket_path = optarg;
    else if (option == 'p')
      serve->pid_path = optarg;
    else if (option == 'd')
      serve->is_detached = true;
    else
      return false;
  }
  return serve->socket_path && absolute(&serve->socket_path) == 0 && absolute(&serve->pid_path) == 0;
}

int main(int argc, char **argv) {
  struct serve serve = {0};
  if (argc > 3 && strcmp(argv[1], "within") == 0)
    return within(argv + 2);
  if (argc == 6 && strcmp(argv[1], "clone") == 0)
    return clone_disk(argv + 2);
  if (argc == 4 && strcmp(argv[1], "uncover") == 0)
    return uncover(argv + 2);
  if (argc < 2 || !parse(argc - 1, argv + 1, &serve))
    return usage();
  char **rest = argv + 1 + optind;
  if (strcmp(argv[1], "serve") == 0 && !*rest) {
    close_inherited_descriptors();
    return serve.is_detached ? run_detached(&serve) : run(&serve, -1);
  }
  if (strcmp(argv[1], "enter") == 0 && *rest)
    return enter(serve.socket_path, rest);
  return usage();
}
