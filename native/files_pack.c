/* A directory or a file as one archive on stdout. */
#include "files_tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Where a file with several names was packed first. */
struct seen {
  dev_t device;
  ino_t inode;
  char *name;
};
static struct seen *seen;
static size_t seen_count, seen_room;
static bool has_shrunk;

static struct seen *seen_slot(dev_t device, ino_t inode) {
  size_t at = (size_t)(inode * 0x9e3779b97f4a7c15ULL + device) & (seen_room - 1);
  while (seen[at].name && (seen[at].device != device || seen[at].inode != inode))
    at = (at + 1) & (seen_room - 1);
  return &seen[at];
}

static void grow_seen(void) {
  struct seen *old = seen;
  size_t old_room = seen_room;
  seen_room = seen_room ? seen_room * 2 : 256;
  seen = calloc(seen_room, sizeof *seen);
  if (!seen)
    fail(ENOMEM, "memory");
  for (size_t i = 0; i < old_room; i++)
    if (old[i].name)
      *seen_slot(old[i].device, old[i].inode) = old[i];
  free(old);
}

/* The name it was packed under before, or NULL and it is remembered. */
static char *packed_before(const struct stat *status, const char *name) {
  if (status->st_nlink < 2)
    return NULL;
  if ((seen_count + 1) * 2 > seen_room)
    grow_seen();
  struct seen *slot = seen_slot(status->st_dev, status->st_ino);
  if (slot->name)
    return slot->name;
  *slot = (struct seen){status->st_dev, status->st_ino, strdup(name)};
  if (!slot->name)
    fail(ENOMEM, "memory");
  seen_count++;
  return NULL;
}

static struct tar_entry entry_of(const struct stat *status, char *name, char type) {
  return (struct tar_entry){
      .type = type,
      .mode = status->st_mode & 07777,
      .uid = status->st_uid,
      .gid = status->st_gid,
      .mtime = status->st_mtim.tv_sec,
      .name = name,
  };
}

/* Exactly as many bytes as the header said: what was appended since is left out, what is missing is an error in the end. */
static void pack_bytes(int fd, long long size) {
  static char block[BLOCK_BYTES];
  for (long long left = size; left > 0;) {
    size_t most = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
    ssize_t count = has_shrunk ? 0 : read(fd, block, most);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      fail(errno, "read");
    if (count == 0) {
      has_shrunk = true;
      memset(block, 0, most);
      count = (ssize_t)most;
    }
    put(block, (size_t)count);
    left -= count;
  }
  memset(block, 0, TAR_BLOCK);
  put(block, tar_padding(size));
}

static void pack_open_file(int fd, char *name) {
  struct stat status;
  if (fstat(fd, &status) != 0)
    fail(errno, "stat");
  struct tar_entry entry = entry_of(&status, name, TAR_FILE);
  entry.target = packed_before(&status, name);
  if (entry.target)
    entry.type = TAR_HARD_LINK;
  else
    entry.size = status.st_size;
  tar_put(&entry);
  pack_bytes(fd, entry.size);
}

/* O_NONBLOCK: should a FIFO have taken its place, nobody waits for a writer. */
static void pack_file(int parent, const char *last, char *name) {
  struct stat status;
  int fd = openat(parent, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (fd < 0 && errno == ENOENT)
    return;
  if (fd < 0 || fstat(fd, &status) != 0)
    fail(errno, "open");
  if (S_ISREG(status.st_mode))
    pack_open_file(fd, name);
  close(fd);
}

static void pack_directory(const struct stat *status, const char *name) {
  static char with_slash[WALK_PATH_MAX + 2];
  snprintf(with_slash, sizeof with_slash, "%s/", name);
  struct tar_entry entry = entry_of(status, with_slash, TAR_DIRECTORY);
  tar_put(&entry);
}

static void pack_link(const struct stat *status, int parent, const char *last, char *name) {
  struct tar_entry entry = entry_of(status, name, TAR_LINK);
  entry.target = link_target(parent, last);
  if (entry.target)
    tar_put(&entry);
}

static void pack_special(const struct stat *status, char *name, char type) {
  struct tar_entry entry = entry_of(status, name, type);
  if (type != TAR_FIFO) {
    entry.major = major(status->st_rdev);
    entry.minor = minor(status->st_rdev);
  }
  tar_put(&entry);
}

/* Sockets are left out: without whoever listens they mean nothing, and archives cannot have them. */
static bool pack_entry(struct walk *walk, int parent, const char *last, const struct stat *status) {
  switch (status->st_mode & S_IFMT) {
  case S_IFREG:
    pack_file(parent, last, walk->path);
    break;
  case S_IFDIR:
    pack_directory(status, walk->path);
    break;
  case S_IFLNK:
    pack_link(status, parent, last, walk->path);
    break;
  case S_IFIFO:
    pack_special(status, walk->path, TAR_FIFO);
    break;
  case S_IFCHR:
    pack_special(status, walk->path, TAR_CHARACTER);
    break;
  case S_IFBLK:
    pack_special(status, walk->path, TAR_BLOCK_DEVICE);
    break;
  }
  return true;
}

static char *last_name(char *path) {
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/')
    path[--length] = '\0';
  char *slash = strrchr(path, '/');
  return slash && slash[1] ? slash + 1 : path;
}

/* pack PATH: a directory as "./" and what is below it, a file under its last name */
void files_pack(char **arguments) {
  static struct walk walk = {.enter = pack_entry};
  struct stat status;
  int fd = open(arguments[0], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0 || fstat(fd, &status) != 0)
    fail(errno, "open");
  if (S_ISDIR(status.st_mode)) {
    pack_directory(&status, ".");
    walk_below(&walk, fd);
  } else if (S_ISREG(status.st_mode)) {
    pack_open_file(fd, last_name(arguments[0]));
  } else {
    fail(EINVAL, "open");
  }
  tar_put_end();
  if (has_shrunk)
    fail(ESTALE, "read");
}
