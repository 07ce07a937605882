/* Mounts into a root that init has entered itself: gVisor's kernel knows only what is mounted inside. */
#include "init.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* What leads there is made when missing; links on the way are followed, one at the end is not. */
static int make_point(const char *path) {
  char part[PATH_MAX];
  struct stat status;
  if (snprintf(part, sizeof part, "%s", path) >= PATH_MAX)
    return ENAMETOOLONG;
  for (char *end = part + 1; (end = strchr(end, '/')); *end++ = '/') {
    *end = '\0';
    if (mkdir(part, 0755) != 0 && errno != EEXIST)
      return errno;
  }
  if (mkdir(path, 0755) != 0 && errno != EEXIST)
    return errno;
  if (lstat(path, &status) != 0)
    return errno;
  return S_ISDIR(status.st_mode) ? 0 : ENOTDIR;
}

static bool is_same(const char *one, const char *other) {
  struct stat first, second;
  return stat(one, &first) == 0 && stat(other, &second) == 0 && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/* The second call lifts the read-only of what holds the sources. May be repeated after a lost connection. */
struct failure mount_attach(const char *source, const char *target) {
  if (is_same(source, target))
    return (struct failure){0, ""};
  int error = make_point(target);
  if (error != 0)
    return (struct failure){error, "point"};
  if (mount(source, target, NULL, MS_BIND, NULL) != 0)
    return (struct failure){errno, "mount"};
  if (mount(NULL, target, NULL, MS_BIND | MS_REMOUNT, NULL) == 0)
    return (struct failure){0, ""};
  error = errno;
  umount2(target, MNT_DETACH);
  return (struct failure){error, "remount"};
}

/*
 * Nothing is unmounted but what the source is. At the end the source is looked at, so that gVisor lets go of the files it
 * remembers of it, once it is unmounted outside.
 */
struct failure mount_detach(const char *source, const char *target) {
  struct stat status;
  if (target[0] != '\0' && is_same(source, target) && umount2(target, 0) != 0)
    return (struct failure){errno, "unmount"};
  return (struct failure){stat(source, &status) == 0 || errno == ENOENT ? 0 : errno, "source"};
}
