/* Operations on what is in a directory rather than on a file's bytes. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* stat PATH FOLLOW */
void files_stat(char **arguments) {
  struct stat status;
  bool follows = number_of(arguments[1]) != 0;
  if (fstatat(AT_FDCWD, arguments[0], &status, follows ? 0 : AT_SYMLINK_NOFOLLOW) != 0)
    fail(errno, "stat");
  put_entry(arguments[0], &status, S_ISLNK(status.st_mode) ? link_target(AT_FDCWD, arguments[0]) : NULL);
}

static bool list_entry(struct walk *walk, int parent, const char *name, const struct stat *status) {
  put_entry(walk->path, status, S_ISLNK(status->st_mode) ? link_target(parent, name) : NULL);
  return true;
}

static bool list_only(struct walk *walk, int parent, const char *name, const struct stat *status) {
  list_entry(walk, parent, name, status);
  return false;
}

/* list PATH RECURSIVE */
void files_list(char **arguments) {
  static struct walk walk;
  int directory = open(arguments[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0)
    fail(errno, "open");
  walk.enter = number_of(arguments[1]) ? list_entry : list_only;
  walk_below(&walk, directory);
}

/* mkdir PATH MODE PARENTS */
void files_mkdir(char **arguments) {
  mode_t mode = (mode_t)number_of(arguments[1]);
  if (number_of(arguments[2]))
    make_directories(arguments[0], mode);
  else if (mkdir(arguments[0], mode) != 0)
    fail(errno, "mkdir");
}

static void unlink_or_fail(int parent, const char *name, int flags) {
  if (unlinkat(parent, name, flags) != 0 && errno != ENOENT)
    fail(errno == EEXIST ? ENOTEMPTY : errno, "remove");
}

static bool remove_entry(struct walk *walk, int parent, const char *name, const struct stat *status) {
  (void)walk;
  if (!S_ISDIR(status->st_mode))
    unlink_or_fail(parent, name, 0);
  return true;
}

static void remove_emptied(struct walk *walk, int parent, const char *name) {
  (void)walk;
  unlink_or_fail(parent, name, AT_REMOVEDIR);
}

static void remove_below(int parent, const char *name) {
  static struct walk walk = {.enter = remove_entry, .leave = remove_emptied, .enters_kernel_files = true};
  int directory = open_directory(parent, name);
  if (directory < 0)
    fail(errno, "open");
  walk_below(&walk, directory);
}

/* remove PATH RECURSIVE; a link is removed, not what it points to */
void files_remove(char **arguments) {
  struct stat status;
  const char *name;
  int parent = open_parent(arguments[0], &name);
  if (name[0] == '\0')
    fail(EBUSY, "remove");
  if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
    fail(EINVAL, "remove");
  if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
    fail(errno, "stat");
  if (S_ISDIR(status.st_mode) && number_of(arguments[1]))
    remove_below(parent, name);
  if (unlinkat(parent, name, S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0) != 0)
    fail(errno == EEXIST ? ENOTEMPTY : errno, "remove");
}

/* Where the file system knows no RENAME_NOREPLACE, two steps: someone may come between them. */
static void rename_carefully(const char *from, const char *to) {
  struct stat status;
  if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
    return;
  if (errno != ENOSYS && errno != EINVAL)
    fail(errno, "rename");
  if (lstat(to, &status) == 0)
    fail(EEXIST, "rename");
  if (rename(from, to) != 0)
    fail(errno, "rename");
}

/* rename FROM TO OVERWRITE */
void files_rename(char **arguments) {
  if (!number_of(arguments[2]))
    rename_carefully(arguments[0], arguments[1]);
  else if (rename(arguments[0], arguments[1]) != 0)
    fail(errno == EEXIST ? ENOTEMPTY : errno, "rename");
}

/* chmod PATH MODE */
void files_chmod(char **arguments) {
  if (chmod(arguments[0], (mode_t)number_of(arguments[1])) != 0)
    fail(errno, "chmod");
}
