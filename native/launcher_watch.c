#include "launcher.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

struct end {
  pid_t pid;
  uint64_t start_time;
  int status;
};

struct watched *all_watched;
static size_t watched_count;
static struct watched *forgotten;
static struct end unknown_ends[UNKNOWN_ENDS];
static size_t unknown_next;

static struct watched *find(pid_t pid, uint64_t start_time) {
  for (struct watched *watched = all_watched; watched; watched = watched->next)
    if (watched->pid == pid && watched->start_time == start_time)
      return watched;
  return NULL;
}

uint32_t watched_running(void) {
  uint32_t count = 0;
  for (struct watched *watched = all_watched; watched; watched = watched->next)
    count += !watched->has_ended;
  return count;
}

static struct watched *add(pid_t pid, uint64_t start_time) {
  struct watched *watched = watched_count < WATCHED_MAX ? malloc(sizeof *watched) : NULL;
  if (!watched)
    return NULL;
  *watched = (struct watched){.pid = pid, .start_time = start_time, .pidfd = -1, .next = all_watched};
  all_watched = watched;
  watched_count++;
  return watched;
}

bool watch_add(pid_t pid, uint64_t start_time) {
  return find(pid, start_time) || add(pid, start_time);
}

static void end(struct watched *watched, int status) {
  loop_close(&watched->pidfd);
  watched->has_ended = true;
  watched->status = status;
  link_gone(watched->pid, watched->start_time, status);
}

/*
 * A descendant whose own parent still runs has ended. If that parent was quick to end as well, it is the launcher's
 * by now and is reaped like any other; else only its parent may reap it, and its status is in /proc while it is a zombie.
 */
static void pidfd_ready(void *owner, uint32_t events) {
  struct watched *watched = owner;
  struct process_state state;
  (void)events;
  if (watched->has_ended)
    return;
  bool is_there = process_read(watched->pid, &state) && state.start_time == watched->start_time;
  if (is_there && state.parent == getpid())
    loop_close(&watched->pidfd);
  else
    end(watched, is_there ? state.exit_status : -1);
}

/* The pid is the right process's if the start time is the same before and after the descriptor was opened. */
static bool follow(struct watched *watched) {
  struct process_state state;
  watched->pidfd = (int)syscall(SYS_pidfd_open, watched->pid, 0u);
  if (watched->pidfd < 0)
    return false;
  watched->source = (struct source){.ready = pidfd_ready, .owner = watched};
  return process_read(watched->pid, &state) && state.start_time == watched->start_time &&
         loop_add(watched->pidfd, EPOLLIN, &watched->source);
}

static void drop(struct watched *watched) {
  struct watched **link = &all_watched;
  while (*link != watched)
    link = &(*link)->next;
  *link = watched->next;
  watched_count--;
  loop_close(&watched->pidfd);
  watched->has_ended = true; /* an event of this turn may still name it */
  watched->next = forgotten;
  forgotten = watched;
}

void watch_bury(void) {
  while (forgotten) {
    struct watched *next = forgotten->next;
    free(forgotten);
    forgotten = next;
  }
}

static void watch_running(uint32_t request, pid_t pid, const struct process_state *state) {
  if (find(pid, state->start_time)) {
    link_watched(request, 0, state->start_time);
    return;
  }
  struct watched *watched = add(pid, state->start_time);
  if (watched && state->parent != getpid() && !follow(watched)) {
    drop(watched);
    watched = NULL;
  }
  link_watched(request, watched ? 0 : EAGAIN, state->start_time);
}

/* The newest end of that pid, taken out of the ring. */
static bool take_unknown_end(pid_t pid, struct end *found) {
  for (size_t i = 1; i <= UNKNOWN_ENDS; i++) {
    struct end *candidate = &unknown_ends[(unknown_next + UNKNOWN_ENDS - i) % UNKNOWN_ENDS];
    if (candidate->pid == pid) {
      *found = *candidate;
      *candidate = (struct end){0};
      return true;
    }
  }
  return false;
}

static void watch_ended_already(uint32_t request, pid_t pid) {
  struct end found;
  for (struct watched *watched = all_watched; watched; watched = watched->next)
    if (watched->pid == pid && watched->has_ended) {
      link_watched(request, 0, watched->start_time);
      link_gone(pid, watched->start_time, watched->status);
      return;
    }
  if (!take_unknown_end(pid, &found)) {
    link_watched(request, ESRCH, 0);
    return;
  }
  struct watched *watched = add(found.pid, found.start_time);
  link_watched(request, watched ? 0 : EAGAIN, found.start_time);
  if (watched)
    end(watched, found.status);
}

void watch_request(uint32_t request, pid_t pid) {
  struct process_state state;
  if (pid <= 0) /* unused places of the ring have pid 0 */
    link_watched(request, ESRCH, 0);
  else if (process_descends_from(pid, getpid()) && process_read(pid, &state))
    watch_running(request, pid, &state);
  else
    watch_ended_already(request, pid);
}

void watch_forget(pid_t pid, uint64_t start_time) {
  struct watched *watched = find(pid, start_time);
  if (watched)
    drop(watched);
}

/* A child keeps its pid until it is reaped here; another descendant is named by its descriptor. */
int watch_kill(pid_t pid, uint64_t start_time, int signal) {
  struct watched *watched = find(pid, start_time);
  if (!watched || watched->has_ended)
    return ESRCH;
  long result = watched->pidfd >= 0 ? syscall(SYS_pidfd_send_signal, watched->pidfd, signal, NULL, 0u) : kill(pid, signal);
  return result == 0 ? 0 : errno;
}

void watch_ended(pid_t pid, uint64_t start_time, int status) {
  struct watched *watched = find(pid, start_time);
  if (watched && !watched->has_ended) {
    end(watched, status);
    return;
  }
  if (watched)
    return;
  unknown_ends[unknown_next] = (struct end){.pid = pid, .start_time = start_time, .status = status};
  unknown_next = (unknown_next + 1) % UNKNOWN_ENDS;
}

void watch_repeat(void) {
  for (struct watched *watched = all_watched; watched; watched = watched->next)
    if (watched->has_ended)
      link_gone(watched->pid, watched->start_time, watched->status);
}
