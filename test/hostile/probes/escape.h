/* What the attempts of `escape` have in common: each returns a negative number and sets errno when it was refused. */
#ifndef ATOLL_ESCAPE_H
#define ATOLL_ESCAPE_H

struct attempt {
  const char *name;
  int arguments;
  int (*run)(char **arguments);
};

extern const struct attempt kernel_attempts[], file_attempts[], mount_attempts[], process_attempts[], network_attempts[];

#endif
