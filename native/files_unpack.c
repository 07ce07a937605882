/*
 * Extracts an archive from stdin below a directory. No link is followed on the way to an entry: neither one that was there, nor one of the archive's
 * own, nor one that someone puts there meanwhile, because every directory is opened from its parent with O_NOFOLLOW.
 */
#include "files_tar.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Its mode and time are set in the end: what is put into it would change them, or be kept out. */
struct later {
  char *name;
  mode_t mode;
  long long mtime;
};

static int root;
static bool keeps_owners;
static struct later *later;
static size_t later_count, later_room;

static int enter(int parent, const char *name, bool makes) {
  int fd = open_directory(parent, name);
  if (fd < 0 && errno == ENOENT && makes && mkdirat(parent, name, 0755) == 0)
    fd = open_directory(parent, name);
  if (fd < 0)
    fail(errno, "enter");
  if (parent != root)
    close(parent);
  return fd;
}

/*
 * The directory an entry lies in, and its last name in place; NULL for the root itself. Leading slashes and "." do not count, ".." is refused.
 * The caller closes what is not `root`.
 */
static int find(char *path, const char **name, bool makes) {
  int parent = root;
  char *pending = NULL, *part;
  while ((part = strsep(&path, "/"))) {
    if (part[0] == '\0' || strcmp(part, ".") == 0)
      continue;
    if (strcmp(part, "..") == 0)
      fail(EBADMSG, "archive");
    if (pending)
      parent = enter(parent, pending, makes);
    pending = part;
  }
  *name = pending;
  return parent;
}

static void let_go(int parent) {
  if (parent != root)
    close(parent);
}

static char *copy_of(const char *text) {
  char *copy = strdup(text);
  if (!copy)
    fail(ENOMEM, "memory");
  return copy;
}

static void remember(const struct tar_entry *entry, const char *name) {
  if (later_count == later_room) {
    later_room = later_room ? later_room * 2 : 64;
    later = reserve(later, later_room * sizeof *later);
  }
  later[later_count++] = (struct later){.name = copy_of(name), .mode = entry->mode, .mtime = entry->mtime};
}

static void set_owner(int parent, const char *name, const struct tar_entry *entry) {
  if (keeps_owners && fchownat(parent, name, (uid_t)entry->uid, (gid_t)entry->gid, AT_SYMLINK_NOFOLLOW) != 0)
    fail(errno, "chown");
}

static void set_time(int parent, const char *name, long long mtime) {
  struct timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = mtime}};
  /* A file system that keeps no times, or not this one, is no reason to refuse the file. */
  if (utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOSPC)
    fail(errno, "write");
}

/* Whoever has the old file open keeps it; whatever it was a link to stays as it is. */
static void make_way(int parent, const char *name) {
  if (unlinkat(parent, name, 0) != 0 && errno != ENOENT)
    fail(errno, "replace");
}

static void extract_bytes(int fd, long long size) {
  static char block[BLOCK_BYTES];
  for (long long left = size; left > 0;) {
    size_t most = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
    if (take(block, most) < most)
      fail(EBADMSG, "archive");
    write_all(fd, block, most);
    left -= (long long)most;
  }
  if (take(block, tar_padding(size)) < tar_padding(size))
    fail(EBADMSG, "archive");
}

static void extract_file(int parent, const char *name, const struct tar_entry *entry) {
  make_way(parent, name);
  int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    fail(errno, "open");
  extract_bytes(fd, entry->size);
  if (keeps_owners && fchown(fd, (uid_t)entry->uid, (gid_t)entry->gid) != 0)
    fail(errno, "chown");
  if (fchmod(fd, entry->mode) != 0 || close(fd) != 0)
    fail(errno, "write");
  set_time(parent, name, entry->mtime);
}

static void extract_directory(int parent, const char *name, const struct tar_entry *entry, const char *path) {
  if (mkdirat(parent, name, 0700) != 0 && errno != EEXIST)
    fail(errno, "mkdir");
  int fd = open_directory(parent, name);
  if (fd < 0)
    fail(errno, "enter");
  close(fd);
  set_owner(parent, name, entry);
  remember(entry, path);
}

static void extract_link(int parent, const char *name, const struct tar_entry *entry) {
  make_way(parent, name);
  if (symlinkat(entry->target, parent, name) != 0)
    fail(errno, "link");
  set_owner(parent, name, entry);
  set_time(parent, name, entry->mtime);
}

static void extract_hard_link(int parent, const char *name, const struct tar_entry *entry) {
  const char *old_name;
  int old_parent = find(entry->target, &old_name, false);
  if (!old_name)
    fail(EBADMSG, "archive");
  make_way(parent, name);
  if (linkat(old_parent, old_name, parent, name, 0) != 0)
    fail(errno, "link");
  let_go(old_parent);
}

static void extract_special(int parent, const char *name, const struct tar_entry *entry) {
  mode_t type = entry->type == TAR_FIFO ? S_IFIFO : entry->type == TAR_CHARACTER ? S_IFCHR : S_IFBLK;
  make_way(parent, name);
  if (mknodat(parent, name, type | entry->mode, makedev(entry->major, entry->minor)) != 0)
    fail(errno, "mknod");
  set_owner(parent, name, entry);
}

static void extract_into(int parent, const char *name, const struct tar_entry *entry, const char *path) {
  switch (entry->type) {
  case TAR_FILE:
    extract_file(parent, name, entry);
    break;
  case TAR_DIRECTORY:
    extract_directory(parent, name, entry, path);
    break;
  case TAR_LINK:
    extract_link(parent, name, entry);
    break;
  case TAR_HARD_LINK:
    extract_hard_link(parent, name, entry);
    break;
  case TAR_CHARACTER:
  case TAR_BLOCK_DEVICE:
  case TAR_FIFO:
    extract_special(parent, name, entry);
    break;
  default:
    fail(EBADMSG, "archive");
  }
}

static void extract(const struct tar_entry *entry, bool is_root_new) {
  const char *name;
  char *path = copy_of(entry->name);
  int parent = find(path, &name, true);
  if (name)
    extract_into(parent, name, entry, entry->name);
  else if (entry->type != TAR_DIRECTORY)
    fail(EBADMSG, "archive");
  else if (is_root_new)
    remember(entry, ".");
  let_go(parent);
  free(path);
}

/* The innermost first: a directory that becomes read-only must not keep its owner out of those below it. */
static void finish_directories(void) {
  while (later_count > 0) {
    struct later *directory = &later[--later_count];
    const char *name;
    char *path = copy_of(directory->name);
    int parent = find(path, &name, false);
    int fd = open_directory(parent, name ? name : ".");
    struct timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = directory->mtime}};
    /* It was there a moment ago, so someone has put something else in its place: that is not ours to change. */
    if (fd >= 0 && (futimens(fd, times) != 0 || fchmod(fd, directory->mode) != 0) && errno != EINVAL)
      fail(errno, "chmod");
    if (fd >= 0)
      close(fd);
    let_go(parent);
    free(path);
  }
}

/* Archives are padded at their end, and whoever sends one is not to find the reader gone. */
static void drain(void) {
  char rest[TAR_BLOCK];
  while (take(rest, sizeof rest) > 0)
    continue;
}

/* unpack PATH OWNERS, OWNERS 1 to give files to those that the archive names */
void files_unpack(char **arguments) {
  struct stat status;
  struct tar_entry entry;
  bool is_new = stat(arguments[0], &status) != 0 && errno == ENOENT;
  if (!is_new && !S_ISDIR(status.st_mode))
    fail(ENOTDIR, "open");
  make_directories(arguments[0], 0755);
  keeps_owners = number_of(arguments[1]) != 0;
  root = open(arguments[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0)
    fail(errno, "open");
  while (tar_take(&entry)) {
    extract(&entry, is_new);
    free(entry.name);
    free(entry.target);
  }
  finish_directories();
  drain();
}
