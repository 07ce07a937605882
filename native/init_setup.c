#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <linux/capability.h>
#include <unistd.h>

/* Directories of the holder that the late root takes over, with all that is mounted below them. */
static const char *const carried[] = {"proc", "dev", "sys", ".atoll"};

static int carry(const char *name) {
  char source[16] = "/";
  struct stat status;
  if (mkdir(name, 0755) != 0 && errno != EEXIST)
    return errno;
  /* A symbolic link of the image would put the mount somewhere else. */
  if (lstat(name, &status) != 0 || !S_ISDIR(status.st_mode))
    return ENOTDIR;
  strncat(source, name, sizeof source - 2);
  return mount(source, name, NULL, MS_BIND | MS_REC, NULL) == 0 ? 0 : errno;
}

/* init alone needed it: what it starts must not mount. */
static int drop_mount_capability(void) {
  int held = prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0);
  if (held <= 0)
    return 0;
  return prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0) == 0 ? 0 : errno;
}

static int write_number(int directory, const char *name, uint32_t number) {
  int fd = openat(directory, name, O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    return errno;
  int error = dprintf(fd, "%u", number) > 0 ? 0 : errno;
  close(fd);
  return error;
}

/* Its descriptor stays open: without a user, gVisor gives up the groups of an unmounted file system and their limits. */
static int limit_group(const char *path, uint32_t most_processes) {
  int group = mkdir(path, 0755) == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (group < 0)
    return errno;
  /* gVisor does not count init, which it has moved in, and lets one more in than the limit. */
  int error = write_number(group, "pids.max", most_processes - 1);
  return error ? error : write_number(group, "cgroup.procs", (uint32_t)getpid());
}

/*
 * A limit of gVisor's own kernel, where whoever meets it is told EAGAIN. The machine's limit counts what gVisor itself runs, and gVisor as a
 * whole ends when it meets that one.
 */
static int limit_processes(uint32_t most_processes) {
  static const char place[] = "/tmp";
  if (most_processes == 0)
    return 0;
  if (mount("none", place, "cgroup", 0, "pids") != 0)
    return errno;
  int error = limit_group("/tmp/sandbox", most_processes);
  return umount2(place, MNT_DETACH) == 0 || error != 0 ? error : errno;
}

/*
 * Makes `root` the root of the mount namespace and lets the holder's go, so that no process, root included, finds a way back to it:
 * a chroot could be left again. pivot_root wants a mount point, hence the bind of the directory onto itself.
 */
static struct failure enter(const char *root, uint32_t most_processes) {
  int limit_error = limit_processes(most_processes);
  if (limit_error != 0)
    return (struct failure){limit_error, "pids"};
  if (mount(root, root, NULL, MS_BIND | MS_REC, NULL) != 0 || chdir(root) != 0)
    return (struct failure){errno, "root"};
  for (size_t i = 0; i < sizeof carried / sizeof *carried; i++) {
    int error = carry(carried[i]);
    if (error != 0)
      return (struct failure){error, carried[i]};
  }
  if (syscall(SYS_pivot_root, ".", ".") != 0)
    return (struct failure){errno, "pivot_root"};
  if (umount2(".", MNT_DETACH) != 0)
    return (struct failure){errno, "umount"};
  int error = drop_mount_capability();
  return (struct failure){error, error != 0 ? "capabilities" : ""};
}

/* A SETUP that is repeated after a lost connection must not enter the same path inside the root it has entered. */
static struct failure enter_once(const char *root, uint32_t most_processes) {
  static char entered[4096];
  if (root[0] == '\0' || strcmp(root, entered) == 0)
    return (struct failure){0, ""};
  if (entered[0] != '\0')
    return (struct failure){EBUSY, "root"};
  if (strlen(root) >= sizeof entered)
    return (struct failure){ENAMETOOLONG, "root"};
  struct failure failure = enter(root, most_processes);
  if (failure.error == 0)
    strcpy(entered, root);
  return failure;
}

struct failure setup_root(const char *root, const char *hostname, uint32_t most_processes) {
  struct failure failure = enter_once(root, most_processes);
  /* Also after the launcher has put a new root below init: nothing of the old one may stay in use. */
  if (chdir("/") != 0 && failure.error == 0)
    failure = (struct failure){errno, "root"};
  if (failure.error == 0 && hostname[0] != '\0' && sethostname(hostname, strlen(hostname)) != 0)
    failure = (struct failure){errno, "hostname"};
  return failure;
}
