#include "init.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
  RETRY_FIRST_MS = 20,
  RETRY_MAX_MS = 500,
  HANGUP_MS = 250,
  INCOMING_FIRST = 64 << 10,
  INCOMING_PER_TURN = 1 << 20,
  OUTGOING_MAX = 2 << 20,  /* a RESUME of 1 MiB is answered with at most half as many bytes of UNKNOWN */
  OUTGOING_HIGH = 64 << 10, /* with more than this waiting, commands wait too */
  SENT_PER_TURN = 1 << 20,
  CONTROL_FRAME_MAX = 64,
};

/* Bytes between `start` and `start + length` of an allocation of `size`. */
struct buffer {
  uint8_t *bytes;
  size_t start, length, size;
};

enum link_state { WAITING, GREETED, LIVE };

static enum link_state state = WAITING;
static int socket_fd = -1;
static bool can_read, can_write;
static struct buffer incoming, outgoing;
static uint64_t retry_at;
static int retry_ms = RETRY_FIRST_MS;
static struct source socket_source = {.kind = SOURCE_SOCKET, .owner = NULL};

static bool buffer_reserve(struct buffer *buffer, size_t more) {
  if (buffer->start > 0 && buffer->start + buffer->length + more > buffer->size) {
    memmove(buffer->bytes, buffer->bytes + buffer->start, buffer->length);
    buffer->start = 0;
  }
  size_t needed = buffer->length + more;
  if (needed <= buffer->size - buffer->start)
    return true;
  size_t size = needed < INCOMING_FIRST ? INCOMING_FIRST : needed + needed / 4;
  uint8_t *bytes = realloc(buffer->bytes, size);
  if (!bytes)
    return false;
  buffer->bytes = bytes;
  buffer->size = size;
  return true;
}

static void buffer_drop(struct buffer *buffer, size_t count) {
  buffer->length -= count;
  buffer->start = buffer->length == 0 ? 0 : buffer->start + count;
}

/* What was large once (a RESUME, a START with a large environment) does not stay so. */
static void buffer_shrink(struct buffer *buffer) {
  if (buffer->length > 0 || buffer->size <= 4 * INCOMING_FIRST)
    return;
  free(buffer->bytes);
  *buffer = (struct buffer){0};
}

static void disconnect(int wait_ms) {
  if (socket_fd >= 0)
    unwatch_and_close(socket_fd);
  socket_fd = -1;
  state = WAITING;
  can_read = can_write = false;
  incoming.start = incoming.length = outgoing.start = outgoing.length = 0;
  probes_cancel();
  retry_at = now_ms() + (uint64_t)wait_ms;
}

static void disconnect_and_retry(void) {
  disconnect(retry_ms);
  retry_ms = retry_ms * 2 < RETRY_MAX_MS ? retry_ms * 2 : RETRY_MAX_MS;
}

/* Room for one frame with `payload` bytes; NULL when there is no connection, or it had to be given up. */
static struct frame_writer *frame_open(uint8_t type, size_t payload) {
  static struct frame_writer writer;
  size_t room = FRAME_HEADER_BYTES + payload;
  if (socket_fd < 0)
    return NULL;
  if (outgoing.length + room > OUTGOING_MAX || !buffer_reserve(&outgoing, room)) {
    disconnect_and_retry();
    return NULL;
  }
  writer = (struct frame_writer){.bytes = outgoing.bytes + outgoing.start + outgoing.length, .room = room};
  frame_begin(&writer, type);
  return &writer;
}

static void frame_close(struct frame_writer *writer) {
  frame_end(writer, 0);
  outgoing.length += writer->length;
}

static void say_numbers(uint8_t type, uint32_t first, uint32_t second, int count) {
  struct frame_writer *writer = frame_open(type, CONTROL_FRAME_MAX);
  if (!writer)
    return;
  frame_put_u32(writer, first);
  if (count > 1)
    frame_put_u32(writer, second);
  frame_close(writer);
}

static void say_failure(uint8_t type, uint32_t id, struct failure failure) {
  struct frame_writer *writer = frame_open(type, CONTROL_FRAME_MAX);
  if (!writer)
    return;
  frame_put_u32(writer, id);
  frame_put_u32(writer, (uint32_t)failure.error);
  frame_put_str(writer, failure.step);
  frame_close(writer);
}

void link_start_refused(uint32_t id, struct failure failure) {
  say_failure(START_FAILED, id, failure);
}

void link_setup_done(uint32_t request, struct failure failure) {
  say_failure(SETUP_DONE, request, failure);
}

void link_mount_done(uint32_t request, struct failure failure) {
  say_failure(MOUNT_DONE, request, failure);
}

void link_probe_result(uint32_t request, int error) {
  say_numbers(PROBE_RESULT, request, (uint32_t)error, 2);
}

void link_unknown(uint32_t id) {
  say_numbers(UNKNOWN, id, 0, 1);
}

void link_pong(uint32_t request) {
  say_numbers(PONG, request, 0, 1);
}

void link_hang_up(void) {
  disconnect(HANGUP_MS);
}

void link_resumed(void) {
  state = LIVE;
  retry_ms = RETRY_FIRST_MS;
}

static void say_eof(const struct output *output) {
  struct frame_writer *writer = frame_open(END_OF_FILE, CONTROL_FRAME_MAX);
  if (!writer)
    return;
  frame_put_u32(writer, output->process->id);
  frame_put_u8(writer, output->stream);
  frame_put_u64(writer, ring_end(&output->held));
  frame_close(writer);
}

static void say_stdin_ack(const struct process *process) {
  struct frame_writer *writer = frame_open(STDIN_ACK, CONTROL_FRAME_MAX);
  if (!writer)
    return;
  frame_put_u32(writer, process->id);
  frame_put_u64(writer, process->input.held.base);
  frame_put_u8(writer, process->input.closed);
  frame_close(writer);
}

/* STARTED comes before all else of its process. */
static void say(struct process *process) {
  unsigned what = process->say;
  process->say = 0;
  if (what & SAY_START_FAILED)
    say_failure(START_FAILED, process->id, process->failure);
  if (what & SAY_STARTED)
    say_numbers(STARTED, process->id, (uint32_t)process->pid, 2);
  if (what & SAY_STDIN_ACK)
    say_stdin_ack(process);
  if (what & SAY_STDOUT_EOF)
    say_eof(&process->outputs[0]);
  if (what & SAY_STDERR_EOF)
    say_eof(&process->outputs[1]);
  if (what & SAY_EXITED)
    say_numbers(EXITED, process->id, (uint32_t)process->status, 2);
}

static void say_hello(void) {
  size_t count = 0;
  for (struct node *node = all_processes.next; node != &all_processes; node = node->next)
    count++;
  struct frame_writer *writer = frame_open(HELLO, 8 + 4 * count);
  if (!writer)
    return;
  frame_put_u32(writer, PROTOCOL_VERSION);
  frame_put_u32(writer, (uint32_t)count);
  for (struct node *node = all_processes.next; node != &all_processes; node = node->next)
    frame_put_u32(writer, OWNER(struct process, all, node)->id);
  frame_close(writer);
  state = GREETED;
}

/* Through the directory that was opened at start: its path belongs to a root that init has left. */
static int connect_control(int fd) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "control.sock"};
  if (fchdir(control_directory) != 0)
    return -1;
  int result = connect(fd, (struct sockaddr *)&address, sizeof address);
  return chdir("/") == 0 ? result : -1;
}

static void try_connect(void) {
  socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket_fd < 0 || connect_control(socket_fd) != 0 || !watch(socket_fd, EPOLLIN | EPOLLOUT, &socket_source)) {
    disconnect_and_retry();
    return;
  }
  can_write = true;
  say_hello();
}

void link_open(void) {
  retry_at = now_ms();
}

void link_event(uint32_t events) {
  if (socket_fd < 0)
    return;
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
    can_read = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
    can_write = true;
}

static bool take_frame(struct frame *frame) {
  if (state == GREETED)
    return frame->type == RESUME && command_resume(&frame->payload);
  return frame->type != RESUME && command_take(frame);
}

/* The connection may end in any frame, and with it the buffer's content. */
static void take_frames(void) {
  struct frame frame;
  size_t taken;
  while (socket_fd >= 0 && outgoing.length <= OUTGOING_HIGH) {
    enum frame_found found =
        frame_find(incoming.bytes + incoming.start, incoming.length, FRAME_IN_MAX, &frame, &taken);
    if (found == FRAME_INCOMPLETE)
      return;
    if (found == FRAME_INVALID || !take_frame(&frame)) {
      disconnect_and_retry();
      return;
    }
    if (socket_fd >= 0)
      buffer_drop(&incoming, taken);
  }
}

/* Bytes to ask the socket for: the rest of a frame of which the beginning is here, and at least some. */
static size_t wanted_bytes(void) {
  struct frame frame;
  size_t whole;
  frame_find(incoming.bytes + incoming.start, incoming.length, FRAME_IN_MAX, &frame, &whole);
  size_t missing = whole > incoming.length ? whole - incoming.length : 0;
  return missing < INCOMING_FIRST / 2 ? INCOMING_FIRST / 2 : missing;
}

static ssize_t receive(void) {
  size_t wanted = wanted_bytes();
  if (!buffer_reserve(&incoming, wanted)) {
    disconnect_and_retry();
    return 0;
  }
  ssize_t count = recv(socket_fd, incoming.bytes + incoming.start + incoming.length, wanted, 0);
  if (count > 0)
    incoming.length += (size_t)count;
  else if (count < 0 && errno == EAGAIN)
    can_read = false;
  else if (count == 0 || errno != EINTR)
    disconnect_and_retry();
  return count > 0 ? count : 0;
}

static void read_commands(void) {
  size_t total = 0;
  take_frames();
  while (socket_fd >= 0 && can_read && outgoing.length <= OUTGOING_HIGH && total < INCOMING_PER_TURN) {
    total += (size_t)receive();
    if (socket_fd >= 0)
      take_frames();
  }
  buffer_shrink(&incoming);
}

/* Bytes sent; fewer than asked for when the socket takes no more, or is gone. */
static size_t send_pieces(struct iovec *pieces, size_t count) {
  struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
  ssize_t sent;
  do
    sent = sendmsg(socket_fd, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent >= 0)
    return (size_t)sent;
  can_write = false;
  if (errno != EAGAIN)
    disconnect_and_retry();
  return 0;
}

static void send_outgoing(void) {
  struct iovec piece = {.iov_base = outgoing.bytes + outgoing.start, .iov_len = outgoing.length};
  size_t sent = send_pieces(&piece, 1);
  if (socket_fd >= 0)
    buffer_drop(&outgoing, sent);
}

/* What the socket did not take of a frame goes first next time; there was room reserved for it. */
static void keep_rest(const struct iovec *pieces, int count, size_t sent) {
  for (int i = 0; i < count; i++) {
    size_t skipped = sent < pieces[i].iov_len ? sent : pieces[i].iov_len;
    size_t rest = pieces[i].iov_len - skipped;
    sent -= skipped;
    if (rest > 0)
      memcpy(outgoing.bytes + outgoing.start + outgoing.length, (uint8_t *)pieces[i].iov_base + skipped, rest);
    outgoing.length += rest;
  }
}

/* One OUTPUT straight from the ring. Bytes of it that were sent. */
static size_t send_output(struct output *output) {
  uint8_t header[FRAME_HEADER_BYTES + 13];
  struct frame_writer writer = {.bytes = header, .room = sizeof header};
  struct iovec pieces[3];
  size_t from = (size_t)(output->sent - output->held.base);
  size_t count = output->held.length - from < OUTPUT_FRAME_MAX ? output->held.length - from : OUTPUT_FRAME_MAX;
  if (!buffer_reserve(&outgoing, sizeof header + count)) {
    disconnect_and_retry();
    return 0;
  }
  frame_begin(&writer, OUTPUT);
  frame_put_u32(&writer, output->process->id);
  frame_put_u8(&writer, output->stream);
  frame_put_u64(&writer, output->sent);
  frame_end(&writer, count);
  pieces[0] = (struct iovec){.iov_base = header, .iov_len = sizeof header};
  int piece_count = 1 + ring_pieces(&output->held, from, count, pieces + 1);
  size_t sent = send_pieces(pieces, (size_t)piece_count);
  if (sent > 0) {
    keep_rest(pieces, piece_count, sent);
    output_sent(output, count);
  }
  return sent;
}

static void encode_sayings(void) {
  struct node *node;
  while (outgoing.length < OUTGOING_HIGH && (node = node_first(&saying_processes))) {
    node_remove(node);
    say(OWNER(struct process, saying, node));
    if (socket_fd < 0)
      return;
  }
}

static bool has_more_to_send(void) {
  return outgoing.length > 0 || (state == LIVE && (node_first(&saying_processes) || node_first(&sendable_outputs)));
}

static size_t send_next_output(void) {
  struct node *node = node_first(&sendable_outputs);
  struct output *output = OWNER(struct output, sending, node);
  node_remove(node);
  size_t sent = send_output(output);
  if (sent == 0)
    node_queue(&sendable_outputs, node);
  return sent;
}

/* What is said is short and goes first, so that an exit never waits behind a flood; then each stream in its turn. */
static void send_all(void) {
  size_t total = 0;
  while (socket_fd >= 0 && can_write && total < SENT_PER_TURN && has_more_to_send()) {
    if (state == LIVE)
      encode_sayings();
    if (socket_fd >= 0 && outgoing.length > 0)
      send_outgoing();
    else if (socket_fd >= 0 && node_first(&sendable_outputs) && send_next_output() == 0)
      return;
  }
  buffer_shrink(&outgoing);
}

void link_turn(void) {
  if (state == WAITING && now_ms() >= retry_at)
    try_connect();
  read_commands();
  send_all();
}

bool link_is_busy(void) {
  if (socket_fd < 0)
    return false;
  return (can_read && outgoing.length <= OUTGOING_HIGH) || (can_write && has_more_to_send());
}

int link_wait_ms(void) {
  if (state != WAITING)
    return -1;
  uint64_t now = now_ms();
  return retry_at > now ? (int)(retry_at - now) : 0;
}
