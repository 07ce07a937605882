#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
  BACKLOG = 128,
  PEERS_MAX = 8,           /* connections at a time; all but one have not attached */
  OUTGOING_HIGH = 1 << 20, /* with more than this unread by the daemon, its requests wait */
  READ_STEP = 64 << 10,
  SMALL_FRAME = 64 + STEP_MAX,
};

struct buffer {
  uint8_t *bytes;
  size_t length, size;
};

struct peer {
  int fd; /* -1 once closed */
  uint32_t id;
  uint32_t events; /* what the loop waits for */
  struct buffer incoming, outgoing;
  struct source source;
  struct peer *next;
};

static int listener = -1;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static struct source listener_source;
static struct peer *all_peers, *attached;
static uint32_t last_id;

uint32_t link_connection(void) {
  return attached ? attached->id : 0;
}

static bool reserve(struct buffer *buffer, size_t more) {
  if (buffer->length + more <= buffer->size)
    return true;
  size_t size = buffer->length + more + READ_STEP;
  uint8_t *bytes = realloc(buffer->bytes, size);
  if (!bytes)
    return false;
  buffer->bytes = bytes;
  buffer->size = size;
  return true;
}

static void drop(struct buffer *buffer, size_t count) {
  buffer->length -= count;
  if (buffer->length > 0)
    memmove(buffer->bytes, buffer->bytes + count, buffer->length);
  if (buffer->length == 0 && buffer->size > 4 * READ_STEP) {
    free(buffer->bytes);
    *buffer = (struct buffer){0};
  }
}

/* shutdown ends the connection even while a child that was just forked still has a copy of the descriptor. */
static void hang_up(struct peer *peer) {
  if (peer->fd < 0)
    return;
  shutdown(peer->fd, SHUT_RDWR);
  loop_close(&peer->fd);
  if (peer == attached)
    attached = NULL;
}

static void bury_peers(void) {
  for (struct peer **link = &all_peers; *link;) {
    struct peer *peer = *link;
    if (peer->fd >= 0) {
      link = &peer->next;
      continue;
    }
    *link = peer->next;
    free(peer->incoming.bytes);
    free(peer->outgoing.bytes);
    free(peer);
  }
}

static struct frame_writer frame_open(struct peer *peer, uint8_t type, size_t room) {
  struct frame_writer writer = {.failed = true};
  if (!peer || peer->fd < 0)
    return writer;
  if (!reserve(&peer->outgoing, room)) {
    hang_up(peer);
    return writer;
  }
  writer = (struct frame_writer){.bytes = peer->outgoing.bytes + peer->outgoing.length, .room = room};
  frame_begin(&writer, type);
  return writer;
}

static void frame_close(struct peer *peer, struct frame_writer *writer) {
  frame_end(writer, 0);
  if (!writer->failed)
    peer->outgoing.length += writer->length;
}

static struct peer *attached_as(uint32_t connection) {
  return attached && attached->id == connection ? attached : NULL;
}

static void put_failure(struct frame_writer *writer, const struct failure *failure) {
  frame_put_u32(writer, (uint32_t)failure->error);
  frame_put_str(writer, failure->error ? failure->step : "");
}

void link_spawned(uint32_t connection, uint32_t request, pid_t pid, uint64_t start_time, const struct failure *failure) {
  struct peer *peer = attached_as(connection);
  struct frame_writer writer = frame_open(peer, SPAWNED, SMALL_FRAME);
  frame_put_u32(&writer, request);
  frame_put_u32(&writer, (uint32_t)pid);
  frame_put_u64(&writer, start_time);
  put_failure(&writer, failure);
  frame_close(peer, &writer);
}

static void put_capture(struct frame_writer *writer, const struct capture *capture) {
  frame_put_u32(writer, (uint32_t)capture->length);
  frame_put(writer, capture->bytes, capture->length);
}

void link_finished(uint32_t connection, uint32_t request, int status, const struct capture *output, const struct capture *error) {
  struct peer *peer = attached_as(connection);
  struct frame_writer writer = frame_open(peer, FINISHED, SMALL_FRAME + output->length + error->length);
  frame_put_u32(&writer, request);
  frame_put_u32(&writer, (uint32_t)status);
  put_capture(&writer, output);
  put_capture(&writer, error);
  frame_close(peer, &writer);
}

void link_watched(uint32_t request, int error, uint64_t start_time) {
  struct frame_writer writer = frame_open(attached, WATCHED, SMALL_FRAME);
  frame_put_u32(&writer, request);
  frame_put_u32(&writer, (uint32_t)error);
  frame_put_u64(&writer, start_time);
  frame_close(attached, &writer);
}

void link_gone(pid_t pid, uint64_t start_time, int status) {
  struct frame_writer writer = frame_open(attached, GONE, SMALL_FRAME);
  frame_put_u32(&writer, (uint32_t)pid);
  frame_put_u64(&writer, start_time);
  frame_put_u32(&writer, (uint32_t)status);
  frame_close(attached, &writer);
}

void link_done(uint32_t connection, uint32_t request, const struct failure *failure) {
  struct peer *peer = attached_as(connection);
  struct frame_writer writer = frame_open(peer, DONE, SMALL_FRAME);
  frame_put_u32(&writer, request);
  put_failure(&writer, failure);
  frame_close(peer, &writer);
}

void link_mounted(uint32_t connection, uint32_t request, const struct report *report) {
  struct peer *peer = attached_as(connection);
  struct frame_writer writer = frame_open(peer, MOUNTED, SMALL_FRAME);
  frame_put_u32(&writer, request);
  put_failure(&writer, &report->failure);
  frame_put_u64(&writer, report->mount);
  frame_close(peer, &writer);
}

static void greet(struct peer *peer) {
  uint32_t count = watched_running();
  struct frame_writer writer = frame_open(peer, GREETING, SMALL_FRAME + (size_t)count * 12);
  frame_put_u32(&writer, PROTOCOL_VERSION);
  frame_put_u32(&writer, (uint32_t)getpid());
  frame_put_u32(&writer, count);
  for (struct watched *watched = all_watched; watched; watched = watched->next)
    if (!watched->has_ended) {
      frame_put_u32(&writer, (uint32_t)watched->pid);
      frame_put_u64(&writer, watched->start_time);
    }
  frame_close(peer, &writer);
}

/* The newest daemon wins. Ends that were told to an older one, and not recorded, are told again. */
static bool attach(struct peer *peer, const struct request *request) {
  if (request->version != PROTOCOL_VERSION) {
    fprintf(stderr, "launcher: a daemon of version %u instead of %d was refused\n", request->version, PROTOCOL_VERSION);
    return false;
  }
  if (attached && attached != peer)
    hang_up(attached);
  attached = peer;
  watch_repeat();
  return true;
}

static void say_killed(const struct request *request) {
  int error = watch_kill((pid_t)request->pid, request->start_time, request->signal);
  if (error == ESRCH)
    error = jobs_kill((pid_t)request->pid, request->start_time, request->signal);
  struct failure failure = failure_of(error, "kill");
  link_done(attached->id, request->id, &failure);
}

static bool perform(struct peer *peer, const struct request *request) {
  if ((request->type == ATTACH) == (peer == attached))
    return false; /* the first frame, and no other */
  switch (request->type) {
  case ATTACH:
    return attach(peer, request);
  case SPAWN:
    job_spawn(request->id, &request->spawn);
    break;
  case WATCH:
    watch_request(request->id, (pid_t)request->pid);
    break;
  case FORGET:
    watch_forget((pid_t)request->pid, request->start_time);
    break;
  case KILL:
    say_killed(request);
    break;
  case CLAIM:
  case MOUNT:
  case UNMOUNT:
    job_mounting(request);
    break;
  }
  return true;
}

static void refuse(struct peer *peer) {
  fprintf(stderr, "launcher: a connection that sent an invalid frame was closed\n");
  hang_up(peer);
}

static bool is_busy(const struct peer *peer) {
  return jobs_count() >= JOBS_MAX || peer->outgoing.length > OUTGOING_HIGH;
}

static void take_frame(struct peer *peer, struct frame frame) {
  struct request request;
  if (!request_decode(frame, &request)) {
    refuse(peer);
    return;
  }
  if (!perform(peer, &request))
    refuse(peer);
  request_free(&request);
}

/* Whether there may be more that had to wait. */
static bool take_frames(struct peer *peer) {
  size_t at = 0, taken;
  bool is_waiting = true;
  while (peer->fd >= 0 && is_waiting && !is_busy(peer)) {
    struct frame frame;
    enum frame_found found = frame_find(peer->incoming.bytes + at, peer->incoming.length - at, FRAME_MAX, &frame, &taken);
    if (found == FRAME_INVALID)
      refuse(peer);
    is_waiting = found == FRAME_COMPLETE;
    if (!is_waiting)
      break;
    take_frame(peer, frame);
    at += taken;
  }
  if (at > 0)
    drop(&peer->incoming, at);
  return is_waiting && peer->fd >= 0;
}

static void receive(struct peer *peer) {
  if (!reserve(&peer->incoming, READ_STEP)) {
    hang_up(peer);
    return;
  }
  ssize_t count = recv(peer->fd, peer->incoming.bytes + peer->incoming.length, READ_STEP, MSG_DONTWAIT);
  if (count > 0)
    peer->incoming.length += (size_t)count;
  else if (count == 0 || (errno != EAGAIN && errno != EINTR))
    hang_up(peer);
}

static void flush(struct peer *peer) {
  while (peer->fd >= 0 && peer->outgoing.length > 0) {
    ssize_t count = send(peer->fd, peer->outgoing.bytes, peer->outgoing.length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0)
      drop(&peer->outgoing, (size_t)count);
    else if (errno == EAGAIN)
      return;
    else if (errno != EINTR)
      hang_up(peer);
  }
}

static void peer_ready(void *owner, uint32_t events) {
  struct peer *peer = owner;
  if (peer->fd < 0)
    return;
  if (events & EPOLLIN)
    receive(peer);
  else if (events & (EPOLLHUP | EPOLLERR))
    hang_up(peer);
}

static void wait_for(struct peer *peer) {
  uint32_t events = (is_busy(peer) ? 0u : (uint32_t)EPOLLIN) | (peer->outgoing.length > 0 ? (uint32_t)EPOLLOUT : 0u);
  if (peer->fd < 0 || events == peer->events)
    return;
  loop_change(peer->fd, events, &peer->source);
  peer->events = events;
}

/* At the end of each turn of the loop. Frames that had waited for room are taken up here. */
void link_turn(void) {
  for (struct peer *peer = all_peers; peer; peer = peer->next) {
    bool is_waiting;
    do {
      is_waiting = take_frames(peer);
      flush(peer);
    } while (is_waiting && !is_busy(peer));
    wait_for(peer);
  }
  bury_peers();
}

static bool is_own(int fd) {
  struct ucred credentials;
  socklen_t length = sizeof credentials;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0 && credentials.uid == geteuid();
}

/* Too many that never attach: the oldest of them goes. */
static void make_room(void) {
  struct peer *oldest = NULL;
  size_t count = 0;
  for (struct peer *peer = all_peers; peer; peer = peer->next) {
    if (peer == attached || peer->fd < 0)
      continue;
    oldest = peer;
    count++;
  }
  if (count >= PEERS_MAX - 1)
    hang_up(oldest);
}

static void accept_peer(int fd) {
  struct peer *peer = is_own(fd) ? calloc(1, sizeof *peer) : NULL;
  if (!peer) {
    close(fd);
    return;
  }
  make_room();
  peer->fd = fd;
  peer->id = ++last_id;
  peer->events = EPOLLIN;
  peer->source = (struct source){.ready = peer_ready, .owner = peer};
  peer->next = all_peers;
  all_peers = peer;
  if (loop_add(fd, EPOLLIN, &peer->source))
    greet(peer);
  else
    hang_up(peer);
}

static void listener_ready(void *owner, uint32_t events) {
  (void)owner;
  (void)events;
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd >= 0)
    accept_peer(fd);
}

static bool is_answered(void) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool is_answered = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
  if (fd >= 0)
    close(fd);
  return is_answered;
}

static bool bind_private(void) {
  mode_t mask = umask(0177);
  bool is_bound = bind(listener, (struct sockaddr *)&address, sizeof address) == 0;
  umask(mask);
  return is_bound;
}

/* EADDRINUSE when another launcher answers there; a socket that nobody listens on is replaced. */
struct failure link_open(const char *path) {
  if (strlen(path) >= sizeof address.sun_path)
    return failure_of(ENAMETOOLONG, "socket %s", path);
  strcpy(address.sun_path, path);
  if (is_answered())
    return failure_of(EADDRINUSE, "socket %s", path);
  unlink(path);
  listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  listener_source.ready = listener_ready;
  if (listener < 0 || !bind_private() || listen(listener, BACKLOG) != 0 || !loop_add(listener, EPOLLIN, &listener_source))
    return failure_of(errno, "socket %s", path);
  return SUCCESS;
}

void link_close(void) {
  if (listener >= 0)
    unlink(address.sun_path);
}
