/* Decodes requests. Pure: it allocates, and touches nothing else. */
#include "launcher.h"

#include <stdlib.h>

enum { STR_BYTES = 4, BIND_BYTES = 2 * STR_BYTES + 1 };

/* A `str` of n bytes becomes a pointer and n + 1 bytes, which is at most 13/4 of its n + 4 on the wire. */
enum { MEMORY_PER_BYTE = 4, MEMORY_ALWAYS = 1024 };

struct arena {
  uint8_t *at;
  size_t left;
};

static void *arena_take(struct arena *arena, struct frame_reader *reader, size_t count, size_t alignment) {
  size_t padding = -(uintptr_t)arena->at & (alignment - 1);
  if (arena->left < padding || arena->left - padding < count) {
    reader->failed = true;
    return NULL;
  }
  void *taken = arena->at + padding;
  arena->at += padding + count;
  arena->left -= padding + count;
  return taken;
}

static char *take_string(struct frame_reader *reader, struct arena *arena) {
  uint32_t length;
  const uint8_t *bytes = frame_str(reader, &length);
  if (!bytes || memchr(bytes, '\0', length)) {
    reader->failed = true;
    return NULL;
  }
  char *string = arena_take(arena, reader, (size_t)length + 1, 1);
  if (!string)
    return NULL;
  memcpy(string, bytes, length);
  string[length] = '\0';
  return string;
}

static struct list take_list(struct frame_reader *reader, struct arena *arena) {
  struct list list = {.count = frame_count(reader, STR_BYTES)};
  list.items = arena_take(arena, reader, (list.count + 1) * sizeof *list.items, sizeof *list.items);
  for (size_t i = 0; i < list.count && !reader->failed; i++)
    list.items[i] = take_string(reader, arena);
  if (reader->failed)
    return (struct list){0};
  list.items[list.count] = NULL;
  return list;
}

static uint8_t take_choice(struct frame_reader *reader, uint8_t most) {
  uint8_t value = frame_u8(reader);
  if (value & ~most)
    reader->failed = true;
  return value;
}

static void take_spawn(struct frame_reader *reader, struct arena *arena, struct spawn *spawn) {
  spawn->flags = take_choice(reader, SPAWN_FLAGS);
  spawn->cgroups = take_list(reader, arena);
  spawn->cwd = take_string(reader, arena);
  spawn->argv = take_list(reader, arena);
  spawn->env = take_list(reader, arena);
  spawn->input = frame_str(reader, &spawn->input_length);
  if (spawn->argv.count == 0)
    reader->failed = true;
}

static void take_binds(struct frame_reader *reader, struct arena *arena, struct claim *claim) {
  claim->bind_count = frame_count(reader, BIND_BYTES);
  claim->binds = arena_take(arena, reader, claim->bind_count * sizeof *claim->binds, sizeof(void *));
  for (size_t i = 0; i < claim->bind_count && !reader->failed; i++) {
    claim->binds[i].source = take_string(reader, arena);
    claim->binds[i].destination = take_string(reader, arena);
    claim->binds[i].flags = take_choice(reader, BIND_FLAGS);
  }
}

static void take_claim(struct frame_reader *reader, struct arena *arena, struct claim *claim) {
  claim->mount_pid = frame_u32(reader);
  claim->user_pid = frame_u32(reader);
  claim->root_id = frame_u32(reader);
  claim->layers = take_list(reader, arena);
  claim->writable = take_string(reader, arena);
  claim->target = take_string(reader, arena);
  claim->moves = take_list(reader, arena);
  claim->closed = take_list(reader, arena);
  claim->has_sysfs = take_choice(reader, 1) != 0;
  take_binds(reader, arena, claim);
  claim->pivots = take_choice(reader, 1) != 0;
}

static void take_mount(struct frame_reader *reader, struct arena *arena, struct mount_request *mount) {
  mount->mount_pid = frame_u32(reader);
  mount->user_pid = frame_u32(reader);
  mount->root_id = frame_u32(reader);
  mount->layers = take_list(reader, arena);
  mount->writable = take_string(reader, arena);
  mount->place = take_string(reader, arena);
  mount->source = take_string(reader, arena);
  mount->sub_path = take_string(reader, arena);
  mount->is_read_only = take_choice(reader, 1) != 0;
  mount->root = take_string(reader, arena);
  mount->path = take_string(reader, arena);
}

static void take_unmount(struct frame_reader *reader, struct arena *arena, struct unmount_request *unmount) {
  unmount->mount_pid = frame_u32(reader);
  unmount->root = take_string(reader, arena);
  unmount->path = take_string(reader, arena);
  unmount->mount = frame_u64(reader);
  unmount->is_lazy = take_choice(reader, 1) != 0;
}

static void take_process(struct frame_reader *reader, struct request *request) {
  request->pid = frame_u32(reader);
  request->start_time = frame_u64(reader);
}

static void take_payload(struct frame_reader *reader, struct arena *arena, struct request *request) {
  if (request->type != ATTACH && request->type != FORGET)
    request->id = frame_u32(reader);
  switch (request->type) {
  case ATTACH:
    request->version = frame_u32(reader);
    break;
  case SPAWN:
    take_spawn(reader, arena, &request->spawn);
    break;
  case WATCH:
    request->pid = frame_u32(reader);
    break;
  case FORGET:
    take_process(reader, request);
    break;
  case KILL:
    take_process(reader, request);
    request->signal = frame_u8(reader);
    break;
  case CLAIM:
    take_claim(reader, arena, &request->claim);
    break;
  case MOUNT:
    take_mount(reader, arena, &request->mount);
    break;
  case UNMOUNT:
    take_unmount(reader, arena, &request->unmount);
    break;
  default:
    reader->failed = true;
  }
}

/* False for anything that is not exactly one request; then there is nothing to free. */
bool request_decode(struct frame frame, struct request *request) {
  struct frame_reader reader = frame.payload;
  struct arena arena = {.left = reader.left * MEMORY_PER_BYTE + MEMORY_ALWAYS};
  arena.at = malloc(arena.left);
  *request = (struct request){.type = frame.type, .memory = arena.at};
  if (!arena.at)
    return false;
  take_payload(&reader, &arena, request);
  if (frame_ended(&reader))
    return true;
  request_free(request);
  return false;
}

void request_free(struct request *request) {
  free(request->memory);
  *request = (struct request){0};
}
