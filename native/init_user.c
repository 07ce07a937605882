/* Users of the sandbox's own /etc/passwd and /etc/group. getpwnam of a static glibc would load the image's NSS modules into init. */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 4 << 20 };

/* The whole file with a NUL after it; NULL when it is missing, too large, or not a file (a FIFO would block init). */
static char *file_text(const char *path) {
  struct stat status;
  char *text = NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0)
    return NULL;
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= FILE_MAX_BYTES)
    text = malloc((size_t)status.st_size + 1);
  if (text) {
    ssize_t count = read(fd, text, (size_t)status.st_size);
    text[count < 0 ? 0 : count] = '\0';
  }
  close(fd);
  return text;
}

/* The fields of one line "a:b:c", split in place; missing ones are empty. */
static void split(char *line, char **fields, size_t count) {
  static char nothing[1];
  for (size_t i = 0; i < count; i++) {
    char *field = strsep(&line, ":");
    fields[i] = field ? field : nothing;
  }
}

static bool number(const char *text, uint32_t *value) {
  char *end;
  if (*text < '0' || *text > '9')
    return false;
  errno = 0;
  unsigned long long read = strtoull(text, &end, 10);
  /* (uid_t)-1 means "leave it as it is" to setresuid(2). */
  if (*end != '\0' || errno != 0 || read >= UINT32_MAX)
    return false;
  *value = (uint32_t)read;
  return true;
}

/* A field that does not fit stays as it was. */
static void copy(char *to, size_t size, const char *from) {
  size_t length = strlen(from);
  if (length < size)
    memcpy(to, from, length + 1);
}

/* By name, or else by number, as the OCI image specification resolves a user. */
static bool find_user(const char *user, struct account *account) {
  bool is_found = false;
  uint32_t wanted = 0, uid, gid;
  bool is_number = number(user, &wanted);
  char *text = file_text("/etc/passwd"), *rest = text, *line;
  while (!is_found && (line = strsep(&rest, "\n"))) {
    char *fields[6];
    split(line, fields, 6);
    if (!number(fields[2], &uid) || !number(fields[3], &gid))
      continue;
    if (strcmp(fields[0], user) != 0 && !(is_number && uid == wanted))
      continue;
    is_found = true;
    account->uid = uid;
    account->gid = gid;
    copy(account->name, sizeof account->name, fields[0]);
    if (fields[5][0] == '/')
      copy(account->home, sizeof account->home, fields[5]);
  }
  free(text);
  if (!is_found && is_number)
    account->uid = wanted;
  return is_found || is_number;
}

static bool is_member(char *members, const char *name) {
  char *member;
  while ((member = strsep(&members, ",")))
    if (strcmp(member, name) == 0)
      return true;
  return false;
}

static void add_group(struct account *account, gid_t gid) {
  for (size_t i = 0; i < account->group_count; i++)
    if (account->groups[i] == gid)
      return;
  if (account->group_count < GROUPS_MAX)
    account->groups[account->group_count++] = gid;
}

static void find_memberships(struct account *account) {
  char *text = file_text("/etc/group"), *rest = text, *line;
  while (account->name[0] && (line = strsep(&rest, "\n"))) {
    char *fields[4];
    uint32_t gid;
    split(line, fields, 4);
    if (number(fields[2], &gid) && is_member(fields[3], account->name))
      add_group(account, gid);
  }
  free(text);
}

static bool find_group(const char *group, gid_t *found) {
  bool is_found = false;
  uint32_t gid;
  char *text = file_text("/etc/group"), *rest = text, *line;
  while (!is_found && (line = strsep(&rest, "\n"))) {
    char *fields[3];
    split(line, fields, 3);
    is_found = strcmp(fields[0], group) == 0 && number(fields[2], &gid);
  }
  free(text);
  if (!is_found && !number(group, &gid))
    return false;
  *found = gid;
  return true;
}

/* `user` is NAME, UID, NAME:GROUP or UID:GID; empty means root. Memberships count only when no group is named. */
int account_find(const char *user, struct account *account) {
  char name[256];
  const char *colon = strchrnul(user, ':');
  size_t length = (size_t)(colon - user);
  memset(account, 0, sizeof *account);
  strcpy(account->home, "/");
  if (length >= sizeof name)
    return ENAMETOOLONG;
  memcpy(name, user, length);
  name[length] = '\0';
  if (!find_user(length > 0 ? name : "0", account))
    return ENOENT;
  bool names_group = *colon != '\0' && colon[1] != '\0';
  if (names_group && !find_group(colon + 1, &account->gid))
    return ENOENT;
  add_group(account, account->gid);
  if (!names_group)
    find_memberships(account);
  return 0;
}
