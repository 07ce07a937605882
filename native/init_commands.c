/* What the daemon says: each frame checked in full, then done. False ends the connection. */
#include "init.h"

#include <errno.h>
#include <stdlib.h>

/* A string of the payload, copied to *memory with a NUL. */
static char *take_string(struct frame_reader *reader, char **memory) {
  static char nothing[1];
  uint32_t length;
  const uint8_t *bytes = frame_str(reader, &length);
  char *text = *memory;
  if (!bytes)
    return nothing; /* the payload is too short, and so may be the memory */
  memcpy(text, bytes, length);
  text[length] = '\0';
  *memory += length + 1;
  return text;
}

/* Pointers need twice the bytes of the u32 lengths before the strings; the strings with their NULs less than the payload. */
static char **take_strings(struct frame_reader *reader, char ***pointers, char **memory, size_t spare) {
  uint32_t count = frame_count(reader, 4);
  char **strings = *pointers;
  for (uint32_t i = 0; i < count; i++)
    strings[i] = take_string(reader, memory);
  strings[count] = NULL;
  *pointers += count + 1 + spare;
  return strings;
}

static bool decode_start(struct frame_reader *reader, struct start *start) {
  start->id = frame_u32(reader);
  uint8_t flags = frame_u8(reader);
  start->wants_terminal = flags & 1;
  start->wants_input = flags & 2;
  start->is_built_in = flags & 4;
  start->rows = frame_u16(reader);
  start->cols = frame_u16(reader);
  start->open_files = frame_u32(reader);
  size_t pointer_bytes = (reader->left / 4 + 2 + START_ENV_ADDED) * sizeof(char *);
  start->memory = malloc(pointer_bytes + reader->left + 16);
  if (!start->memory)
    return !reader->failed;
  char **pointers = start->memory, *memory = (char *)start->memory + pointer_bytes;
  start->user = take_string(reader, &memory);
  start->cwd = take_string(reader, &memory);
  start->argv = take_strings(reader, &pointers, &memory, 0);
  start->env = take_strings(reader, &pointers, &memory, START_ENV_ADDED);
  while (start->env[start->env_count])
    start->env_count++;
  return frame_ended(reader) && (flags <= 3 || flags == 4 || flags == 6);
}

static bool take_start(struct frame_reader *reader) {
  struct start start = {0};
  bool is_valid = decode_start(reader, &start);
  if (is_valid && start.memory)
    process_start(&start);
  else if (is_valid)
    link_start_refused(start.id, (struct failure){ENOMEM, "limit"});
  free(start.memory);
  return is_valid;
}

static bool take_setup(struct frame_reader *reader) {
  uint32_t request = frame_u32(reader);
  size_t size = reader->left + 2;
  char *memory = malloc(size), *free_from = memory;
  if (!memory) {
    link_setup_done(request, (struct failure){ENOMEM, "memory"});
    return true;
  }
  char *root = take_string(reader, &free_from);
  char *hostname = take_string(reader, &free_from);
  uint32_t most_processes = frame_u32(reader);
  bool is_valid = frame_ended(reader);
  if (is_valid)
    link_setup_done(request, setup_root(root, hostname, most_processes));
  free(memory);
  return is_valid;
}

static bool take_mounting(struct frame_reader *reader, struct failure (*act)(const char *source, const char *target)) {
  uint32_t request = frame_u32(reader);
  char *memory = malloc(reader->left + 2), *free_from = memory;
  if (!memory) {
    link_mount_done(request, (struct failure){ENOMEM, "memory"});
    return true;
  }
  char *source = take_string(reader, &free_from);
  char *target = take_string(reader, &free_from);
  bool is_valid = frame_ended(reader);
  if (is_valid)
    link_mount_done(request, act(source, target));
  free(memory);
  return is_valid;
}

static bool take_mount(struct frame_reader *reader) {
  return take_mounting(reader, mount_attach);
}

static bool take_unmount(struct frame_reader *reader) {
  return take_mounting(reader, mount_detach);
}

static void forget_unseen(void) {
  for (struct node *node = all_processes.next, *next; node != &all_processes; node = next) {
    struct process *process = OWNER(struct process, all, node);
    next = node->next;
    if (!process->is_seen) {
      process_kill(process);
      process_forget(process);
    } else {
      process->is_seen = false;
    }
  }
}

bool command_resume(struct frame_reader *reader) {
  uint32_t count = frame_count(reader, 20);
  if (reader->failed || reader->left != (size_t)count * 20)
    return false;
  link_resumed();
  for (uint32_t i = 0; i < count; i++) {
    uint32_t id = frame_u32(reader);
    uint64_t stdout_offset = frame_u64(reader), stderr_offset = frame_u64(reader);
    struct process *process = process_find(id);
    if (!process) {
      link_unknown(id);
      continue;
    }
    process->is_seen = true;
    process_resume(process, stdout_offset, stderr_offset);
  }
  forget_unseen();
  return true;
}

static bool take_stdin(struct frame_reader *reader) {
  struct process *process = process_find(frame_u32(reader));
  uint64_t offset = frame_u64(reader);
  if (process && !reader->failed)
    input_receive(process, offset, reader->at, reader->left);
  return !reader->failed;
}

static bool take_stdin_eof(struct frame_reader *reader) {
  struct process *process = process_find(frame_u32(reader));
  uint64_t offset = frame_u64(reader);
  if (process && frame_ended(reader))
    input_end(process, offset);
  return frame_ended(reader);
}

static bool take_ack(struct frame_reader *reader) {
  struct process *process = process_find(frame_u32(reader));
  uint8_t stream = frame_u8(reader);
  uint64_t offset = frame_u64(reader);
  if (!frame_ended(reader) || stream < 1 || stream > 2)
    return false;
  if (process)
    output_ack(&process->outputs[stream - 1], offset);
  return true;
}

static bool take_release(struct frame_reader *reader) {
  struct process *process = process_find(frame_u32(reader));
  if (process && frame_ended(reader))
    process_forget(process);
  return frame_ended(reader);
}

static bool take_signal(struct frame_reader *reader) {
  struct process *process = process_find(frame_u32(reader));
  uint8_t number = frame_u8(reader);
  if (process && frame_ended(reader))
    process_signal(process, number);
  return frame_ended(reader);
}

static bool take_resize(struct frame_reader *reader) {
  struct process *process = process_find(frame_u32(reader));
  uint16_t rows = frame_u16(reader), cols = frame_u16(reader);
  if (process && frame_ended(reader))
    process_resize(process, rows, cols);
  return frame_ended(reader);
}

static bool take_kill_all(struct frame_reader *reader) {
  uint8_t number = frame_u8(reader);
  if (frame_ended(reader))
    processes_signal_all(number);
  return frame_ended(reader);
}

static bool take_probe(struct frame_reader *reader) {
  uint32_t request = frame_u32(reader);
  uint16_t port = frame_u16(reader);
  if (frame_ended(reader))
    probe_start(request, port);
  return frame_ended(reader);
}

static bool take_ping(struct frame_reader *reader) {
  uint32_t request = frame_u32(reader);
  if (frame_ended(reader))
    link_pong(request);
  return frame_ended(reader);
}

static bool take_hangup(struct frame_reader *reader) {
  if (frame_ended(reader))
    link_hang_up();
  return frame_ended(reader);
}

static bool (*const takers[])(struct frame_reader *reader) = {
    [SETUP] = take_setup,     [START] = take_start,   [STDIN] = take_stdin,       [STDIN_EOF] = take_stdin_eof,
    [ACK] = take_ack,         [RELEASE] = take_release, [SIGNAL] = take_signal,   [RESIZE] = take_resize,
    [KILL_ALL] = take_kill_all, [PROBE] = take_probe, [PING] = take_ping,         [HANGUP] = take_hangup,
    [MOUNT] = take_mount,     [UNMOUNT] = take_unmount,
};

bool command_take(struct frame *frame) {
  if (frame->type >= sizeof takers / sizeof *takers || !takers[frame->type])
    return false;
  return takers[frame->type](&frame->payload);
}
