#include "files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char pending[BLOCK_BYTES];
static size_t pending_bytes;

void write_all(int fd, const void *bytes, size_t count) {
  const char *at = bytes;
  while (count > 0) {
    ssize_t written = write(fd, at, count);
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      fail(errno, "write");
    at += written;
    count -= (size_t)written;
  }
}

/* What fails while it is told ends as that, not as a broken stdout. */
void flush(void) {
  size_t count = pending_bytes;
  pending_bytes = 0;
  write_all(STDOUT_FILENO, pending, count);
}

void put(const void *bytes, size_t count) {
  if (count > sizeof pending - pending_bytes)
    flush();
  if (count > sizeof pending) {
    write_all(STDOUT_FILENO, bytes, count);
    return;
  }
  memcpy(pending + pending_bytes, bytes, count);
  pending_bytes += count;
}

void put_text(const char *text) {
  put(text, strlen(text) + 1);
}

static char type_of(mode_t mode) {
  switch (mode & S_IFMT) {
  case S_IFREG:
    return 'f';
  case S_IFDIR:
    return 'd';
  case S_IFLNK:
    return 'l';
  case S_IFIFO:
    return 'p';
  case S_IFSOCK:
    return 's';
  case S_IFBLK:
    return 'b';
  default:
    return 'c';
  }
}

void put_entry(const char *path, const struct stat *status, const char *target) {
  char text[160];
  snprintf(text, sizeof text, "%c %u %lld %u %u %lld.%09ld", type_of(status->st_mode), (unsigned)(status->st_mode & 07777),
           (long long)status->st_size, (unsigned)status->st_uid, (unsigned)status->st_gid, (long long)status->st_mtim.tv_sec,
           status->st_mtim.tv_nsec);
  put_text(text);
  put_text(path);
  put_text(target ? target : "");
}

/* Fewer than `most` only at the end of stdin. */
size_t take(void *bytes, size_t most) {
  size_t count = 0;
  while (count < most) {
    ssize_t got = read(STDIN_FILENO, (char *)bytes + count, most - count);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      fail(errno, "stdin");
    if (got == 0)
      break;
    count += (size_t)got;
  }
  return count;
}
