/*
 * `launcher uncover LOWER UPPER`: takes out of one layer what another hides when it is stacked on it, so that copying the upper one over the lower
 * one gives a layer that stands for both: what is removed, what is replaced by something of another kind, and what an opaque directory covers.
 */
#include "launcher.h"

#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { CANNOT_UNCOVER = 1 };

#define OPAQUE "trusted.overlay.opaque"

static struct failure remove_tree(char *path) {
  char *const roots[] = {path, NULL};
  struct failure failure = SUCCESS;
  FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
  if (!tree)
    return failure_of(errno, "look into %s", path);
  for (FTSENT *entry; failure.error == 0 && (errno = 0, entry = fts_read(tree));) {
    if (entry->fts_info == FTS_D)
      continue;
    bool is_directory = entry->fts_info == FTS_DP;
    if ((is_directory ? rmdir(entry->fts_accpath) : unlink(entry->fts_accpath)) != 0)
      failure = failure_of(errno, "remove %s", entry->fts_path);
  }
  if (failure.error == 0 && errno != 0)
    failure = failure_of(errno, "look into %s", path);
  fts_close(tree);
  return failure;
}

static bool is_whiteout(const struct stat *found) {
  return S_ISCHR(found->st_mode) && found->st_rdev == 0;
}

static bool is_opaque(const char *path) {
  char value[4];
  return lgetxattr(path, OPAQUE, value, sizeof value) == 1 && value[0] == 'y';
}

/* A directory in place of something else shows nothing of what is below that: overlayfs stops looking there. */
static struct failure replace_by_opaque(char *path) {
  if (unlink(path) != 0 || mkdir(path, 0700) != 0 || lsetxattr(path, OPAQUE, "y", 1, 0) != 0)
    return failure_of(errno, "replace %s", path);
  return SUCCESS;
}

/* `goes_below` tells whether the lower layer may hold more below it that is hidden. */
static struct failure uncover_one(const FTSENT *upper, char *path, bool *goes_below) {
  struct stat lower;
  bool is_directory = S_ISDIR(upper->fts_statp->st_mode);
  *goes_below = false;
  if (lstat(path, &lower) != 0)
    return errno == ENOENT ? SUCCESS : failure_of(errno, "look at %s", path);
  if (is_directory && !S_ISDIR(lower.st_mode))
    return replace_by_opaque(path);
  if (is_whiteout(upper->fts_statp) || (S_ISDIR(lower.st_mode) && (!is_directory || is_opaque(upper->fts_accpath))))
    return remove_tree(path);
  *goes_below = is_directory;
  return SUCCESS;
}

static struct failure uncover_tree(FTS *tree, const char *lower, size_t prefix) {
  char path[PATH_MAX];
  for (FTSENT *entry; (errno = 0, entry = fts_read(tree));) {
    bool goes_below = true;
    if (entry->fts_info == FTS_DP || entry->fts_level == 0)
      continue;
    if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
      return failure_of(entry->fts_errno, "look into %s", entry->fts_path);
    if (snprintf(path, sizeof path, "%s%s", lower, entry->fts_path + prefix) >= (int)sizeof path)
      return failure_of(ENAMETOOLONG, "look at %s", entry->fts_path);
    struct failure failure = uncover_one(entry, path, &goes_below);
    if (failure.error != 0)
      return failure;
    if (!goes_below)
      fts_set(tree, entry, FTS_SKIP);
  }
  return errno == 0 ? SUCCESS : failure_of(errno, "look into the upper layer");
}

int uncover(char **argv) {
  char *const roots[] = {argv[1], NULL};
  FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
  struct failure failure = tree ? uncover_tree(tree, argv[0], strlen(argv[1])) : failure_of(errno, "open %s", argv[1]);
  if (tree)
    fts_close(tree);
  if (failure.error == 0)
    return 0;
  fprintf(stderr, "launcher: cannot %s: %s\n", failure.step, strerror(failure.error));
  return CANNOT_UNCOVER;
}
