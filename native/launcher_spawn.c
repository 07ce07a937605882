#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

static int enter_cgroup(const char *path) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    return errno;
  int error = write(fd, "0", 1) == 1 ? 0 : errno; /* 0 is the writer itself */
  close(fd);
  return error;
}

static struct failure enter_cgroups(const struct list *cgroups) {
  for (size_t i = 0; i < cgroups->count; i++) {
    int error = enter_cgroup(cgroups->items[i]);
    if (error != 0)
      return failure_of(error, "cgroup %s", cgroups->items[i]);
  }
  return SUCCESS;
}

/* runsc copies every setting below /proc/sys/net into its own network stack, and refuses to start when one cannot be read. */
static struct failure hide_net_settings(void) {
  if (unshare(CLONE_NEWNS) != 0)
    return failure_of(errno, "mount namespace");
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
    return failure_of(errno, "private mounts");
  if (mount("none", "/proc/sys/net", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k") != 0)
    return failure_of(errno, "hide /proc/sys/net");
  return SUCCESS;
}

static struct failure enter_namespaces(uint8_t flags) {
  if ((flags & SPAWN_IN_HOST_NETWORK) && setns(host_network, CLONE_NEWNET) != 0)
    return failure_of(errno, "host network");
  return flags & SPAWN_HIDES_NET_SETTINGS ? hide_net_settings() : SUCCESS;
}

struct failure spawn_execute(const struct spawn *spawn, int input, int output, int error) {
  if (setsid() < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(error, 2) < 0)
    return failure_of(errno, "streams");
  struct failure failure = enter_cgroups(&spawn->cgroups);
  if (failure.error == 0)
    failure = enter_namespaces(spawn->flags);
  if (failure.error != 0)
    return failure;
  if (spawn->cwd[0] != '\0' && chdir(spawn->cwd) != 0)
    return failure_of(errno, "cwd %s", spawn->cwd);
  if (setrlimit(RLIMIT_NOFILE, &inherited_files) != 0)
    return failure_of(errno, "limit");
  environ = spawn->env.items; /* so that PATH of the request is the one searched */
  execvp(spawn->argv.items[0], spawn->argv.items);
  return failure_of(errno, "exec %s", spawn->argv.items[0]);
}
