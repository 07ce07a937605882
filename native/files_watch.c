/* Changes below a directory, or of one file, as inotify(7) tells them. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
  EVENTS = IN_CREATE | IN_MODIFY | IN_ATTRIB | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF,
  /* The two halves of a move within the tree come one behind the other; one that is alone after this long came from, or went, outside. */
  HALF_MOVE_MS = 50,
};

static int inotify = -1;
static const char *root;
static int root_watch;
static bool is_file, is_recursive, has_ended;
/* By watch: the directory's path below the root; NULL for none. */
static char **paths;
static int path_room;

static struct {
  char *path;
  uint32_t cookie;
  bool is_directory;
} half_move;

static void put_event(const char *kind, const char *path, const char *from) {
  put_text(kind);
  put_text(path);
  put_text(from);
}

static char *joined(const char *directory, const char *name) {
  char *path;
  if (asprintf(&path, "%s%s%s", directory, *directory && *name ? "/" : "", name) < 0)
    fail(ENOMEM, "memory");
  return path;
}

static void set_path(int number, const char *path) {
  if (number >= path_room) {
    int room = (number + 64) * 2;
    paths = reserve(paths, (size_t)room * sizeof *paths);
    memset(paths + path_room, 0, (size_t)(room - path_room) * sizeof *paths);
    path_room = room;
  }
  free(paths[number]);
  paths[number] = joined(path, "");
}

static const char *path_of(int number) {
  return number >= 0 && number < path_room ? paths[number] : NULL;
}

/* Whether it can be watched; false when it has gone again. */
static bool add_watch(const char *path) {
  char *whole = joined(root, path);
  int number = inotify_add_watch(inotify, whole, EVENTS | IN_ONLYDIR | IN_DONT_FOLLOW);
  free(whole);
  if (number >= 0)
    set_path(number, path);
  else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
    fail(errno, "watch");
  return number >= 0;
}

/* Where the walk begins, below the root. */
static const char *walked;

static bool watch_entry(struct walk *walk, int parent, const char *name, const struct stat *status) {
  (void)parent, (void)name;
  if (!S_ISDIR(status->st_mode))
    return false;
  char *path = joined(walked, walk->path);
  bool is_watched = add_watch(path);
  free(path);
  return is_watched;
}

/* What came into a new directory before it was watched is told as created; what comes in between may be told twice. */
static bool tell_entry(struct walk *walk, int parent, const char *name, const struct stat *status) {
  char *path = joined(walked, walk->path);
  put_event("create", path, "");
  free(path);
  return watch_entry(walk, parent, name, status);
}

static void walk_from(const char *path, bool (*enter)(struct walk *, int, const char *, const struct stat *)) {
  static struct walk walk;
  char *whole = joined(root, path);
  int directory = open(whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  free(whole);
  if (directory < 0 && (errno == ENOENT || errno == ENOTDIR))
    return;
  if (directory < 0)
    fail(errno, "open");
  walk.enter = enter;
  walked = path;
  walk_below(&walk, directory);
  close(directory);
}

static void watch_new(const char *path, bool tells) {
  if (is_recursive && add_watch(path))
    walk_from(path, tells ? tell_entry : watch_entry);
}

static bool is_at_or_below(const char *path, const char *directory) {
  size_t length = strlen(directory);
  return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static void unwatch_below(const char *directory) {
  for (int number = 0; number < path_room; number++) {
    if (!paths[number] || number == root_watch || !is_at_or_below(paths[number], directory))
      continue;
    inotify_rm_watch(inotify, number);
    free(paths[number]);
    paths[number] = NULL;
  }
}

static void rename_below(const char *from, const char *to) {
  for (int number = 0; number < path_room; number++) {
    if (!paths[number] || number == root_watch || !is_at_or_below(paths[number], from))
      continue;
    char *old = paths[number];
    const char *rest = old + strlen(from);
    paths[number] = joined(to, *rest ? rest + 1 : rest);
    free(old);
  }
}

static void end_half_move(void) {
  free(half_move.path);
  half_move.path = NULL;
}

static void settle_half_move(void) {
  if (!half_move.path)
    return;
  put_event("out", half_move.path, "");
  if (half_move.is_directory)
    unwatch_below(half_move.path);
  end_half_move();
}

static void take_moved_to(const struct inotify_event *event, const char *path) {
  if (half_move.path) {
    put_event("rename", path, half_move.path);
    if (half_move.is_directory)
      rename_below(half_move.path, path);
    end_half_move();
    return;
  }
  put_event("in", path, "");
  if (event->mask & IN_ISDIR)
    watch_new(path, false);
}

static void take_named(const struct inotify_event *event, char *path) {
  if (event->mask & IN_CREATE) {
    put_event("create", path, "");
    if (event->mask & IN_ISDIR)
      watch_new(path, true);
  } else if (event->mask & IN_DELETE) {
    put_event("remove", path, "");
  } else if (event->mask & (IN_MODIFY | IN_ATTRIB)) {
    put_event("modify", path, "");
  } else if (event->mask & IN_MOVED_TO) {
    take_moved_to(event, path);
  } else if (event->mask & IN_MOVED_FROM) {
    half_move.path = joined(path, "");
    half_move.cookie = event->cookie;
    half_move.is_directory = event->mask & IN_ISDIR;
  }
}

/* Unlinking a file that is open elsewhere only changes its attributes. */
static bool has_gone(void) {
  struct stat status;
  return lstat(root, &status) != 0 && errno == ENOENT;
}

/* Of a watched directory itself its parent tells, but for the root. */
static void take_own(const struct inotify_event *event) {
  if (event->wd != root_watch)
    return;
  if ((event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) || (is_file && (event->mask & IN_ATTRIB) && has_gone())) {
    put_event("remove", "", "");
    has_ended = true;
  } else if (is_file && (event->mask & (IN_MODIFY | IN_ATTRIB))) {
    put_event("modify", "", "");
  }
}

static void forget(int number) {
  if (number == root_watch)
    has_ended = true;
  if (path_of(number)) {
    free(paths[number]);
    paths[number] = NULL;
  }
}

static void take_event(const struct inotify_event *event) {
  bool completes = (event->mask & IN_MOVED_TO) && half_move.path && event->cookie == half_move.cookie;
  if (!completes)
    settle_half_move();
  if (event->mask & IN_Q_OVERFLOW)
    put_event("overflow", "", "");
  else if (event->mask & IN_IGNORED)
    forget(event->wd);
  else if (event->len == 0)
    take_own(event);
  else if (path_of(event->wd)) {
    char *path = joined(path_of(event->wd), event->name);
    take_named(event, path);
    free(path);
  }
}

static void take_events(void) {
  static char events[64 << 10] __attribute__((aligned(__alignof__(struct inotify_event))));
  ssize_t count = read(inotify, events, sizeof events);
  if (count < 0 && errno != EINTR)
    fail(errno, "watch");
  for (char *at = events; at < events + count && !has_ended;) {
    struct inotify_event *event = (struct inotify_event *)(void *)at;
    take_event(event);
    at += sizeof *event + event->len;
  }
}

static void begin(const char *path, bool wants_recursive) {
  struct stat status;
  if (stat(path, &status) != 0)
    fail(errno, "stat");
  root = S_ISDIR(status.st_mode) ? joined(path, "/") : path;
  is_file = !S_ISDIR(status.st_mode);
  is_recursive = wants_recursive && !is_file;
  inotify = inotify_init1(IN_CLOEXEC);
  if (inotify < 0)
    fail(errno, "watch");
  root_watch = inotify_add_watch(inotify, path, EVENTS);
  if (root_watch < 0)
    fail(errno, "watch");
  set_path(root_watch, "");
  if (is_recursive)
    walk_from("", watch_entry);
}

/* watch PATH RECURSIVE: events until it is ended, the first of them "ready" */
void files_watch(char **arguments) {
  begin(arguments[0], number_of(arguments[1]) != 0);
  put_event("ready", "", "");
  flush();
  while (!has_ended) {
    struct pollfd readable = {.fd = inotify, .events = POLLIN};
    if (poll(&readable, 1, half_move.path ? HALF_MOVE_MS : -1) == 0)
      settle_half_move();
    else
      take_events();
    flush();
  }
}
