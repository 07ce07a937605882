/* Parent and sub-reaper of everything that makes up sandboxes: what its files share. One thread, one epoll loop. See PROTOCOL.md. */
#ifndef ATOLL_LAUNCHER_H
#define ATOLL_LAUNCHER_H

#include "frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

enum {
  PROTOCOL_VERSION = 3,
  FRAME_MAX = 1 << 20,
  CAPTURE_MAX = 64 << 10,
  STEP_MAX = 512,       /* bytes of a step, its NUL included */
  JOBS_MAX = 512,       /* requests under way; further ones wait in the socket */
  WATCHED_MAX = 65536,  /* so that a GREETING with all of them fits a frame */
  UNKNOWN_ENDS = 4096,  /* ends of processes that nobody watched yet */
  MOUNTING_LIMIT_MS = 30000, /* for a claim, a mount or an unmount */
  STREAMS_LIMIT_MS = 1000, /* how long captured streams may outlive their program */
};

enum message {
  ATTACH = 0x40,
  SPAWN,
  WATCH,
  FORGET,
  KILL,
  CLAIM,
  MOUNT,
  UNMOUNT,
  GREETING = 0xc1,
  SPAWNED,
  FINISHED,
  WATCHED,
  GONE,
  DONE,
  MOUNTED,
};

/* 0, or what failed and in which step. Plain bytes, because it travels from children through pipes. */
struct failure {
  int error;
  char step[STEP_MAX];
};

/* What the child of a request has to say at its end. */
struct report {
  struct failure failure;
  uint64_t mount; /* of a MOUNT: what the kernel calls it */
};

struct failure failure_of(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define SUCCESS ((struct failure){.error = 0})

/* launcher_request.c: requests, decoded. Strings and lists live in `memory`; a list ends with a NULL that its count leaves out. */
struct list {
  char **items;
  size_t count;
};

enum { SPAWN_IN_HOST_NETWORK = 1, SPAWN_HIDES_NET_SETTINGS = 2, SPAWN_IS_WATCHED = 4, SPAWN_FLAGS = 7 };
struct spawn {
  uint8_t flags;
  struct list cgroups;
  char *cwd;
  struct list argv, env;
  const uint8_t *input; /* in place */
  uint32_t input_length;
};

enum { BIND_READ_ONLY = 1, BIND_FILE = 2, BIND_IDMAPPED = 4, BIND_DEVICE = 8, BIND_FLAGS = 15 };
struct bind {
  char *source, *destination;
  uint8_t flags;
};

struct claim {
  uint32_t mount_pid, user_pid, root_id;
  struct list layers;
  char *writable, *target;
  struct list moves;
  struct list closed;
  bool has_sysfs;
  struct bind *binds;
  size_t bind_count;
  bool pivots;
};

struct mount_request {
  uint32_t mount_pid, user_pid, root_id;
  struct list layers; /* none: `source` is bound */
  char *writable;     /* what holds the writable layer: a block device or a directory; empty: read-only */
  char *place;        /* directory in it for `upper` and `work` */
  char *source, *sub_path;
  bool is_read_only;
  char *root, *path;
};

struct unmount_request {
  uint32_t mount_pid;
  char *root, *path;
  uint64_t mount;
  bool is_lazy;
};

struct request {
  uint8_t type;
  uint32_t id;
  uint32_t version;
  uint32_t pid;
  uint64_t start_time;
  uint8_t signal;
  struct spawn spawn;
  struct claim claim;
  struct mount_request mount;
  struct unmount_request unmount;
  void *memory;
};

bool request_decode(struct frame frame, struct request *request);
void request_free(struct request *request);

/* launcher.c: the loop */
struct source {
  void (*ready)(void *owner, uint32_t events);
  void *owner;
};
bool loop_add(int fd, uint32_t events, struct source *source);
void loop_close(int *fd);
void loop_change(int fd, uint32_t events, struct source *source);
uint64_t now_ms(void);

/* launcher_gateway.c: the namespaces the launcher lives in, and the way into them */
extern int host_network;
extern struct rlimit inherited_files;
struct failure gateway_open(void);
int enter(const char *socket_path, char **argv);

/* launcher_link.c: the connection to the daemon. An answer to a connection that is gone is dropped. */
struct failure link_open(const char *socket_path);
void link_close(void);
void link_turn(void);
uint32_t link_connection(void);
void link_spawned(uint32_t connection, uint32_t request, pid_t pid, uint64_t start_time, const struct failure *failure);
struct capture;
void link_finished(uint32_t connection, uint32_t request, int status, const struct capture *output, const struct capture *error);
void link_watched(uint32_t request, int error, uint64_t start_time);
void link_gone(pid_t pid, uint64_t start_time, int status);
void link_done(uint32_t connection, uint32_t request, const struct failure *failure);
void link_mounted(uint32_t connection, uint32_t request, const struct report *report);

/* launcher_watch.c: processes whose ends are told, and those that ended untold */
struct watched {
  pid_t pid;
  uint64_t start_time;
  bool has_ended;
  int status;
  int pidfd; /* of a process that is not yet the launcher's child; else -1 */
  struct source source;
  struct watched *next;
};
extern struct watched *all_watched;
uint32_t watched_running(void);
bool watch_add(pid_t pid, uint64_t start_time);
void watch_request(uint32_t request, pid_t pid);
void watch_forget(pid_t pid, uint64_t start_time);
int watch_kill(pid_t pid, uint64_t start_time, int signal);
void watch_ended(pid_t pid, uint64_t start_time, int status);
void watch_repeat(void);
void watch_bury(void);

/* launcher_proc.c: what /proc/PID/stat says */
struct process_state {
  char state;
  pid_t parent;
  uint64_t start_time; /* clock ticks since boot */
  int exit_status;     /* as waitpid(2), once it is a zombie */
};
bool process_read(pid_t pid, struct process_state *state);
bool process_descends_from(pid_t pid, pid_t ancestor);

/* launcher_job.c: children that do one request */
struct capture {
  int fd; /* -1 once it ended */
  size_t length;
  uint8_t *bytes;
  struct source source;
};
void job_spawn(uint32_t request, const struct spawn *spawn);
void job_mounting(const struct request *request);
size_t jobs_count(void);
bool jobs_ended(pid_t pid, int status);
int jobs_kill(pid_t pid, uint64_t start_time, int signal);
int jobs_wait_ms(void);
void jobs_expire(void);
void jobs_bury(void);

/* launcher_spawn.c: the child of a SPAWN up to its execve; returns only on failure */
struct failure spawn_execute(const struct spawn *spawn, int input, int output, int error);

/* launcher_claim.c, and the pieces of a root: in a child of its own, which changes namespaces and credentials */
struct failure claim_run(const struct claim *claim);
struct failure open_namespace(uint32_t pid, const char *name, int *fd);
struct failure keep_capabilities(void);

/* launcher_mount.c: the same for what is mounted into a root later */
struct failure mount_run(const struct mount_request *request, uint64_t *mount);
struct failure unmount_run(const struct unmount_request *request);

/* launcher_writable.c: detached mounts of the ext4 file system in a file or a device, and of what holds a writable layer */
struct failure writable_mount(const char *path, int *mount);
struct failure disk_mount(const char *path, int *mount);
struct failure writable_open(const char *path, const char *place, int *mount);

/* launcher_disk.c: what is done with a sandbox's disk, as programs of their own */
int within(char **argv);
int clone_disk(char **argv);

/* launcher_uncover.c: what one layer hides of another, as a program of its own */
int uncover(char **argv);

/* launcher_overlay.c: a detached overlay. `user_namespace` is -1 when nothing is mapped. */
struct stack {
  const struct list *layers;
  uint32_t root_id;
  int user_namespace;
  int writable;      /* -1: read-only */
  const char *place; /* directory below `writable` that holds `upper` and `work` */
};
struct failure overlay_mount(const struct stack *stack, int *mount);
struct failure open_staging(void);
struct failure stage(int tree, const char *name);
struct failure tree_clone(const char *path, int user_namespace, uint64_t attributes, int *tree);
void act_as(uint32_t id);

/* launcher_place.c: mount points below a root whose contents are hostile */
struct failure place_directory(int root, const char *path, int *point);
struct failure place_file(int root, const char *path, int *point);
struct failure place_mount(int tree, int point, const char *step);
struct failure place_find(int root, const char *path, int *found);
struct failure place_inside(int root, const char *path, bool may_make, char *name, int *directory);
int place_open(int directory, const char *name, bool may_make);
int place_resolve(int root, const char *path);

#endif
