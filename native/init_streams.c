#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <termios.h>
#include <unistd.h>

enum {
  READ_MAX = 128 << 10,  /* of one stream in one turn: what keeps a flood from starving the others */
  FLOOD_BYTES = 64 << 10, /* one read that brings so much came from a full pipe */
  PIPE_BYTES = 1 << 20,
  WORTHWHILE_BYTES = 32 << 10,
};

struct node sendable_outputs;
static struct node readable_outputs;

void streams_open(void) {
  node_clear(&sendable_outputs);
  node_clear(&readable_outputs);
}

bool streams_are_busy(void) {
  return !node_is_alone(&readable_outputs);
}

static void output_say_eof(struct output *output) {
  process_say(output->process, output->stream == 1 ? SAY_STDOUT_EOF : SAY_STDERR_EOF);
}

/* EOF is said after the last byte was sent. */
static void output_queue_send(struct output *output) {
  if (output->sent < ring_end(&output->held))
    node_queue(&sendable_outputs, &output->sending);
  else if (output->ended)
    output_say_eof(output);
}

/* Not for a few bytes: small acknowledgements would otherwise become small reads and small frames. */
static bool output_has_room(const struct output *output) {
  return output->held.length <= OUTPUT_HELD_MAX - WORTHWHILE_BYTES;
}

static void output_queue_read(struct output *output) {
  if (output->fd >= 0 && output->readable && output_has_room(output))
    node_queue(&readable_outputs, &output->reading);
}

static void output_close_fd(struct output *output) {
  node_remove(&output->reading);
  if (output->fd >= 0)
    unwatch_and_close(output->fd);
  output->fd = -1;
}

static void output_end(struct output *output) {
  output->ended = true;
  output_close_fd(output);
  output_queue_send(output);
}

/* A stream that does not exist (stderr of a pty, or one that cannot be watched) has ended at 0. */
void output_open(struct output *output, int fd) {
  output->fd = fd;
  if (fd < 0 || !watch(fd, EPOLLIN, &output->source))
    output_end(output);
}

void output_close(struct output *output) {
  node_remove(&output->sending);
  output_close_fd(output);
}

void output_event(struct output *output, uint32_t events) {
  (void)events;
  output->readable = true;
  output_queue_read(output);
}

/* Large pipes are for floods only: the kernel counts pipe pages of a user, and shrinks new pipes of one who has many. */
static void output_enlarge_pipe(struct output *output) {
  if (!output->is_pipe_enlarged)
    fcntl(output->fd, F_SETPIPE_SZ, PIPE_BYTES);
  output->is_pipe_enlarged = true;
}

/* Without memory for more the stream goes on with the room that acknowledgements free. */
static void output_make_room(struct output *output) {
  struct ring *held = &output->held;
  if (held->size == 0)
    ring_grow(held, 4096);
  else if (ring_room(held) < held->size / 2 && held->size < OUTPUT_HELD_MAX)
    ring_grow(held, held->size * 4);
}

/*
 * A terminal says EIO while no descriptor of its other side is open. Until its session's leader has exited that need not be the end; and to
 * close it would hang up on the leader, which many a program would notice between closing its streams and exiting.
 */
static bool output_may_come_back(const struct output *output) {
  return errno == EIO && output->process->has_terminal && !output->process->has_exited;
}

/* Whether there may be more to read. */
static bool output_read(struct output *output) {
  struct iovec pieces[2];
  size_t room = ring_room(&output->held) < READ_MAX ? ring_room(&output->held) : READ_MAX;
  ssize_t count = readv(output->fd, pieces, ring_pieces(&output->held, output->held.length, room, pieces));
  if (count > 0) {
    ring_added(&output->held, (size_t)count);
    output_queue_send(output);
    if (count >= FLOOD_BYTES)
      output_enlarge_pipe(output);
    return true;
  }
  if (count < 0 && errno == EINTR)
    return true;
  if (count < 0 && (errno == EAGAIN || output_may_come_back(output)))
    output->readable = false;
  else
    output_end(output);
  return false;
}

static void output_turn(struct output *output) {
  output_make_room(output);
  if (ring_room(&output->held) > 0 && output_read(output))
    output_queue_read(output);
}

void streams_turn(void) {
  struct node pass;
  struct node *node;
  node_clear(&pass);
  while ((node = node_first(&readable_outputs))) {
    node_remove(node);
    node_queue(&pass, node);
  }
  while ((node = node_first(&pass))) {
    node_remove(node);
    output_turn(OWNER(struct output, reading, node));
  }
}

void terminal_left(struct process *process) {
  output_event(&process->outputs[0], EPOLLHUP);
  if (process->input.fd < 0)
    return;
  input_close(&process->input);
  process_say(process, SAY_STDIN_ACK);
}

void output_sent(struct output *output, size_t count) {
  output->sent += count;
  output_queue_send(output);
}

/* Bytes that were not sent on this connection cannot be acknowledged by it. */
void output_ack(struct output *output, uint64_t offset) {
  uint64_t known = offset < output->sent ? offset : output->sent;
  if (known <= output->held.base)
    return;
  ring_drop(&output->held, (size_t)(known - output->held.base));
  if (output->ended && output->held.length == 0)
    ring_free(&output->held);
  output_queue_read(output);
}

void output_resume(struct output *output, uint64_t offset) {
  node_remove(&output->sending);
  output->sent = ring_end(&output->held);
  output_ack(output, offset);
  output->sent = output->held.base;
  output_queue_send(output);
}

void input_open(struct process *process, int fd, bool takes_floods) {
  struct input *input = &process->input;
  input->exists = true;
  input->fd = fd;
  input->writable = true;
  if (takes_floods)
    fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
  if (!watch(fd, EPOLLOUT, &input->source))
    input_close(input);
}

void input_close(struct input *input) {
  if (input->fd >= 0)
    unwatch_and_close(input->fd);
  input->fd = -1;
  input->closed = true;
}

/* A terminal has no other end of file than the character that means it. */
static void terminal_end(int fd) {
  struct termios modes;
  if (tcgetattr(fd, &modes) == 0 && (modes.c_lflag & ICANON) && write(fd, &modes.c_cc[VEOF], 1) < 0)
    return; /* its buffer is full, or its reader is gone: there is nobody to tell */
}

static void input_finish(struct process *process) {
  if (process->has_terminal)
    terminal_end(process->input.fd);
  input_close(&process->input);
  process_say(process, SAY_STDIN_ACK);
}

static void input_write(struct process *process) {
  struct input *input = &process->input;
  while (input->fd >= 0 && input->writable && input->held.length > 0) {
    struct iovec pieces[2];
    ssize_t count = writev(input->fd, pieces, ring_pieces(&input->held, 0, input->held.length, pieces));
    if (count > 0) {
      ring_drop(&input->held, (size_t)count);
      process_say(process, SAY_STDIN_ACK);
    } else if (count < 0 && errno == EAGAIN) {
      input->writable = false;
    } else if (count < 0 && errno != EINTR) {
      input_close(input);
      process_say(process, SAY_STDIN_ACK);
    }
  }
  if (input->fd >= 0 && input->held.base >= input->end)
    input_finish(process);
}

void input_event(struct process *process, uint32_t events) {
  struct input *input = &process->input;
  if (input->fd < 0)
    return;
  if ((events & (EPOLLERR | EPOLLHUP)) && !process->has_terminal) {
    input_close(input);
    process_say(process, SAY_STDIN_ACK);
    return;
  }
  input->writable = true;
  input_write(process);
}

/* Grows to what is needed now; bytes beyond the window, or without memory, are not taken, and the daemon sends them again. */
static size_t input_make_room(struct ring *held, size_t count) {
  size_t needed = held->length + count;
  size_t size = needed <= 4096 ? 4096 : STDIN_HELD_MAX;
  if (held->size < size && held->size < needed)
    ring_grow(held, size);
  return count < ring_room(held) ? count : ring_room(held);
}

void input_receive(struct process *process, uint64_t offset, const uint8_t *bytes, size_t count) {
  struct input *input = &process->input;
  uint64_t end = ring_end(&input->held);
  if (input->fd < 0 || offset > end || end - offset >= count)
    return;
  size_t known = (size_t)(end - offset);
  size_t taken = input_make_room(&input->held, count - known);
  ring_append(&input->held, bytes + known, taken);
  input_write(process);
}

void input_end(struct process *process, uint64_t offset) {
  struct input *input = &process->input;
  if (input->fd < 0 || input->end != UINT64_MAX)
    return;
  input->end = offset;
  input_write(process);
}
