#include "init.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <linux/capability.h>
#include <unistd.h>

/* What a late-bound root needs; targets are relative to it, and one that is a mount point already is left alone. */
struct root_mount {
  const char *source, *target, *type, *data;
  unsigned long flags;
};
static const struct root_mount root_mounts[] = {
    {"proc", "proc", "proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC},
    {"sysfs", "sys", "sysfs", NULL, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC},
    {"/dev", "dev", NULL, NULL, MS_BIND | MS_REC},
};

static bool is_mount_point(const char *path) {
  struct stat here, parent;
  return stat(path, &here) == 0 && stat(".", &parent) == 0 && here.st_dev != parent.st_dev;
}

static int mount_if_missing(const struct root_mount *entry) {
  struct stat status;
  if (mkdir(entry->target, 0755) != 0 && errno != EEXIST)
    return errno;
  /* A symbolic link of the image would put the mount somewhere else. */
  if (lstat(entry->target, &status) != 0 || !S_ISDIR(status.st_mode))
    return ENOTDIR;
  if (is_mount_point(entry->target))
    return 0;
  return mount(entry->source, entry->target, entry->type, entry->flags, entry->data) == 0 ? 0 : errno;
}

static struct failure mount_all(void) {
  for (size_t i = 0; i < sizeof root_mounts / sizeof *root_mounts; i++) {
    int error = mount_if_missing(&root_mounts[i]);
    if (error != 0)
      return (struct failure){error, root_mounts[i].target};
  }
  return (struct failure){0, ""};
}

/* init alone needed it: what it starts must not mount. */
static int drop_mount_capability(void) {
  int held = prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0);
  if (held <= 0)
    return 0;
  return prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0) == 0 ? 0 : errno;
}

static struct failure enter(const char *root) {
  if (chdir(root) != 0)
    return (struct failure){errno, "root"};
  struct failure failure = mount_all();
  if (failure.error != 0)
    return failure;
  if (chroot(".") != 0)
    return (struct failure){errno, "chroot"};
  int error = drop_mount_capability();
  return (struct failure){error, error != 0 ? "capabilities" : ""};
}

/* A SETUP that is repeated after a lost connection must not enter the same path inside the root it has entered. */
static struct failure enter_once(const char *root) {
  static char entered[4096];
  if (root[0] == '\0' || strcmp(root, entered) == 0)
    return (struct failure){0, ""};
  if (entered[0] != '\0')
    return (struct failure){EBUSY, "root"};
  if (strlen(root) >= sizeof entered)
    return (struct failure){ENAMETOOLONG, "root"};
  struct failure failure = enter(root);
  if (failure.error == 0)
    strcpy(entered, root);
  return failure;
}

struct failure setup_root(const char *root, const char *hostname) {
  struct failure failure = enter_once(root);
  /* Also after the launcher has put a new root below init: nothing of the old one may stay in use. */
  if (chdir("/") != 0 && failure.error == 0)
    failure = (struct failure){errno, "root"};
  if (failure.error == 0 && hostname[0] != '\0' && sethostname(hostname, strlen(hostname)) != 0)
    failure = (struct failure){errno, "hostname"};
  return failure;
}
