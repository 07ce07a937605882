/* Ways to make writable what is mounted read-only. */
#define _GNU_SOURCE
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A single file is opened, and in a directory one is made. */
static int write_to(const char *place) {
  char path[4200];
  snprintf(path, sizeof path, "%s/atoll-escape", place);
  int fd = open(place, O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0)
    return -1;
  close(fd);
  return 0;
}

static int through_remount(const char *place) {
  if (write_to(place) == 0)
    return 0;
  mount(NULL, place, NULL, MS_REMOUNT | MS_BIND, NULL);
  if (write_to(place) == 0)
    return 0;
  mount(NULL, place, NULL, MS_REMOUNT, NULL);
  return write_to(place);
}

static int through_bind(const char *place, unsigned long flags) {
  char point[] = "/tmp/bound-XXXXXX";
  if (!mkdtemp(point) || mount(place, point, NULL, flags, NULL) != 0)
    return -1;
  return through_remount(point);
}

static int write_past(const char *place) {
  if (through_remount(place) == 0 || through_bind(place, MS_BIND) == 0 || through_bind(place, MS_BIND | MS_REC) == 0)
    return 0;
  /* The mount may hide a place that can be written. */
  if (umount2(place, MNT_DETACH) == 0 && write_to(place) == 0)
    return 0;
  return -1;
}

static void put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    return;
  if (write(fd, text, strlen(text)) < 0)
    perror(path);
  close(fd);
}

/* Root of the new user namespace, which is whoever made it. */
static void map_root(unsigned user) {
  char map[32];
  snprintf(map, sizeof map, "0 %u 1", user);
  put("/proc/self/setgroups", "deny");
  put("/proc/self/uid_map", map);
  put("/proc/self/gid_map", map);
}

static long enter_namespaces(const char *how) {
  static const unsigned long flags = CLONE_NEWUSER | CLONE_NEWNS;
  struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};
  if (strcmp(how, "clone") == 0)
    return syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
  if (strcmp(how, "clone3") == 0)
    return syscall(SYS_clone3, &args, sizeof args);
  if (strcmp(how, "unshare") == 0)
    return unshare((int)flags);
  if (strcmp(how, "one-by-one") == 0)
    return unshare(CLONE_NEWUSER) != 0 || unshare(CLONE_NEWNS) != 0 ? -1 : 0;
  if (strcmp(how, "user-alone") == 0)
    return unshare(CLONE_NEWUSER);
  return 0; /* here */
}

/* arguments: how to gain the capability to mount, user, place */
static int write_read_only(char **arguments) {
  unsigned user = (unsigned)strtoul(arguments[1], NULL, 10);
  int status;
  if (setgid(user) != 0 || setuid(user) != 0)
    return -1;
  long pid = enter_namespaces(arguments[0]);
  if (pid < 0)
    return -1;
  if (pid == 0) {
    if (strcmp(arguments[0], "here") != 0)
      map_root(user);
    int result = write_past(arguments[2]);
    if (strncmp(arguments[0], "clone", 5) == 0)
      _exit(result == 0 ? 0 : errno);
    return result;
  }
  if (waitpid((pid_t)pid, &status, 0) < 0)
    return -1;
  errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
  return errno == 0 ? 0 : -1;
}

const struct attempt mount_attempts[] = {{"write-read-only", 3, write_read_only}, {0}};
