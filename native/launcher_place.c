/*
 * Mount points below a root whose contents are hostile. Each component is opened by itself, beneath the one before and
 * without following symbolic links, so nothing in an image leads anywhere else.
 */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_beneath(int directory, const char *name, int flags) {
  struct open_how how = {.flags = (uint64_t)(flags | O_PATH | O_CLOEXEC), .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
  return (int)syscall(SYS_openat2, directory, name, &how, sizeof how);
}

/* The next component of the path; empty at its end. False for "." and "..", and for what is too long for a name. */
static bool next_name(const char **path, char name[NAME_MAX + 1]) {
  while (**path == '/')
    (*path)++;
  size_t length = strcspn(*path, "/");
  if (length > NAME_MAX)
    return false;
  memcpy(name, *path, length);
  name[length] = '\0';
  *path += length;
  return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool is_last(const char *path) {
  return path[strspn(path, "/")] == '\0';
}

static int open_or_make_directory(int directory, const char *name, bool may_make) {
  int fd = open_beneath(directory, name, O_DIRECTORY);
  if (fd >= 0 || errno != ENOENT || !may_make)
    return fd;
  if (mkdirat(directory, name, 0755) != 0)
    return -1;
  return open_beneath(directory, name, O_DIRECTORY);
}

/* Follows the path to its end, or to the directory of its last component, whose name is then left in `name`. */
static struct failure walk(int root, const char *path, bool may_make, bool stops_before_last, char *name, int *found) {
  const char *at = path;
  *found = fcntl(root, F_DUPFD_CLOEXEC, 3);
  while (*found >= 0) {
    if (!next_name(&at, name))
      return failure_of(EINVAL, "mount point %s", path);
    if (name[0] == '\0' || (stops_before_last && is_last(at)))
      return SUCCESS;
    int next = open_or_make_directory(*found, name, may_make);
    int error = errno;
    close(*found);
    *found = next;
    errno = error;
  }
  return failure_of(errno, "mount point %s", path);
}

struct failure place_directory(int root, const char *path, int *point) {
  char name[NAME_MAX + 1];
  return walk(root, path, true, false, name, point);
}

struct failure place_find(int root, const char *path, int *found) {
  char name[NAME_MAX + 1];
  return walk(root, path, false, false, name, found);
}

/*
 * Images have a symbolic link for a file that is bound (/etc/resolv.conf leads into /run on many). It is replaced in the
 * writable layer rather than followed. O_EXCL: what is there now was made by nobody but this.
 */
static int open_or_make_file(int directory, const char *name) {
  struct stat found;
  int fd;
  if (fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) == 0) {
    if (!S_ISLNK(found.st_mode))
      return open_beneath(directory, name, O_NOFOLLOW);
    if (unlinkat(directory, name, 0) != 0)
      return -1;
  }
  fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0)
    return -1;
  close(fd);
  return open_beneath(directory, name, O_NOFOLLOW);
}

struct failure place_file(int root, const char *path, int *point) {
  char name[NAME_MAX + 1];
  int directory;
  struct failure failure = walk(root, path, true, true, name, &directory);
  if (failure.error != 0)
    return failure;
  *point = name[0] ? open_or_make_file(directory, name) : (errno = EISDIR, -1);
  failure = *point >= 0 ? SUCCESS : failure_of(errno, "mount point %s", path);
  close(directory);
  return failure;
}

/* As a process of the sandbox would find it: links lead within the root, and none of procfs's leads anywhere. */
int place_resolve(int root, const char *path) {
  struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
  return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

static int resolve_or_make(int root, const char *path, int directory, const char *name, bool may_make) {
  int fd = place_resolve(root, path);
  if (fd >= 0 || errno != ENOENT || !may_make || mkdirat(directory, name, 0755) != 0)
    return fd;
  return place_resolve(root, path);
}

/*
 * The directory that holds the last component of the path, whose name is left in `name`. Unlike with the mount points of a
 * claim, links of the sandbox on the way are followed; the last component is not, because it is not looked at.
 */
struct failure place_inside(int root, const char *path, bool may_make, char *name, int *directory) {
  char so_far[PATH_MAX] = ".";
  const char *at = path;
  *directory = fcntl(root, F_DUPFD_CLOEXEC, 3);
  while (*directory >= 0) {
    size_t length = strlen(so_far);
    if (!next_name(&at, name) || name[0] == '\0' || length + NAME_MAX + 2 > sizeof so_far)
      return failure_of(EINVAL, "mount point %s", path);
    if (is_last(at))
      return SUCCESS;
    so_far[length] = '/';
    strcpy(so_far + length + 1, name);
    int next = resolve_or_make(root, so_far, *directory, name, may_make);
    int error = errno;
    close(*directory);
    *directory = next;
    errno = error;
  }
  return failure_of(errno, "mount point %s", path);
}

/* A directory that is no link. */
int place_open(int directory, const char *name, bool may_make) {
  return open_or_make_directory(directory, name, may_make);
}

struct failure place_mount(int tree, int point, const char *step) {
  if (move_mount(tree, "", point, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
    return failure_of(errno, "%s", step);
  return SUCCESS;
}
