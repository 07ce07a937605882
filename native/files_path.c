#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* Of an absolute path; trailing slashes do not count. */
static size_t length_without_slashes(const char *path) {
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/')
    length--;
  return length;
}

static void copy_path(char *to, const char *from, size_t length) {
  if (length >= PATH_MAX)
    fail(ENAMETOOLONG, "path");
  memcpy(to, from, length);
  to[length] = '\0';
}

static void make_directory(const char *path, mode_t mode, int error_of_a_file) {
  struct stat status;
  if (mkdir(path, mode) == 0)
    return;
  int error = errno;
  if (stat(path, &status) != 0)
    fail(error == EEXIST ? errno : error, "mkdir");
  if (!S_ISDIR(status.st_mode))
    fail(error_of_a_file, "mkdir");
}

/* As mkdir -p: those that are there already are left as they are. */
void make_directories(const char *path, mode_t mode) {
  char prefix[PATH_MAX];
  size_t length = length_without_slashes(path);
  copy_path(prefix, path, length);
  for (size_t i = 1; i < length; i++) {
    if (prefix[i] != '/' || prefix[i - 1] == '/')
      continue;
    prefix[i] = '\0';
    make_directory(prefix, 0755, ENOTDIR);
    prefix[i] = '/';
  }
  make_directory(prefix, mode, EEXIST);
}

static size_t parent_length(const char *path) {
  size_t length = length_without_slashes(path);
  while (length > 0 && path[length - 1] != '/')
    length--;
  while (length > 1 && path[length - 1] == '/')
    length--;
  return length;
}

void make_parents(const char *path) {
  char parent[PATH_MAX];
  struct stat status;
  copy_path(parent, path, parent_length(path));
  if (stat(parent, &status) == 0 && !S_ISDIR(status.st_mode))
    fail(ENOTDIR, "mkdir");
  make_directories(parent, 0755);
}

/* The directory a path lies in, and its last name in static memory. */
int open_parent(const char *path, const char **name) {
  static char last[NAME_MAX + 1];
  char parent[PATH_MAX];
  size_t length = length_without_slashes(path), directory = parent_length(path);
  copy_path(parent, path, directory);
  const char *base = path + directory + (path[directory] == '/');
  size_t base_length = length - (size_t)(base - path);
  if (base_length > NAME_MAX)
    fail(ENAMETOOLONG, "path");
  memcpy(last, base, base_length);
  last[base_length] = '\0';
  *name = last;
  int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    fail(errno, "open");
  return fd;
}

/* Without O_DIRECTORY: gVisor forgets O_NOFOLLOW beside it. O_NONBLOCK, so that a FIFO in its place is not waited for. */
int open_directory(int parent, const char *name) {
  struct stat status;
  int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd >= 0 && fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
    return fd;
  if (fd >= 0) {
    close(fd);
    errno = ENOTDIR;
  } else if (errno == ELOOP || errno == ENXIO) {
    errno = ENOTDIR;
  }
  return -1;
}
