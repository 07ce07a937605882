#include "launcher.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ANCESTORS_MAX = 64, WALKS = 5 };

static ssize_t read_stat(pid_t pid, char *text, size_t room) {
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return -1;
  ssize_t count = read(fd, text, room - 1);
  close(fd);
  if (count >= 0)
    text[count] = '\0';
  return count;
}

/* proc(5): the second field is the name in parentheses, which may itself hold spaces and parentheses. */
bool process_read(pid_t pid, struct process_state *state) {
  char text[2048];
  if (pid <= 0 || read_stat(pid, text, sizeof text) <= 0)
    return false;
  char *at = strrchr(text, ')'), *rest;
  if (!at)
    return false;
  *state = (struct process_state){.exit_status = -1};
  char *word = strtok_r(at + 1, " \n", &rest);
  for (int field = 3; word; field++, word = strtok_r(NULL, " \n", &rest)) {
    if (field == 3)
      state->state = *word;
    else if (field == 4)
      state->parent = (pid_t)strtol(word, NULL, 10);
    else if (field == 22)
      state->start_time = strtoull(word, NULL, 10);
    else if (field == 52)
      state->exit_status = (int)strtol(word, NULL, 10);
  }
  return state->start_time > 0;
}

enum walk { DESCENDS, DOES_NOT_DESCEND, WAS_DISTURBED };

static enum walk walk_up(pid_t pid, pid_t ancestor) {
  struct process_state state;
  if (!process_read(pid, &state))
    return DOES_NOT_DESCEND;
  for (int i = 0; i < ANCESTORS_MAX && state.parent > 1; i++) {
    if (state.parent == ancestor)
      return DESCENDS;
    if (!process_read(state.parent, &state))
      return WAS_DISTURBED;
  }
  return state.parent == ancestor ? DESCENDS : DOES_NOT_DESCEND;
}

/* A parent that ends during the walk hands its children to the launcher, so the walk is taken again. */
bool process_descends_from(pid_t pid, pid_t ancestor) {
  for (int i = 0; i < WALKS; i++) {
    enum walk walk = walk_up(pid, ancestor);
    if (walk != WAS_DISTURBED)
      return walk == DESCENDS;
  }
  return false;
}
