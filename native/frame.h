/*
 * Frames as PROTOCOL.md defines them: u32 length, u8 type, payload; little-endian. Readers and writers are bounded and
 * never allocate; a reader that ran past its end, or a writer that ran out of room, remembers it and does nothing more,
 * so callers check once at the end.
 */
#ifndef ATOLL_FRAME_H
#define ATOLL_FRAME_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { FRAME_PREFIX_BYTES = 4, FRAME_HEADER_BYTES = 5 };

struct frame_reader {
  const uint8_t *at;
  size_t left;
  bool failed;
};

struct frame {
  uint8_t type;
  struct frame_reader payload;
};

enum frame_found { FRAME_INCOMPLETE, FRAME_COMPLETE, FRAME_INVALID };

/* Looks for one frame at the start of the bytes. `taken` is its whole size, also when only its prefix is there yet. */
static inline enum frame_found frame_find(const uint8_t *bytes, size_t count, uint32_t limit, struct frame *frame, size_t *taken) {
  uint32_t length;
  *taken = 0;
  if (count < FRAME_PREFIX_BYTES)
    return FRAME_INCOMPLETE;
  memcpy(&length, bytes, sizeof length);
  length = le32toh(length);
  if (length == 0 || length > limit)
    return FRAME_INVALID;
  *taken = FRAME_PREFIX_BYTES + (size_t)length;
  if (count < *taken)
    return FRAME_INCOMPLETE;
  frame->type = bytes[FRAME_PREFIX_BYTES];
  frame->payload = (struct frame_reader){.at = bytes + FRAME_HEADER_BYTES, .left = length - 1, .failed = false};
  return FRAME_COMPLETE;
}

/* The next bytes in place, or NULL when there are fewer. */
static inline const uint8_t *frame_take(struct frame_reader *reader, size_t count) {
  if (reader->failed || reader->left < count) {
    reader->failed = true;
    return NULL;
  }
  const uint8_t *bytes = reader->at;
  reader->at += count;
  reader->left -= count;
  return bytes;
}

static inline uint8_t frame_u8(struct frame_reader *reader) {
  const uint8_t *bytes = frame_take(reader, 1);
  return bytes ? *bytes : 0;
}

static inline uint16_t frame_u16(struct frame_reader *reader) {
  uint16_t value = 0;
  const uint8_t *bytes = frame_take(reader, sizeof value);
  if (bytes)
    memcpy(&value, bytes, sizeof value);
  return le16toh(value);
}

static inline uint32_t frame_u32(struct frame_reader *reader) {
  uint32_t value = 0;
  const uint8_t *bytes = frame_take(reader, sizeof value);
  if (bytes)
    memcpy(&value, bytes, sizeof value);
  return le32toh(value);
}

static inline uint64_t frame_u64(struct frame_reader *reader) {
  uint64_t value = 0;
  const uint8_t *bytes = frame_take(reader, sizeof value);
  if (bytes)
    memcpy(&value, bytes, sizeof value);
  return le64toh(value);
}

/* A `str` in place; it has no terminating NUL. */
static inline const uint8_t *frame_str(struct frame_reader *reader, uint32_t *length) {
  *length = frame_u32(reader);
  const uint8_t *bytes = frame_take(reader, *length);
  if (!bytes)
    *length = 0;
  return bytes;
}

/* The count of a `list` whose items take at least `least` bytes each, so that it can bound a loop or an allocation. */
static inline uint32_t frame_count(struct frame_reader *reader, size_t least) {
  uint32_t count = frame_u32(reader);
  if (count > reader->left / least)
    reader->failed = true;
  return reader->failed ? 0 : count;
}

/* Whether everything was there and nothing is left over. */
static inline bool frame_ended(const struct frame_reader *reader) {
  return !reader->failed && reader->left == 0;
}

struct frame_writer {
  uint8_t *bytes;
  size_t room;
  size_t length;
  size_t frame; /* where the frame being written begins */
  bool failed;
};

static inline void frame_put(struct frame_writer *writer, const void *bytes, size_t count) {
  if (writer->failed || writer->room - writer->length < count) {
    writer->failed = true;
    return;
  }
  if (count > 0)
    memcpy(writer->bytes + writer->length, bytes, count);
  writer->length += count;
}

static inline void frame_put_u8(struct frame_writer *writer, uint8_t value) {
  frame_put(writer, &value, sizeof value);
}

static inline void frame_put_u32(struct frame_writer *writer, uint32_t value) {
  value = htole32(value);
  frame_put(writer, &value, sizeof value);
}

static inline void frame_put_u64(struct frame_writer *writer, uint64_t value) {
  value = htole64(value);
  frame_put(writer, &value, sizeof value);
}

static inline void frame_put_str(struct frame_writer *writer, const char *text) {
  size_t length = strlen(text);
  frame_put_u32(writer, (uint32_t)length);
  frame_put(writer, text, length);
}

static inline void frame_begin(struct frame_writer *writer, uint8_t type) {
  writer->frame = writer->length;
  frame_put_u32(writer, 0);
  frame_put_u8(writer, type);
}

/* Fills the length in. `more` are payload bytes that the caller sends itself after what was written. */
static inline void frame_end(struct frame_writer *writer, size_t more) {
  if (writer->failed)
    return;
  uint32_t length = htole32((uint32_t)(writer->length - writer->frame - FRAME_PREFIX_BYTES + more));
  memcpy(writer->bytes + writer->frame, &length, sizeof length);
}

#endif
