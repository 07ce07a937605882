/* Reading archives. They may come from anyone: whatever is not as it should be ends the operation with EBADMSG. */
#include "files_tar.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void refuse(void) {
  fail(EBADMSG, "archive");
}

static long long base_256(const unsigned char *field, size_t width) {
  bool is_negative = field[0] == 0xff;
  unsigned long long value = is_negative ? ~0ULL : 0;
  for (size_t i = 1; i < width; i++) {
    if (i + sizeof value < width && field[i] != (is_negative ? 0xff : 0))
      refuse();
    value = value << 8 | field[i];
  }
  return (long long)value;
}

static long long take_number(const char *field, size_t width) {
  long long value = 0;
  size_t i = 0;
  if ((unsigned char)field[0] == 0x80 || (unsigned char)field[0] == 0xff)
    return base_256((const unsigned char *)field, width);
  while (i < width && field[i] == ' ')
    i++;
  for (; i < width && field[i] >= '0' && field[i] <= '7'; i++)
    value = value << 3 | (field[i] - '0');
  if (i < width && field[i] != '\0' && field[i] != ' ')
    refuse();
  return value;
}

/* Old programs summed signed bytes. */
static bool has_right_checksum(const struct tar_header *header) {
  const unsigned char *bytes = (const unsigned char *)header;
  size_t from = offsetof(struct tar_header, checksum);
  long long plain = 0, with_signs = 0;
  for (size_t i = 0; i < sizeof *header; i++) {
    int byte = i >= from && i < from + sizeof header->checksum ? ' ' : bytes[i];
    plain += byte;
    with_signs += (signed char)byte;
  }
  long long told = take_number(header->checksum, sizeof header->checksum);
  return told == plain || told == with_signs;
}

static bool is_empty(const struct tar_header *header) {
  const char *bytes = (const char *)header;
  for (size_t i = 0; i < sizeof *header; i++)
    if (bytes[i] != '\0')
      return false;
  return true;
}

static char *text_of(const char *field, size_t width) {
  char *text = strndup(field, width);
  if (!text)
    fail(ENOMEM, "memory");
  return text;
}

/* POSIX puts the front of a long name into `prefix`; GNU has other things there. */
static char *name_of(const struct tar_header *header) {
  if (memcmp(header->magic, "ustar", 6) != 0 || header->prefix[0] == '\0')
    return text_of(header->name, sizeof header->name);
  size_t prefix = strnlen(header->prefix, sizeof header->prefix), name = strnlen(header->name, sizeof header->name);
  char *text = reserve(NULL, prefix + name + 2);
  memcpy(text, header->prefix, prefix);
  text[prefix] = '/';
  memcpy(text + prefix + 1, header->name, name);
  text[prefix + 1 + name] = '\0';
  return text;
}

/* The bytes of an entry that describes the next one, with a NUL behind them. */
static char *take_meta(long long size) {
  char padding[TAR_BLOCK];
  if (size < 0 || size > TAR_META_MAX)
    refuse();
  char *text = reserve(NULL, (size_t)size + 1);
  if (take(text, (size_t)size) < (size_t)size || take(padding, tar_padding(size)) < tar_padding(size))
    refuse();
  text[size] = '\0';
  return text;
}

/* What entries before said of the next one; NULL and false where they said nothing. */
struct told {
  char *name, *target;
  bool has_size, has_mtime, has_uid, has_gid;
  long long size, mtime, uid, gid;
};

static long long decimal(const char *text) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  /* Times may have a fraction. */
  if (end == text || errno != 0 || (*end != '\0' && *end != '.'))
    refuse();
  return value;
}

static void take_pair(struct told *told, const char *key, const char *value) {
  if (strcmp(key, "path") == 0)
    told->name = text_of(value, TAR_META_MAX);
  else if (strcmp(key, "linkpath") == 0)
    told->target = text_of(value, TAR_META_MAX);
  else if (strcmp(key, "size") == 0)
    told->has_size = true, told->size = decimal(value);
  else if (strcmp(key, "mtime") == 0)
    told->has_mtime = true, told->mtime = decimal(value);
  else if (strcmp(key, "uid") == 0)
    told->has_uid = true, told->uid = decimal(value);
  else if (strcmp(key, "gid") == 0)
    told->has_gid = true, told->gid = decimal(value);
}

/* "LENGTH KEY=VALUE\n" again and again, the length counting the whole record. */
static void take_pax(struct told *told, char *text, size_t size) {
  for (size_t at = 0; at < size;) {
    char *key;
    unsigned long length = strtoul(text + at, &key, 10);
    if (*key != ' ' || length == 0 || length > size - at || text[at + length - 1] != '\n' || key >= text + at + length)
      refuse();
    text[at + length - 1] = '\0';
    char *equals = strchr(++key, '=');
    if (!equals)
      refuse();
    *equals = '\0';
    take_pair(told, key, equals + 1);
    at += length;
  }
  free(text);
}

static bool take_header(struct tar_header *header) {
  size_t count = take(header, sizeof *header);
  if (count == 0 || (count == sizeof *header && is_empty(header)))
    return false;
  if (count < sizeof *header || !has_right_checksum(header))
    refuse();
  return true;
}

/* Whether the header was one of those that describe the next entry. */
static bool take_told(const struct tar_header *header, struct told *told) {
  long long size = take_number(header->size, sizeof header->size);
  switch (header->type) {
  case TAR_GNU_NAME:
    told->name = take_meta(size);
    return true;
  case TAR_GNU_TARGET:
    told->target = take_meta(size);
    return true;
  case TAR_PAX:
    take_pax(told, take_meta(size), (size_t)size);
    return true;
  case TAR_PAX_GLOBAL:
    free(take_meta(size));
    return true;
  default:
    return false;
  }
}

static bool ends_with_slash(const char *name) {
  size_t length = strlen(name);
  return length > 0 && name[length - 1] == '/';
}

/* Before POSIX a directory was a file whose name ends with a slash. */
static char plain_type(char type, const char *name) {
  if (type == '\0' || type == TAR_CONTIGUOUS)
    type = TAR_FILE;
  return type == TAR_FILE && ends_with_slash(name) ? TAR_DIRECTORY : type;
}

static struct tar_entry entry_of(const struct tar_header *header, const struct told *told) {
  struct tar_entry entry = {
      .mode = (mode_t)(take_number(header->mode, sizeof header->mode) & 07777),
      .uid = told->has_uid ? told->uid : take_number(header->uid, sizeof header->uid),
      .gid = told->has_gid ? told->gid : take_number(header->gid, sizeof header->gid),
      .size = told->has_size ? told->size : take_number(header->size, sizeof header->size),
      .mtime = told->has_mtime ? told->mtime : take_number(header->mtime, sizeof header->mtime),
      .major = (unsigned)take_number(header->major, sizeof header->major),
      .minor = (unsigned)take_number(header->minor, sizeof header->minor),
      .name = told->name ? told->name : name_of(header),
      .target = told->target ? told->target : text_of(header->target, sizeof header->target),
  };
  entry.type = plain_type(header->type, entry.name);
  if (entry.size < 0)
    refuse();
  if (entry.type != TAR_FILE)
    entry.size = 0; /* some programs say the size of the linked file */
  return entry;
}

bool tar_take(struct tar_entry *entry) {
  struct tar_header header;
  struct told told = {0};
  while (take_header(&header)) {
    if (take_told(&header, &told))
      continue;
    *entry = entry_of(&header, &told);
    return true;
  }
  if (told.name || told.target)
    refuse();
  return false;
}
