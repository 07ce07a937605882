/* The header of tar archives: ustar as POSIX has it, with GNU's long names and large numbers. */
#ifndef ATOLL_FILES_TAR_H
#define ATOLL_FILES_TAR_H

#include "files.h"

enum { TAR_BLOCK = 512, TAR_META_MAX = 1 << 20 };

enum tar_type {
  TAR_FILE = '0',
  TAR_HARD_LINK = '1',
  TAR_LINK = '2',
  TAR_CHARACTER = '3',
  TAR_BLOCK_DEVICE = '4',
  TAR_DIRECTORY = '5',
  TAR_FIFO = '6',
  TAR_CONTIGUOUS = '7',
  TAR_GNU_TARGET = 'K',
  TAR_GNU_NAME = 'L',
  TAR_PAX_GLOBAL = 'g',
  TAR_PAX = 'x',
};

struct tar_header {
  char name[100];
  char mode[8], uid[8], gid[8];
  char size[12], mtime[12];
  char checksum[8];
  char type;
  char target[100];
  char magic[6], version[2];
  char user[32], group[32];
  char major[8], minor[8];
  char prefix[155];
  char rest[12];
};
_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a tar header is one block");

struct tar_entry {
  char type;
  mode_t mode;
  long long uid, gid, size, mtime;
  unsigned major, minor;
  char *name, *target; /* of this entry only */
};

static inline size_t tar_padding(long long size) {
  return (size_t)(-size & (TAR_BLOCK - 1));
}

void tar_put(const struct tar_entry *entry);
void tar_put_end(void);
/* The next entry of stdin, whose bytes follow; false at the end of the archive. */
bool tar_take(struct tar_entry *entry);

#endif
