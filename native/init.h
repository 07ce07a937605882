/* PID 1 of a sandbox: what its files share. One thread, one epoll loop, everything edge-triggered. See PROTOCOL.md. */
#ifndef ATOLL_INIT_H
#define ATOLL_INIT_H

#include "frame.h"
#include "ring.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

enum {
  PROTOCOL_VERSION = 1,
  FRAME_IN_MAX = 1 << 20,
  FRAME_OUT_MAX = 128 << 10,
  OUTPUT_FRAME_MAX = 64 << 10, /* payload of one OUTPUT */
  OUTPUT_HELD_MAX = 1 << 20, /* unacknowledged bytes of one stream */
  STDIN_HELD_MAX = 64 << 10,
  PROCESSES_MAX = 4096,
};

enum message {
  RESUME = 0x01,
  SETUP,
  START,
  STDIN,
  STDIN_EOF,
  ACK,
  RELEASE,
  SIGNAL,
  RESIZE,
  KILL_ALL,
  PROBE,
  PING,
  HANGUP,
  MOUNT,
  UNMOUNT,
  HELLO = 0x81,
  SETUP_DONE,
  STARTED,
  START_FAILED,
  STDIN_ACK,
  OUTPUT,
  END_OF_FILE,
  UNKNOWN,
  EXITED,
  PROBE_RESULT,
  PONG,
  MOUNT_DONE,
};

/* What epoll points at. Owners outlive the loop turn in which they are forgotten, so no event can find freed memory. */
enum source_kind { SOURCE_SOCKET, SOURCE_SIGNALS, SOURCE_OUTPUT, SOURCE_INPUT, SOURCE_PROBE };
struct source {
  enum source_kind kind;
  void *owner;
};

/* A doubly linked list whose head is a node too. A node that is in no list points at itself. */
struct node {
  struct node *prev, *next;
};

static inline void node_clear(struct node *node) {
  node->prev = node->next = node;
}

static inline bool node_is_alone(const struct node *node) {
  return node->next == node;
}

static inline void node_remove(struct node *node) {
  node->prev->next = node->next;
  node->next->prev = node->prev;
  node_clear(node);
}

/* At the end of the list, unless it is in a list already. */
static inline void node_queue(struct node *list, struct node *node) {
  if (!node_is_alone(node))
    return;
  node->prev = list->prev;
  node->next = list;
  list->prev->next = node;
  list->prev = node;
}

static inline struct node *node_first(struct node *list) {
  return node_is_alone(list) ? NULL : list->next;
}

#define OWNER(type, member, node) ((type *)(void *)((char *)(node) - offsetof(type, member)))

struct process;

struct output {
  struct process *process;
  uint8_t stream;
  int fd; /* -1 once it ended */
  bool readable;
  bool ended;
  bool is_pipe_enlarged;
  uint64_t sent; /* offset of the first byte not sent on this connection */
  struct ring held;
  struct source source;
  struct node reading; /* in readable_outputs */
  struct node sending; /* in sendable_outputs */
};

struct input {
  int fd; /* -1 when closed */
  bool exists;
  bool writable;
  bool closed;
  uint64_t end; /* where STDIN_EOF said that it ends; UINT64_MAX before */
  struct ring held;
  struct source source;
};

/* What is still to be said about a process on this connection. */
enum {
  SAY_STARTED = 1,
  SAY_START_FAILED = 2,
  SAY_STDIN_ACK = 4,
  SAY_STDOUT_EOF = 8,
  SAY_STDERR_EOF = 16,
  SAY_EXITED = 32,
};

struct failure {
  int error;
  const char *step;
};

struct process {
  uint32_t id;
  pid_t pid; /* 0: never started */
  bool has_exited;
  int status;
  struct failure failure;
  bool has_terminal, is_built_in;
  struct input input;
  struct output outputs[2];
  unsigned say;
  struct node saying; /* in saying_processes */
  struct node all;
  struct process *next_with_id, *next_with_pid;
  bool is_seen; /* while a RESUME is read */
};

/* START, decoded; the strings live in `memory`. */
struct start {
  uint32_t id;
  bool wants_terminal, wants_input, is_built_in;
  uint16_t rows, cols;
  uint32_t open_files;
  char *user, *cwd;
  char **argv, **env;
  size_t env_count; /* room for START_ENV_ADDED more */
  void *memory;
};
enum { START_ENV_ADDED = 3 };

/* init.c */
extern int control_directory;
extern int own_program; /* this program's file */
extern struct rlimit inherited_files;
uint64_t now_ms(void);
bool watch(int fd, uint32_t events, struct source *source);
void unwatch_and_close(int fd);

/* init_link.c: the connection to the daemon */
void link_open(void);
void link_event(uint32_t events);
bool link_is_busy(void);
int link_wait_ms(void);
void link_turn(void);
void link_setup_done(uint32_t request, struct failure failure);
void link_mount_done(uint32_t request, struct failure failure);
void link_start_refused(uint32_t id, struct failure failure);
void link_probe_result(uint32_t request, int error);

void link_resumed(void);
void link_unknown(uint32_t id);
void link_pong(uint32_t request);
void link_hang_up(void);

/* init_commands.c: what the daemon says; false when a frame is not what it should be */
bool command_resume(struct frame_reader *reader);
bool command_take(struct frame *frame);

/* init_process.c: what runs, and its streams */
extern struct node saying_processes, sendable_outputs, all_processes;
void processes_open(void);
struct process *process_find(uint32_t id);
void process_start(struct start *start);
void process_forget(struct process *process);
void process_kill(struct process *process);
void process_signal(struct process *process, int signal);
void process_resize(struct process *process, uint16_t rows, uint16_t cols);
void process_say(struct process *process, unsigned what);
void process_resume(struct process *process, uint64_t stdout_offset, uint64_t stderr_offset);
void processes_signal_all(int signal);
void processes_reap(void);
void processes_bury(void);

/* init_streams.c: the bytes of processes */
void streams_open(void);
bool streams_are_busy(void);
void streams_turn(void);
void output_open(struct output *output, int fd);
void output_event(struct output *output, uint32_t events);
void output_sent(struct output *output, size_t count);
void output_ack(struct output *output, uint64_t offset);
void output_resume(struct output *output, uint64_t offset);
void output_close(struct output *output);
void input_open(struct process *process, int fd, bool takes_floods);
void input_event(struct process *process, uint32_t events);
void input_receive(struct process *process, uint64_t offset, const uint8_t *bytes, size_t count);
void input_end(struct process *process, uint64_t offset);
void input_close(struct input *input);
void terminal_left(struct process *process);

/* init_spawn.c: from START to a running program */
struct spawned {
  pid_t pid;
  int input, output, error; /* this side of the streams; -1 when there is none */
};
struct failure spawn(struct start *start, struct spawned *spawned);

/* init_user.c */
enum { GROUPS_MAX = 256 };
struct account {
  uid_t uid;
  gid_t gid;
  gid_t groups[GROUPS_MAX];
  size_t group_count;
  char name[256];
  char home[1024];
};
int account_find(const char *user, struct account *account);

/* init_mount.c */
struct failure mount_attach(const char *source, const char *target);
struct failure mount_detach(const char *source, const char *target);

/* init_setup.c */
struct failure setup_root(const char *root, const char *hostname, uint32_t most_processes);

/* init_probe.c */
void probe_start(uint32_t request, uint16_t port);
void probe_event(void *probe);
void probes_expire(void);
void probes_cancel(void);
int probes_wait_ms(void);

#endif
