#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct job {
  uint8_t type; /* SPAWN, CLAIM, MOUNT or UNMOUNT */
  bool is_watched;
  uint32_t connection, request;
  pid_t pid;
  uint64_t start_time;
  int report; /* from the child: nothing when execve closed it, else a struct report; -1 once read */
  struct source source;
  struct report said;
  bool is_reported;
  bool has_ended;
  int status;
  uint64_t deadline; /* ms; 0: none */
  struct capture captures[2];
  bool is_over;
  struct job *next;
};

static struct job *all_jobs;
static size_t job_count;

size_t jobs_count(void) {
  return job_count;
}

static void close_fd(int *fd) {
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
}

static struct job *job_new(uint8_t type, uint32_t request) {
  struct job *job = calloc(1, sizeof *job);
  if (!job)
    return NULL;
  *job = (struct job){.type = type, .connection = link_connection(), .request = request, .report = -1};
  job->captures[0].fd = job->captures[1].fd = -1;
  job->next = all_jobs;
  all_jobs = job;
  job_count++;
  return job;
}

/* Freed at the end of the turn, because an event of this turn may still name it. */
static void job_over(struct job *job) {
  job->is_over = true;
  job_count--;
}

static void job_free(struct job *job) {
  loop_close(&job->report);
  for (int i = 0; i < 2; i++) {
    loop_close(&job->captures[i].fd);
    free(job->captures[i].bytes);
  }
  free(job);
}

void jobs_bury(void) {
  for (struct job **link = &all_jobs; *link;) {
    struct job *job = *link;
    if (!job->is_over) {
      link = &job->next;
      continue;
    }
    *link = job->next;
    job_free(job);
  }
}

/* Once the program has ended, its streams must too, or their time is up. */
static void finish_if_complete(struct job *job) {
  bool are_streams_open = job->captures[0].fd >= 0 || job->captures[1].fd >= 0;
  if (job->is_over || !job->is_reported || !job->has_ended || (are_streams_open && now_ms() < job->deadline))
    return;
  link_finished(job->connection, job->request, job->status, &job->captures[0], &job->captures[1]);
  job_over(job);
}

static void say(struct job *job) {
  if (job->type == SPAWN)
    link_spawned(job->connection, job->request, job->pid, job->start_time, &job->said.failure);
  else if (job->type == MOUNT)
    link_mounted(job->connection, job->request, &job->said);
  else
    link_done(job->connection, job->request, &job->said.failure);
}

static void start_watching(struct job *job) {
  if (!watch_add(job->pid, job->start_time)) {
    kill(job->pid, SIGKILL);
    job->said.failure = failure_of(EAGAIN, "watch");
  }
  job_over(job);
}

/* The child of a failed request is waited for, so that nothing it held is left when the answer arrives. */
static void reported(struct job *job) {
  loop_close(&job->report);
  job->is_reported = true;
  if (job->said.failure.error != 0)
    return;
  if (job->is_watched)
    start_watching(job);
  say(job);
}

static void say_failed(struct job *job) {
  say(job);
  job_over(job);
}

static void read_report(struct job *job) {
  ssize_t count = read(job->report, &job->said, sizeof job->said);
  if (count < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (count == 0 && job->type == SPAWN)
    job->said.failure = SUCCESS;
  else if (count != (ssize_t)sizeof job->said)
    job->said.failure = failure_of(job->deadline && now_ms() >= job->deadline ? ETIMEDOUT : EIO, "child");
  job->said.failure.step[STEP_MAX - 1] = '\0';
  reported(job);
}

static void report_ready(void *owner, uint32_t events) {
  struct job *job = owner;
  (void)events;
  if (job->report >= 0)
    read_report(job);
}

/* What does not fit is read all the same, so that the program is never held up. False when there was nothing. */
static bool capture_read(struct capture *capture) {
  uint8_t dropped[CAPTURE_MAX];
  size_t room = CAPTURE_MAX - capture->length;
  if (!capture->bytes)
    capture->bytes = malloc(CAPTURE_MAX);
  bool is_kept = capture->bytes && room > 0;
  ssize_t count = is_kept ? read(capture->fd, capture->bytes + capture->length, room)
                          : read(capture->fd, dropped, sizeof dropped);
  if (count > 0 && is_kept)
    capture->length += (size_t)count;
  if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
    loop_close(&capture->fd);
  return count > 0;
}

/* Everything written so far that fits. */
static void capture_drain(struct capture *capture) {
  while (capture->fd >= 0 && capture->length < CAPTURE_MAX && capture_read(capture)) {
  }
}

static void capture_ready(struct job *job, struct capture *capture) {
  if (job->is_over || capture->fd < 0)
    return;
  capture_read(capture);
  finish_if_complete(job);
}

static void output_ready(void *owner, uint32_t events) {
  (void)events;
  capture_ready(owner, &((struct job *)owner)->captures[0]);
}

static void error_ready(void *owner, uint32_t events) {
  (void)events;
  capture_ready(owner, &((struct job *)owner)->captures[1]);
}

static bool watch_reading(int fd, struct source *source, void (*ready)(void *, uint32_t), struct job *job) {
  *source = (struct source){.ready = ready, .owner = job};
  return fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && loop_add(fd, EPOLLIN, source);
}

static bool open_report(struct job *job, int *writer) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0)
    return false;
  job->report = fds[0];
  *writer = fds[1];
  return watch_reading(job->report, &job->source, report_ready, job);
}

static bool open_capture(struct job *job, int index, int *writer) {
  int fds[2];
  struct capture *capture = &job->captures[index];
  if (pipe2(fds, O_CLOEXEC) != 0)
    return false;
  capture->fd = fds[0];
  *writer = fds[1];
  return watch_reading(capture->fd, &capture->source, index == 0 ? output_ready : error_ready, job);
}

/*
 * An empty file of its own that nobody can write to. Not the host's /dev/null: a runtime hands its stdio to the root user of the
 * sandbox (crun's fchown in linux.c), who could then take the device away from the whole machine with chmod.
 */
static int open_nothing(void) {
  int fd = memfd_create("nothing", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
    return fd;
  close(fd);
  return -1;
}

/* Ordinary memory as stdin: there is no pipe to feed, and programs may open /dev/stdin again. */
static int open_input(const struct spawn *spawn) {
  if (spawn->input_length == 0)
    return open_nothing();
  int fd = memfd_create("stdin", MFD_CLOEXEC);
  if (fd < 0)
    return -1;
  if (write(fd, spawn->input, spawn->input_length) == (ssize_t)spawn->input_length && lseek(fd, 0, SEEK_SET) == 0)
    return fd;
  close(fd);
  return -1;
}

/* Signals are blocked from the fork on, so no handler of the launcher's runs in a child. */
static void reset_signals(void) {
  sigset_t none;
  for (int number = 1; number < NSIG; number++)
    signal(number, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void report_and_exit(int writer, const struct report *report) {
  ssize_t count = write(writer, report, sizeof *report);
  _exit(count == (ssize_t)sizeof *report && report->failure.error == 0 ? 0 : 127);
}

struct spawn_fds {
  int report, input, streams[2];
};

static void run_spawn(const struct spawn *spawn, const struct spawn_fds *fds) {
  reset_signals();
  struct report report = {.failure = spawn_execute(spawn, fds->input, fds->streams[0], fds->streams[1])};
  report_and_exit(fds->report, &report);
}

static bool open_streams(struct job *job, const struct spawn *spawn, struct spawn_fds *fds) {
  fds->input = open_input(spawn);
  for (int i = 0; i < 2 && fds->input >= 0; i++) {
    bool is_open = job->is_watched ? (fds->streams[i] = fcntl(fds->input, F_DUPFD_CLOEXEC, 3)) >= 0
                                   : open_capture(job, i, &fds->streams[i]);
    if (!is_open)
      return false;
  }
  return fds->input >= 0;
}

static void note_start_time(struct job *job) {
  struct process_state state;
  if (process_read(job->pid, &state))
    job->start_time = state.start_time;
}

static int start_spawn(struct job *job, const struct spawn *spawn, struct spawn_fds *fds) {
  if (!open_report(job, &fds->report) || !open_streams(job, spawn, fds))
    return errno;
  job->pid = fork();
  if (job->pid == 0)
    run_spawn(spawn, fds);
  if (job->pid < 0)
    return errno;
  note_start_time(job);
  return 0;
}

void job_spawn(uint32_t request, const struct spawn *spawn) {
  struct spawn_fds fds = {-1, -1, {-1, -1}};
  struct job *job = job_new(SPAWN, request);
  struct failure failure = failure_of(ENOMEM, "fork");
  if (!job) {
    link_spawned(link_connection(), request, 0, 0, &failure);
    return;
  }
  job->is_watched = (spawn->flags & SPAWN_IS_WATCHED) != 0;
  int error = start_spawn(job, spawn, &fds);
  close_fd(&fds.report);
  close_fd(&fds.input);
  close_fd(&fds.streams[0]);
  close_fd(&fds.streams[1]);
  if (error == 0)
    return;
  job->pid = 0;
  job->said.failure = failure_of(error, "fork");
  say_failed(job);
}

static struct failure perform(const struct request *request, uint64_t *mount) {
  if (request->type == CLAIM)
    return claim_run(&request->claim);
  return request->type == MOUNT ? mount_run(&request->mount, mount) : unmount_run(&request->unmount);
}

static void run_mounting(const struct request *request, int writer) {
  struct report report = {0};
  reset_signals();
  if (dup2(writer, 3) < 0)
    _exit(127);
  close_range(4, ~0u, 0);
  report.failure = perform(request, &report.mount);
  report_and_exit(3, &report);
}

static int start_mounting(struct job *job, const struct request *request, int *writer) {
  if (!open_report(job, writer))
    return errno;
  job->pid = fork();
  if (job->pid == 0)
    run_mounting(request, *writer);
  return job->pid < 0 ? errno : 0;
}

/* A claim, a mount or an unmount: in a child, because it changes namespaces and credentials. */
void job_mounting(const struct request *request) {
  int writer = -1;
  struct job refused = {.type = request->type, .connection = link_connection(), .request = request->id};
  struct job *job = job_new(request->type, request->id);
  if (!job) {
    refused.said.failure = failure_of(ENOMEM, "fork");
    say(&refused);
    return;
  }
  job->deadline = now_ms() + MOUNTING_LIMIT_MS;
  int error = start_mounting(job, request, &writer);
  close_fd(&writer);
  if (error == 0)
    return;
  job->pid = 0;
  job->said.failure = failure_of(error, "fork");
  say_failed(job);
}

static void ended(struct job *job, int status) {
  job->has_ended = true;
  job->status = status;
  if (!job->is_reported)
    read_report(job); /* its writer is gone, so this does not wait */
  if (job->is_over)
    return;
  if (job->said.failure.error != 0) {
    say_failed(job);
    return;
  }
  if (job->type != SPAWN) {
    job_over(job);
    return;
  }
  job->deadline = now_ms() + STREAMS_LIMIT_MS;
  finish_if_complete(job);
}

/* Whether nobody else needs to hear of that end. */
bool jobs_ended(pid_t pid, int status) {
  for (struct job *job = all_jobs; job; job = job->next) {
    if (job->pid != pid || job->has_ended || job->is_over)
      continue;
    bool is_watched = job->is_watched;
    ended(job, status);
    return !is_watched || job->said.failure.error != 0;
  }
  return false;
}

/* A captured program leads a session and a process group of its own. */
int jobs_kill(pid_t pid, uint64_t start_time, int signal) {
  for (struct job *job = all_jobs; job; job = job->next)
    if (job->type == SPAWN && job->pid == pid && job->start_time == start_time && !job->has_ended && !job->is_over)
      return kill(-pid, signal) == 0 ? 0 : errno;
  return ESRCH;
}

int jobs_wait_ms(void) {
  uint64_t now = now_ms(), soonest = UINT64_MAX;
  for (struct job *job = all_jobs; job; job = job->next)
    if (!job->is_over && job->deadline > 0 && job->deadline < soonest)
      soonest = job->deadline;
  if (soonest == UINT64_MAX)
    return -1;
  return soonest <= now ? 0 : (int)(soonest - now);
}

static void expire(struct job *job) {
  if (job->type != SPAWN) {
    kill(job->pid, SIGKILL);
    job->deadline = UINT64_MAX - 1; /* once */
  } else {
    /* A launcher that is itself short of time may not have looked at them since. */
    capture_drain(&job->captures[0]);
    capture_drain(&job->captures[1]);
    finish_if_complete(job);
  }
}

void jobs_expire(void) {
  uint64_t now = now_ms();
  for (struct job *job = all_jobs; job; job = job->next)
    if (!job->is_over && job->deadline > 0 && now >= job->deadline)
      expire(job);
}
