#include "files.h"
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int control_directory = -1;
int own_program = -1;
struct rlimit inherited_files;

static int epoll_fd = -1;
static int signals_fd = -1;
static bool must_end;
static struct source signals_source = {.kind = SOURCE_SIGNALS, .owner = NULL};

uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool watch(int fd, uint32_t events, struct source *source) {
  struct epoll_event event = {.events = events | EPOLLET, .data.ptr = source};
  return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

/*
 * Closing alone would not do: a vforked child lets init go on just before the kernel closes its copies of init's descriptors, and while
 * one copy is open epoll keeps reporting what `source` no longer is.
 */
void unwatch_and_close(int fd) {
  epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
  close(fd);
}

static void give_up(const char *what) {
  fprintf(stderr, "cannot run init: %s: %s\n", what, strerror(errno));
  exit(1);
}

/* With 0, 1 and 2 taken, no stream of a child can get one of these numbers and be lost in the dup2 calls. */
static void occupy_standard_descriptors(void) {
  int fd;
  do {
    fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
      give_up("open /");
  } while (fd <= STDERR_FILENO);
  close(fd);
}

static void close_inherited_descriptors(void) {
  if (syscall(SYS_close_range, 3u, ~0u, 0u) == 0)
    return;
  for (int fd = 3; fd < 1024; fd++)
    close(fd);
}

/* Dispositions are the default ones, but for SIGPIPE; SIGCHLD arrives as a descriptor. */
static void open_signals(bool is_ordinary) {
  sigset_t watched;
  for (int number = 1; number < NSIG; number++)
    signal(number, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
  sigemptyset(&watched);
  sigaddset(&watched, SIGCHLD);
  if (is_ordinary)
    sigaddset(&watched, SIGTERM);
  sigprocmask(SIG_SETMASK, &watched, NULL);
  signals_fd = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals_fd < 0 || !watch(signals_fd, EPOLLIN, &signals_source))
    give_up("signalfd");
}

static void raise_open_files(void) {
  if (getrlimit(RLIMIT_NOFILE, &inherited_files) != 0)
    give_up("getrlimit");
  struct rlimit own = {.rlim_cur = inherited_files.rlim_max, .rlim_max = inherited_files.rlim_max};
  setrlimit(RLIMIT_NOFILE, &own);
}

/* `is_ordinary`: started by hand or by a test (init --control DIR): ends at SIGTERM, and need not be PID 1. */
static void open_everything(const char *control, bool is_ordinary) {
  occupy_standard_descriptors();
  close_inherited_descriptors();
  raise_open_files();
  umask(022);
  control_directory = open(control, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (control_directory < 0)
    give_up(control);
  /* Kept: the root it was started from goes away. Without it operations on files fail, and nothing else does. */
  own_program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (getpid() != 1 && prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
    give_up("subreaper");
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0 || chdir("/") != 0)
    give_up("epoll");
  open_signals(is_ordinary);
}

static void take_signals(void) {
  struct signalfd_siginfo info;
  while (read(signals_fd, &info, sizeof info) == sizeof info)
    if (info.ssi_signo == SIGTERM)
      must_end = true;
  processes_reap();
}

static void take_event(const struct epoll_event *event) {
  struct source *source = event->data.ptr;
  switch (source->kind) {
  case SOURCE_SOCKET:
    link_event(event->events);
    break;
  case SOURCE_SIGNALS:
    take_signals();
    break;
  case SOURCE_OUTPUT:
    output_event(source->owner, event->events);
    break;
  case SOURCE_INPUT:
    input_event(source->owner, event->events);
    break;
  case SOURCE_PROBE:
    probe_event(source->owner);
    break;
  }
}

static int sooner(int a, int b) {
  if (a < 0)
    return b;
  return b < 0 || a < b ? a : b;
}

static int wait_ms(void) {
  if (link_is_busy() || streams_are_busy())
    return 0;
  return sooner(link_wait_ms(), probes_wait_ms());
}

static void turn(void) {
  struct epoll_event events[128];
  int count = epoll_wait(epoll_fd, events, 128, wait_ms());
  for (int i = 0; i < count; i++)
    take_event(&events[i]);
  probes_expire();
  streams_turn();
  link_turn();
  processes_bury();
}

int main(int argc, char **argv) {
  if (argc > 0 && strcmp(argv[0], FILES_PROGRAM) == 0)
    return files_main(argc, argv);
  bool is_ordinary = argc == 3 && strcmp(argv[1], "--control") == 0;
  open_everything(is_ordinary ? argv[2] : "/.atoll", is_ordinary);
  processes_open();
  streams_open();
  link_open();
  while (!must_end)
    turn();
  return 0;
}
