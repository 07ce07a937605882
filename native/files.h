/*
 * The second personality of init's binary: one operation on files, run as a process of the sandbox, as a user of the sandbox. Arguments come as
 * argv words, bytes on stdin, answers on stdout; the first failure ends the program with exit code 1 and "ERRNO STEP\n" on stderr. It lives as
 * long as one operation, so what it holds it need not give back. PROTOCOL.md ("Operations on files") has the formats.
 */
#ifndef ATOLL_FILES_H
#define ATOLL_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define FILES_PROGRAM "atoll-files"

enum { BLOCK_BYTES = 256 << 10, WALK_PATH_MAX = 32 << 10, WALK_DEPTH_MAX = 2048 };

/* files.c */
int files_main(int argc, char **argv);
_Noreturn void fail(int error, const char *step);
long long number_of(const char *text);
void *reserve(void *memory, size_t size);
/* Called before the program ends early, also from a signal handler. */
void on_abandon(void (*clean_up)(void));

/* files_stream.c: stdin and stdout */
void put(const void *bytes, size_t count);
void put_text(const char *text); /* with its NUL */
void put_entry(const char *path, const struct stat *status, const char *target);
void flush(void);
size_t take(void *bytes, size_t most);
void write_all(int fd, const void *bytes, size_t count);

/* files_walk.c: what is below a directory, links not followed, each directory's names in byte order */
struct walk {
  /* Each entry, a directory before what is in it. Whether to go into a directory. */
  bool (*enter)(struct walk *walk, int parent, const char *name, const struct stat *status);
  /* A directory that was entered, after what is in it; may be NULL. */
  void (*leave)(struct walk *walk, int parent, const char *name);
  bool enters_kernel_files; /* of proc and sysfs, which have no end and no size */
  size_t length;
  int depth;
  char path[WALK_PATH_MAX]; /* of the entry, relative to where the walk began */
};
void walk_below(struct walk *walk, int directory);
char *link_target(int parent, const char *name);

/* files_path.c */
void make_parents(const char *path);
void make_directories(const char *path, mode_t mode);
int open_parent(const char *path, const char **name);
/* A directory, and not by way of a link; -1 with errno. */
int open_directory(int parent, const char *name);

void files_read(char **arguments);
void files_write(char **arguments);
void files_stat(char **arguments);
void files_list(char **arguments);
void files_mkdir(char **arguments);
void files_remove(char **arguments);
void files_rename(char **arguments);
void files_chmod(char **arguments);
void files_pack(char **arguments);
void files_unpack(char **arguments);
void files_watch(char **arguments);

#endif
