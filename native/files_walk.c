#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

struct names {
  char **items;
  size_t count, room;
};

static int compare(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_name(struct names *names, const char *name) {
  if (names->count == names->room) {
    names->room = names->room ? names->room * 2 : 64;
    names->items = reserve(names->items, names->room * sizeof *names->items);
  }
  names->items[names->count] = strdup(name);
  if (!names->items[names->count++])
    fail(ENOMEM, "memory");
}

static bool is_itself(const char *name) {
  return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* All of them before any is acted on: what is removed meanwhile would make readdir(3) skip others. */
static struct names names_in(int directory) {
  struct names names = {NULL, 0, 0};
  int copy = fcntl(directory, F_DUPFD_CLOEXEC, 3);
  DIR *stream = copy < 0 ? NULL : fdopendir(copy);
  struct dirent *entry;
  if (!stream)
    fail(errno, "open");
  while (errno = 0, (entry = readdir(stream)))
    if (!is_itself(entry->d_name))
      add_name(&names, entry->d_name);
  if (errno != 0)
    fail(errno, "list");
  closedir(stream);
  if (names.count > 0)
    qsort(names.items, names.count, sizeof *names.items, compare);
  return names;
}

static bool has_kernel_files(int directory) {
  struct statfs status;
  if (fstatfs(directory, &status) != 0)
    return false;
  return status.f_type == PROC_SUPER_MAGIC || status.f_type == SYSFS_MAGIC;
}

/* It may have gone, or have become something else, since its name was read. */
static int open_below(int parent, const char *name) {
  int fd = open_directory(parent, name);
  if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
    fail(errno, "open");
  return fd;
}

static void push(struct walk *walk, const char *name) {
  size_t length = strlen(name);
  if (walk->length + length + 2 > sizeof walk->path || walk->depth >= WALK_DEPTH_MAX)
    fail(ENAMETOOLONG, "list");
  if (walk->length > 0)
    walk->path[walk->length++] = '/';
  memcpy(walk->path + walk->length, name, length + 1);
  walk->length += length;
  walk->depth++;
}

static void visit(struct walk *walk, int parent, const char *name) {
  struct stat status;
  size_t length = walk->length;
  if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT)
      return;
    fail(errno, "stat");
  }
  push(walk, name);
  if (walk->enter(walk, parent, name, &status) && S_ISDIR(status.st_mode)) {
    int fd = open_below(parent, name);
    if (fd >= 0 && (walk->enters_kernel_files || !has_kernel_files(fd)))
      walk_below(walk, fd);
    if (fd >= 0)
      close(fd);
    if (walk->leave)
      walk->leave(walk, parent, name);
  }
  walk->length = length;
  walk->path[length] = '\0';
  walk->depth--;
}

void walk_below(struct walk *walk, int directory) {
  struct names names = names_in(directory);
  for (size_t i = 0; i < names.count; i++) {
    visit(walk, directory, names.items[i]);
    free(names.items[i]);
  }
  free(names.items);
}

/* NULL when it is a link no longer. */
char *link_target(int parent, const char *name) {
  static char target[WALK_PATH_MAX];
  ssize_t length = readlinkat(parent, name, target, sizeof target - 1);
  if (length < 0)
    return NULL;
  target[length] = '\0';
  return target;
}
