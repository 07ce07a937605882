/*
 * Feeds the launcher's decoder without the launcher: byte streams on stdin, each with a u32 length before it. Every string that comes
 * out is read to its end, so that a sanitizer sees what the launcher would touch. Prints how many requests were accepted.
 */
#include "../../../../native/launcher.h"

#include <stdio.h>
#include <stdlib.h>

static size_t touched;

static void touch(const char *string) {
  touched += strlen(string);
}

static void touch_list(const struct list *list) {
  for (size_t i = 0; i < list->count; i++)
    touch(list->items[i]);
  if (list->items[list->count])
    abort();
}

static void touch_spawn(const struct spawn *spawn) {
  touch_list(&spawn->cgroups);
  touch_list(&spawn->argv);
  touch_list(&spawn->env);
  touch(spawn->cwd);
  for (uint32_t i = 0; i < spawn->input_length; i++)
    touched += spawn->input[i];
}

static void touch_claim(const struct claim *claim) {
  touch_list(&claim->layers);
  touch_list(&claim->moves);
  touch_list(&claim->closed);
  touch(claim->writable);
  touch(claim->target);
  for (size_t i = 0; i < claim->bind_count; i++) {
    touch(claim->binds[i].source);
    touch(claim->binds[i].destination);
  }
}

static void touch_mount(const struct mount_request *mount) {
  const char *const strings[] = {mount->writable, mount->place, mount->source, mount->sub_path, mount->root, mount->path};
  touch_list(&mount->layers);
  for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
    touch(strings[i]);
}

/* As the launcher takes frames: up to the first that is not a request. */
static size_t decode_stream(const uint8_t *bytes, size_t count) {
  struct request request;
  struct frame frame;
  size_t taken, accepted = 0;
  while (frame_find(bytes, count, FRAME_MAX, &frame, &taken) == FRAME_COMPLETE && request_decode(frame, &request)) {
    if (request.type == SPAWN)
      touch_spawn(&request.spawn);
    if (request.type == CLAIM)
      touch_claim(&request.claim);
    if (request.type == MOUNT)
      touch_mount(&request.mount);
    if (request.type == UNMOUNT) {
      touch(request.unmount.root);
      touch(request.unmount.path);
    }
    request_free(&request);
    bytes += taken;
    count -= taken;
    accepted++;
  }
  return accepted;
}

int main(void) {
  size_t accepted = 0, streams = 0;
  uint32_t length;
  while (fread(&length, sizeof length, 1, stdin) == 1) {
    uint8_t *bytes = malloc(length); /* of that size exactly, so that one byte too far is seen */
    if (fread(bytes, 1, length, stdin) != length)
      return 1;
    accepted += decode_stream(bytes, length);
    streams++;
    free(bytes);
  }
  printf("%zu %zu\n", streams, accepted);
  return touched == 1;
}
