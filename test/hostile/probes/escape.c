/*
 * One attempt for each name: escape NAME [ARGUMENT...]. Prints "reached" and exits with 0 when the attempt got through, prints the
 * error and exits with 1 when it was refused. Linked statically, so that it runs in any root.
 */
#define _GNU_SOURCE
#include "escape.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct attempt *const tables[] = {kernel_attempts, file_attempts, mount_attempts, process_attempts, network_attempts};

static const struct attempt *find(const char *name) {
  for (size_t table = 0; table < sizeof tables / sizeof *tables; table++)
    for (const struct attempt *attempt = tables[table]; attempt->name; attempt++)
      if (strcmp(attempt->name, name) == 0)
        return attempt;
  return NULL;
}

int main(int argc, char **argv) {
  const struct attempt *attempt = argc > 1 ? find(argv[1]) : NULL;
  if (!attempt || argc - 2 < attempt->arguments) {
    fprintf(stderr, "escape: no such attempt, or too few arguments\n");
    return 2;
  }
  errno = 0;
  int result = attempt->run(argv + 2);
  if (result < 0) {
    printf("refused: %s\n", strerror(errno));
    return 1;
  }
  printf("reached\n");
  return 0;
}
