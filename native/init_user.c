/* Users of the sandbox's own /etc/passwd and /etc/group. getpwnam of a static glibc would load the image's NSS modules into init. */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

/* Splits one line "a:b:c" in place; missing fields are empty. */
static void split(char *line, char **fields, size_t count) {
  for (size_t i = 0; i < count; i++) {
    char *field = strsep(&line, ":");
    fields[i] = field ? field : line ? line : (char[]){""};
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
