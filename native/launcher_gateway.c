#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { GREETING_WAIT_MS = 5000, CANNOT_ENTER = 125, CANNOT_EXECUTE = 126, NOT_FOUND = 127, NESTED_MOUNTS_MAX = 16 };

#define UNIFIED "/sys/fs/cgroup/unified"
#define NAMED_NETWORKS "/run/netns"

int host_network = -1;
struct rlimit inherited_files;

static bool is_file_system(const char *path, long magic) {
  struct statfs found;
  return statfs(path, &found) == 0 && (long)found.f_type == magic;
}

/* crun: "cgroups in hybrid mode not supported, drop all controllers from cgroupv2". Here the v1 hierarchies are used alone. */
static struct failure leave_hybrid_mode(void) {
  if (is_file_system("/sys/fs/cgroup", CGROUP2_SUPER_MAGIC))
    return SUCCESS;
  for (int i = 0; i < NESTED_MOUNTS_MAX && is_file_system(UNIFIED, CGROUP2_SUPER_MAGIC); i++)
    if (umount2(UNIFIED, MNT_DETACH) != 0)
      return failure_of(errno, "unmount " UNIFIED);
  return SUCCESS;
}

/* Names that `ip netns` makes are seen here alone, and are gone with the mount namespace. */
static struct failure own_named_networks(void) {
  if (mkdir(NAMED_NETWORKS, 0755) != 0 && errno != EEXIST)
    return failure_of(errno, "make " NAMED_NETWORKS);
  if (mount("atoll", NAMED_NETWORKS, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=1m,nr_inodes=70000") != 0)
    return failure_of(errno, "mount " NAMED_NETWORKS);
  return SUCCESS;
}

static struct failure open_mounts(void) {
  if (unshare(CLONE_NEWNS) != 0)
    return failure_of(errno, "mount namespace");
  /* What the host unmounts goes here too: a private copy would keep its file systems busy for as long as the launcher runs. */
  if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
    return failure_of(errno, "mounts that follow the host's");
  struct failure failure = leave_hybrid_mode();
  return failure.error ? failure : own_named_networks();
}

static bool bring_loopback_up(void) {
  struct ifreq request = {.ifr_name = "lo"};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bool is_up = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0;
  request.ifr_flags |= IFF_UP;
  is_up = is_up && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  if (fd >= 0)
    close(fd);
  return is_up;
}

static struct failure open_network(void) {
  host_network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (host_network < 0 || unshare(CLONE_NEWNET) != 0)
    return failure_of(errno, "network namespace");
  return bring_loopback_up() ? SUCCESS : failure_of(errno, "loopback");
}

static struct failure raise_open_files(void) {
  if (getrlimit(RLIMIT_NOFILE, &inherited_files) != 0)
    return failure_of(errno, "open files");
  struct rlimit own = {.rlim_cur = inherited_files.rlim_max, .rlim_max = inherited_files.rlim_max};
  return setrlimit(RLIMIT_NOFILE, &own) == 0 ? SUCCESS : failure_of(errno, "open files");
}

struct failure gateway_open(void) {
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
    return failure_of(errno, "subreaper");
  struct failure failure = raise_open_files();
  if (failure.error == 0)
    failure = open_mounts();
  return failure.error ? failure : open_network();
}

static int connect_to(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
    return fd;
  if (fd >= 0)
    close(fd);
  return -1;
}

/* Length, type, version: what every GREETING begins with. */
static bool read_greeting(int fd) {
  uint8_t bytes[FRAME_HEADER_BYTES + 4];
  struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
  size_t count = 0;
  while (count < sizeof bytes) {
    if (poll(&poll_fd, 1, GREETING_WAIT_MS) != 1)
      return false;
    ssize_t got = recv(fd, bytes + count, sizeof bytes - count, 0);
    if (got <= 0)
      return false;
    count += (size_t)got;
  }
  struct frame_reader version = {.at = bytes + FRAME_HEADER_BYTES, .left = 4};
  return bytes[FRAME_PREFIX_BYTES] == GREETING && frame_u32(&version) == PROTOCOL_VERSION;
}

/* A connection that never attaches does not displace the daemon's. The kernel says who listens. */
static pid_t find_launcher(const char *socket_path) {
  struct ucred credentials = {0};
  socklen_t length = sizeof credentials;
  int fd = connect_to(socket_path);
  if (fd < 0)
    return -1;
  bool is_found = read_greeting(fd) && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0;
  if (!is_found)
    errno = EPROTO;
  close(fd);
  return is_found ? credentials.pid : -1;
}

static bool enter_mounts(pid_t pid) {
  char path[64];
  char *directory = getcwd(NULL, 0);
  snprintf(path, sizeof path, "/proc/%d/ns/mnt", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  bool is_entered = directory && fd >= 0 && setns(fd, CLONE_NEWNS) == 0 && chdir(directory) == 0;
  free(directory);
  return is_entered;
}

/* Executes the command in the launcher's mount namespace. Returns an exit status only on failure. */
int enter(const char *socket_path, char **argv) {
  pid_t pid = find_launcher(socket_path);
  if (pid < 0 || !enter_mounts(pid)) {
    fprintf(stderr, "launcher: cannot enter the launcher at %s: %s\n", socket_path, strerror(errno));
    return CANNOT_ENTER;
  }
  execvp(argv[0], argv);
  int status = errno == ENOENT ? NOT_FOUND : CANNOT_EXECUTE;
  fprintf(stderr, "launcher: cannot execute %s: %s\n", argv[0], strerror(errno));
  return status;
}
