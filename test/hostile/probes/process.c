/* Other processes, namespaces and privileges. */
#define _GNU_SOURCE
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* arguments: flags in hexadecimal */
static int new_namespaces(char **arguments) {
  return unshare((int)strtoul(arguments[0], NULL, 16));
}

static int clone_namespaces(char **arguments) {
  unsigned long flags = strtoul(arguments[0], NULL, 16) | SIGCHLD;
  long pid = syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
  if (pid == 0)
    _exit(0);
  return pid < 0 ? -1 : 0;
}

static int clone3_namespaces(char **arguments) {
  struct clone_args args = {.flags = strtoul(arguments[0], NULL, 16), .exit_signal = SIGCHLD};
  long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0)
    _exit(0);
  return pid < 0 ? -1 : 0;
}

static int enter_namespace(char **arguments) {
  int fd = open(arguments[0], O_RDONLY);
  return fd < 0 ? -1 : setns(fd, 0);
}

static int see(char **arguments) {
  return kill((pid_t)atoi(arguments[0]), 0);
}

static int trace(char **arguments) {
  return (int)ptrace(PTRACE_SEIZE, (pid_t)atoi(arguments[0]), NULL, NULL);
}

static int process_descriptor(char **arguments) {
  int process = (int)syscall(SYS_pidfd_open, (pid_t)atoi(arguments[0]), 0);
  return process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, 0, 0);
}

static int raise_limit(char **arguments) {
  struct rlimit limit;
  (void)arguments;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_max += 1;
  return setrlimit(RLIMIT_NOFILE, &limit);
}

/* CAP_SYS_ADMIN among the permitted ones. */
static int gain_capability(char **arguments) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2] = {0};
  (void)arguments;
  syscall(SYS_capget, &header, data);
  data[0].permitted |= 1u << CAP_SYS_ADMIN;
  data[0].effective |= 1u << CAP_SYS_ADMIN;
  return (int)syscall(SYS_capset, &header, data);
}

static int is_root(char **arguments) {
  (void)arguments;
  errno = EPERM;
  return geteuid() == 0 ? 0 : -1;
}

static int has_capability(char **arguments) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2] = {0};
  (void)arguments;
  if (syscall(SYS_capget, &header, data) != 0)
    return -1;
  errno = EPERM;
  return data[0].effective & 1u << CAP_SYS_ADMIN ? 0 : -1;
}

/* The machine's name, as a container that has a UTS namespace of its own still may not. */
static int rename_machine(char **arguments) {
  return sethostname(arguments[0], strlen(arguments[0]));
}

static int spare_from_memory_killer(char **arguments) {
  (void)arguments;
  int fd = open("/proc/self/oom_score_adj", O_WRONLY);
  return fd >= 0 && write(fd, "-1000", 5) == 5 ? 0 : -1;
}

static int real_time(char **arguments) {
  struct sched_param parameter = {.sched_priority = 1};
  (void)arguments;
  return sched_setscheduler(0, SCHED_FIFO, &parameter);
}

/* A file with CAP_SYS_ADMIN: version 2, effective. arguments: file */
static int file_capability(char **arguments) {
  struct vfs_cap_data data = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE};
  data.data[0].permitted = 1u << CAP_SYS_ADMIN;
  return setxattr(arguments[0], "security.capability", &data, sizeof data, 0);
}

/* Types a character into the terminal that the process was started from. */
static int type_into_terminal(char **arguments) {
  int terminal = open(arguments[0], O_RDWR | O_NOCTTY);
  return terminal < 0 ? -1 : ioctl(terminal, TIOCSTI, "x");
}

const struct attempt process_attempts[] = {
    {"unshare", 1, new_namespaces},
    {"clone", 1, clone_namespaces},
    {"clone3", 1, clone3_namespaces},
    {"setns", 1, enter_namespace},
    {"see", 1, see},
    {"trace", 1, trace},
    {"pidfd", 1, process_descriptor},
    {"raise-limit", 0, raise_limit},
    {"gain-capability", 0, gain_capability},
    {"is-root", 0, is_root},
    {"has-capability", 0, has_capability},
    {"rename", 1, rename_machine},
    {"spare", 0, spare_from_memory_killer},
    {"real-time", 0, real_time},
    {"file-capability", 1, file_capability},
    {"type", 1, type_into_terminal},
    {0},
};
