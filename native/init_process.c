#include "init.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BUCKETS = 1024 };

struct node saying_processes, all_processes;
static struct node forgotten_processes;
static struct process *by_id[BUCKETS], *by_pid[BUCKETS];
static size_t process_count;

void processes_open(void) {
  node_clear(&saying_processes);
  node_clear(&all_processes);
  node_clear(&forgotten_processes);
}

struct process *process_find(uint32_t id) {
  struct process *process = by_id[id % BUCKETS];
  while (process && process->id != id)
    process = process->next_with_id;
  return process;
}

static struct process **pid_slot(pid_t pid) {
  struct process **slot = &by_pid[(unsigned)pid % BUCKETS];
  while (*slot && (*slot)->pid != pid)
    slot = &(*slot)->next_with_pid;
  return slot;
}

static void pid_remember(struct process *process) {
  struct process **first = &by_pid[(unsigned)process->pid % BUCKETS];
  process->next_with_pid = *first;
  *first = process;
}

static void pid_forget(struct process *process) {
  struct process **slot = pid_slot(process->pid);
  if (*slot)
    *slot = process->next_with_pid;
}

static void id_remember(struct process *process) {
  struct process **first = &by_id[process->id % BUCKETS];
  process->next_with_id = *first;
  *first = process;
  node_queue(&all_processes, &process->all);
  process_count++;
}

static void id_forget(struct process *process) {
  struct process **slot = &by_id[process->id % BUCKETS];
  while (*slot != process)
    slot = &(*slot)->next_with_id;
  *slot = process->next_with_id;
  node_remove(&process->all);
  process_count--;
}

void process_say(struct process *process, unsigned what) {
  process->say |= what;
  node_queue(&saying_processes, &process->saying);
}

static struct process *process_new(uint32_t id) {
  struct process *process = calloc(1, sizeof *process);
  if (!process)
    return NULL;
  process->id = id;
  node_clear(&process->saying);
  node_clear(&process->all);
  process->input.fd = -1;
  process->input.end = UINT64_MAX;
  process->input.source = (struct source){.kind = SOURCE_INPUT, .owner = process};
  for (uint8_t i = 0; i < 2; i++) {
    struct output *output = &process->outputs[i];
    output->process = process;
    output->stream = (uint8_t)(i + 1);
    output->fd = -1;
    output->source = (struct source){.kind = SOURCE_OUTPUT, .owner = output};
    node_clear(&output->reading);
    node_clear(&output->sending);
  }
  return process;
}

/* Everything that can fail for want of memory comes before the program runs, so a failed start never has run. */
static struct failure process_run(struct process *process, struct start *start) {
  struct spawned spawned;
  struct failure failure = spawn(start, &spawned);
  if (failure.error != 0)
    return failure;
  process->pid = spawned.pid;
  process->has_terminal = start->wants_terminal;
  process->is_built_in = start->is_built_in;
  if (spawned.input >= 0)
    input_open(process, spawned.input, start->is_built_in);
  output_open(&process->outputs[0], spawned.output);
  output_open(&process->outputs[1], spawned.error);
  pid_remember(process);
  return failure;
}

/* A START that is repeated after a lost connection starts nothing twice. */
static void process_repeat(struct process *process) {
  process_say(process, process->failure.error != 0 ? SAY_START_FAILED : SAY_STARTED);
}

static bool reserve_memory(struct process *process) {
  enum { FIRST_BYTES = 4096 };
  return ring_grow(&process->outputs[0].held, FIRST_BYTES) && ring_grow(&process->outputs[1].held, FIRST_BYTES);
}

static void free_memory(struct process *process) {
  ring_free(&process->outputs[0].held);
  ring_free(&process->outputs[1].held);
  ring_free(&process->input.held);
}

/* A refused process is not remembered, so the number of failures that are is bounded as well. */
void process_start(struct start *start) {
  struct process *process = process_find(start->id);
  if (process) {
    process_repeat(process);
    return;
  }
  process = process_count < PROCESSES_MAX ? process_new(start->id) : NULL;
  if (!process) {
    link_start_refused(start->id, (struct failure){process_count < PROCESSES_MAX ? ENOMEM : EAGAIN, "limit"});
    return;
  }
  id_remember(process);
  process->failure = reserve_memory(process) ? process_run(process, start) : (struct failure){ENOMEM, "limit"};
  if (process->failure.error != 0)
    free_memory(process);
  process_repeat(process);
}

/* After the exit was seen the number may belong to someone else. */
static bool is_running(const struct process *process) {
  return process->pid > 0 && !process->has_exited;
}

/* Each process leads its own session, so its group has its number. */
void process_signal(struct process *process, int signal) {
  if (is_running(process))
    kill(-process->pid, signal);
}

/* An operation on files removes what it has half done; its signal is there before the end of its stdin is. */
void process_kill(struct process *process) {
  process_signal(process, process->is_built_in ? SIGTERM : SIGKILL);
}

void process_resize(struct process *process, uint16_t rows, uint16_t cols) {
  struct winsize size = {.ws_row = rows, .ws_col = cols};
  if (!process->has_terminal || process->outputs[0].fd < 0)
    return;
  ioctl(process->outputs[0].fd, TIOCSWINSZ, &size);
  /* gVisor changes the size and tells nobody, nor does it know the foreground here: at least the shell hears of it. */
  if (tcgetpgrp(process->outputs[0].fd) < 0)
    process_signal(process, SIGWINCH);
}

/* kill(-1) is for PID 1 of a sandbox only: anywhere else it would reach the whole machine. */
void processes_signal_all(int signal) {
  if (getpid() == 1) {
    kill(-1, signal);
    return;
  }
  for (struct node *node = all_processes.next; node != &all_processes; node = node->next)
    process_signal(OWNER(struct process, all, node), signal);
}

void processes_reap(void) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    struct process *process = *pid_slot(pid);
    if (!process)
      continue;
    pid_forget(process);
    process->has_exited = true;
    process->status = status;
    process_say(process, SAY_EXITED);
    if (process->has_terminal)
      terminal_left(process);
  }
}

/*
 * What was still to be said belongs to the connection that is gone: the end of a stream would come before the bytes that
 * the new daemon wants again.
 */
void process_resume(struct process *process, uint64_t stdout_offset, uint64_t stderr_offset) {
  process->say = 0;
  process_repeat(process);
  if (process->failure.error != 0)
    return;
  if (process->has_exited)
    process_say(process, SAY_EXITED);
  if (process->input.exists)
    process_say(process, SAY_STDIN_ACK);
  output_resume(&process->outputs[0], stdout_offset);
  output_resume(&process->outputs[1], stderr_offset);
}

void process_forget(struct process *process) {
  if (is_running(process))
    pid_forget(process);
  id_forget(process);
  node_remove(&process->saying);
  input_close(&process->input);
  output_close(&process->outputs[0]);
  output_close(&process->outputs[1]);
  free_memory(process);
  node_queue(&forgotten_processes, &process->all);
}

void processes_bury(void) {
  struct node *node;
  while ((node = node_first(&forgotten_processes))) {
    node_remove(node);
    free(OWNER(struct process, all, node));
  }
}
