/* Reading and writing the bytes of one file. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static char block[BLOCK_BYTES];

static void skip_to(int fd, long long offset) {
  if (offset > 0 && lseek(fd, offset, SEEK_SET) < 0)
    fail(errno, "seek");
}

static size_t read_some(int fd, size_t most) {
  ssize_t count;
  do {
    count = read(fd, block, most);
  } while (count < 0 && errno == EINTR);
  if (count < 0)
    fail(errno, "read");
  return (size_t)count;
}

/* read PATH OFFSET LENGTH, -1 for all: an entry, then the bytes */
void files_read(char **arguments) {
  struct stat status;
  long long left = number_of(arguments[2]);
  int fd = open(arguments[0], O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0 || fstat(fd, &status) != 0)
    fail(errno, "open");
  if (S_ISDIR(status.st_mode))
    fail(EISDIR, "open");
  skip_to(fd, number_of(arguments[1]));
  put_entry(arguments[0], &status, NULL);
  flush();
  while (left != 0) {
    size_t count = read_some(fd, left > 0 && left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES);
    if (count == 0)
      break;
    write_all(STDOUT_FILENO, block, count);
    left = left < 0 ? left : left - (long long)count;
  }
}

static int replacement_parent = -1;
static char replacement[64];

static void remove_replacement(void) {
  if (replacement_parent >= 0)
    unlinkat(replacement_parent, replacement, 0);
}

/* With the mode and the owner of what it will replace. */
static void dress(int fd, const char *name, long long permissions) {
  struct stat old;
  bool is_there = fstatat(replacement_parent, name, &old, 0) == 0;
  if (is_there && S_ISDIR(old.st_mode))
    fail(EISDIR, "open");
  mode_t mode = permissions >= 0 ? (mode_t)permissions : is_there ? old.st_mode & 07777 : 0644;
  /* Only root may give a file away; one that others replace becomes theirs, as with any editor. */
  if (is_there && fchown(fd, old.st_uid, old.st_gid) != 0 && errno != EPERM)
    fail(errno, "chown");
  if (fchmod(fd, mode) != 0)
    fail(errno, "chmod");
}

static int open_replacement(const char *name, long long permissions) {
  uint64_t mark;
  if (getrandom(&mark, sizeof mark, 0) != sizeof mark)
    fail(EIO, "open");
  snprintf(replacement, sizeof replacement, ".atoll-%016llx", (unsigned long long)mark);
  on_abandon(remove_replacement);
  int fd = openat(replacement_parent, replacement, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    fail(errno, "open");
  dress(fd, name, permissions);
  return fd;
}

static void copy_stdin(int fd) {
  size_t count;
  /* As it comes: a reader of the file sees what was sent so far. */
  while ((count = read_some(STDIN_FILENO, sizeof block)) > 0)
    write_all(fd, block, count);
}

static void finish(int fd, const char *path) {
  struct stat status;
  if (fstat(fd, &status) != 0 || close(fd) != 0)
    fail(errno, "write");
  put_entry(path, &status, NULL);
}

/* Readers see the old file or the whole new one, also after a crash of the machine. */
static void write_replacing(const char *path, long long permissions) {
  static char real[PATH_MAX];
  const char *name;
  replacement_parent = open_parent(realpath(path, real) ? real : path, &name);
  int fd = open_replacement(name, permissions);
  copy_stdin(fd);
  if (fsync(fd) != 0)
    fail(errno, "write");
  if (renameat(replacement_parent, replacement, replacement_parent, name) != 0)
    fail(errno, "rename");
  replacement_parent = -1;
  finish(fd, path);
}

static int open_flags(const char *how) {
  static const struct {
    const char *how;
    int flags;
  } ways[] = {
      {"truncate", O_CREAT | O_TRUNC}, {"exclusive", O_CREAT | O_EXCL}, {"append", O_CREAT | O_APPEND},
      {"update", O_CREAT},             {"existing", 0},
  };
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
    if (strcmp(how, ways[i].how) == 0)
      return ways[i].flags;
  fail(EINVAL, "usage");
}

static void write_in_place(const char *path, int flags, long long offset, long long permissions) {
  int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | flags, permissions >= 0 ? (mode_t)permissions : 0644);
  if (fd < 0)
    fail(errno, "open");
  if (permissions >= 0 && fchmod(fd, (mode_t)permissions) != 0)
    fail(errno, "chmod");
  skip_to(fd, offset);
  copy_stdin(fd);
  finish(fd, path);
}

/* write PATH HOW OFFSET PERMISSIONS PARENTS, permissions -1 for the usual ones: answers with the file's entry */
void files_write(char **arguments) {
  long long permissions = number_of(arguments[3]);
  if (number_of(arguments[4]))
    make_parents(arguments[0]);
  if (strcmp(arguments[1], "replace") == 0)
    write_replacing(arguments[0], permissions);
  else
    write_in_place(arguments[0], open_flags(arguments[1]), number_of(arguments[2]), permissions);
}
