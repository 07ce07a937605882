#include "files.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void (*abandon)(void);

void on_abandon(void (*clean_up)(void)) {
  abandon = clean_up;
}

static void abandon_and_exit(int signal) {
  (void)signal;
  if (abandon)
    abandon();
  _exit(1);
}

_Noreturn void fail(int error, const char *step) {
  flush();
  dprintf(STDERR_FILENO, "%d %s\n", error, step);
  abandon_and_exit(0);
  __builtin_unreachable();
}

/* A decimal number of the daemon's own making. */
long long number_of(const char *text) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  if (*text == '\0' || *end != '\0' || errno != 0)
    fail(EINVAL, "usage");
  return value;
}

void *reserve(void *memory, size_t size) {
  void *grown = realloc(memory, size);
  if (!grown)
    fail(ENOMEM, "memory");
  return grown;
}

static const struct operation {
  const char *name;
  int arguments;
  void (*run)(char **arguments);
} operations[] = {
    {"read", 3, files_read},     {"write", 5, files_write}, {"stat", 2, files_stat},     {"list", 2, files_list},
    {"mkdir", 3, files_mkdir},   {"remove", 2, files_remove}, {"rename", 3, files_rename}, {"chmod", 2, files_chmod},
    {"pack", 1, files_pack},     {"unpack", 2, files_unpack}, {"watch", 2, files_watch},
};

int files_main(int argc, char **argv) {
  struct sigaction ending = {.sa_handler = abandon_and_exit};
  sigaction(SIGTERM, &ending, NULL);
  for (size_t i = 0; argc > 1 && i < sizeof operations / sizeof *operations; i++) {
    if (strcmp(argv[1], operations[i].name) != 0 || argc != operations[i].arguments + 2)
      continue;
    operations[i].run(argv + 2);
    flush();
    return 0;
  }
  fail(EINVAL, "usage");
}
