#include "files_tar.h"

#include <stdio.h>
#include <string.h>

static const char zeros[TAR_BLOCK];

/* Octal with a NUL; what does not fit is big-endian behind a byte 0x80, or 0xff when negative, as GNU tar has it. */
static void put_number(char *field, size_t width, long long value) {
  if (value >= 0 && value < 1LL << (3 * (width - 1))) {
    char text[32];
    snprintf(text, sizeof text, "%0*llo", (int)width - 1, (unsigned long long)value);
    memcpy(field, text, width);
    return;
  }
  for (size_t i = width; i-- > 0; value >>= 8)
    field[i] = (char)(value & 0xff);
  field[0] = (char)(value < 0 ? 0xff : 0x80);
}

static unsigned checksum(const struct tar_header *header) {
  const unsigned char *bytes = (const unsigned char *)header;
  unsigned sum = 0;
  for (size_t i = 0; i < sizeof *header; i++)
    sum += bytes[i];
  return sum;
}

static void put_header(struct tar_header *header) {
  memcpy(header->magic, "ustar ", sizeof header->magic);
  memcpy(header->version, " ", sizeof header->version);
  memset(header->checksum, ' ', sizeof header->checksum);
  char text[16];
  snprintf(text, sizeof text, "%06o", checksum(header));
  memcpy(header->checksum, text, 7);
  put(header, sizeof *header);
}

static void put_padded(const char *bytes, size_t count) {
  put(bytes, count);
  put(zeros, tar_padding((long long)count));
}

/* A name that fills its field needs no NUL; a longer one comes before, in an entry of its own. */
static void put_name(char *field, size_t width, const char *name, char long_type) {
  struct tar_header header = {.name = "././@LongLink", .type = long_type};
  size_t length = strlen(name);
  memcpy(field, name, length < width ? length : width);
  if (length <= width)
    return;
  put_number(header.mode, sizeof header.mode, 0);
  put_number(header.uid, sizeof header.uid, 0);
  put_number(header.gid, sizeof header.gid, 0);
  put_number(header.size, sizeof header.size, (long long)length + 1);
  put_number(header.mtime, sizeof header.mtime, 0);
  put_header(&header);
  put_padded(name, length + 1);
}

void tar_put(const struct tar_entry *entry) {
  struct tar_header header = {.type = entry->type};
  put_name(header.target, sizeof header.target, entry->target ? entry->target : "", TAR_GNU_TARGET);
  put_name(header.name, sizeof header.name, entry->name, TAR_GNU_NAME);
  put_number(header.mode, sizeof header.mode, entry->mode);
  put_number(header.uid, sizeof header.uid, entry->uid);
  put_number(header.gid, sizeof header.gid, entry->gid);
  put_number(header.size, sizeof header.size, entry->size);
  put_number(header.mtime, sizeof header.mtime, entry->mtime);
  put_number(header.major, sizeof header.major, entry->major);
  put_number(header.minor, sizeof header.minor, entry->minor);
  put_header(&header);
}

void tar_put_end(void) {
  put(zeros, TAR_BLOCK);
  put(zeros, TAR_BLOCK);
}
