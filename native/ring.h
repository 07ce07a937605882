/* A byte ring that knows the stream offset of its first byte, and grows up to what its owner allows. */
#ifndef ATOLL_RING_H
#define ATOLL_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

struct ring {
  uint8_t *bytes;
  size_t size;
  size_t head;
  size_t length;
  uint64_t base; /* stream offset of the byte at head */
};

static inline uint64_t ring_end(const struct ring *ring) {
  return ring->base + ring->length;
}

static inline size_t ring_room(const struct ring *ring) {
  return ring->size - ring->length;
}

/* Two pieces of the ring, beginning `from` bytes after head. */
static inline int ring_pieces(const struct ring *ring, size_t from, size_t count, struct iovec pieces[2]) {
  if (count == 0)
    return 0;
  size_t start = (ring->head + from) % ring->size;
  size_t first = ring->size - start < count ? ring->size - start : count;
  pieces[0] = (struct iovec){.iov_base = ring->bytes + start, .iov_len = first};
  pieces[1] = (struct iovec){.iov_base = ring->bytes, .iov_len = count - first};
  return count > first ? 2 : 1;
}

static inline bool ring_grow(struct ring *ring, size_t size) {
  uint8_t *bytes = malloc(size);
  if (!bytes)
    return false;
  struct iovec pieces[2];
  size_t at = 0;
  int count = ring_pieces(ring, 0, ring->length, pieces);
  for (int i = 0; i < count; i++) {
    memcpy(bytes + at, pieces[i].iov_base, pieces[i].iov_len);
    at += pieces[i].iov_len;
  }
  free(ring->bytes);
  ring->bytes = bytes;
  ring->size = size;
  ring->head = 0;
  return true;
}

static inline void ring_added(struct ring *ring, size_t count) {
  ring->length += count;
}

static inline void ring_append(struct ring *ring, const uint8_t *bytes, size_t count) {
  struct iovec pieces[2];
  int filled = ring_pieces(ring, ring->length, count, pieces);
  for (int i = 0; i < filled; i++) {
    memcpy(pieces[i].iov_base, bytes, pieces[i].iov_len);
    bytes += pieces[i].iov_len;
  }
  ring_added(ring, count);
}

static inline void ring_drop(struct ring *ring, size_t count) {
  ring->length -= count;
  ring->base += count;
  /* An empty ring starts over at its first byte, so that small streams stay in one piece and in one page. */
  ring->head = ring->length == 0 ? 0 : (ring->head + count) % ring->size;
}

static inline void ring_free(struct ring *ring) {
  ring->base += ring->length;
  free(ring->bytes);
  ring->bytes = NULL;
  ring->size = ring->head = ring->length = 0;
}

#endif
