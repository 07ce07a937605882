/* Does something listen on a port of the sandbox's loopback? */
#include "init.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PROBES_MAX = 32, PROBE_MS = 1000 };

struct probe {
  int fd; /* 0: free; descriptors 0 to 2 are never a probe's */
  uint32_t request;
  uint16_t port;
  bool is_second; /* ::1, after 127.0.0.1 refused */
  uint64_t deadline;
  struct source source;
};
static struct probe probes[PROBES_MAX];

static void probe_close(struct probe *probe) {
  unwatch_and_close(probe->fd);
  probe->fd = 0;
}

static int connect_loopback(int fd, bool is_second, uint16_t port) {
  struct sockaddr_in first = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 second = {
      .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  const struct sockaddr *address = is_second ? (const void *)&second : (const void *)&first;
  return connect(fd, address, is_second ? sizeof second : sizeof first) == 0 ? 0 : errno;
}

/* EINPROGRESS when the answer will come as an event. */
static int probe_try(struct probe *probe) {
  probe->fd = socket(probe->is_second ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe->fd < 0) {
    probe->fd = 0;
    return errno;
  }
  int error = connect_loopback(probe->fd, probe->is_second, probe->port);
  if (error == EINPROGRESS && !watch(probe->fd, EPOLLOUT, &probe->source))
    error = errno;
  if (error != EINPROGRESS)
    probe_close(probe);
  return error;
}

/* Goes from the first address to the second. The first refusal is the one worth telling. */
static void probe_advance(struct probe *probe, int error) {
  if (error != 0 && error != EINPROGRESS && !probe->is_second) {
    probe->is_second = true;
    int second = probe_try(probe);
    error = second == 0 || second == EINPROGRESS ? second : error;
  }
  if (error != EINPROGRESS)
    link_probe_result(probe->request, error);
}

static struct probe *probe_free(void) {
  for (size_t i = 0; i < PROBES_MAX; i++)
    if (probes[i].fd == 0)
      return &probes[i];
  return NULL;
}

void probe_start(uint32_t request, uint16_t port) {
  struct probe *probe = probe_free();
  if (!probe) {
    link_probe_result(request, EAGAIN);
    return;
  }
  *probe = (struct probe){.request = request, .port = port, .deadline = now_ms() + PROBE_MS};
  probe->source = (struct source){.kind = SOURCE_PROBE, .owner = probe};
  probe_advance(probe, probe_try(probe));
}

/* The slot may have been used again since the event was made; then the socket is still connecting and says ENOTCONN. */
void probe_event(void *owner) {
  struct probe *probe = owner;
  struct sockaddr_storage peer;
  socklen_t size = sizeof peer, error_size = sizeof(int);
  int error = 0;
  if (probe->fd == 0 || getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &error_size) != 0)
    return;
  if (error == 0 && getpeername(probe->fd, (struct sockaddr *)&peer, &size) != 0)
    return;
  probe_close(probe);
  probe_advance(probe, error);
}

void probes_expire(void) {
  for (size_t i = 0; i < PROBES_MAX; i++) {
    if (probes[i].fd == 0 || probes[i].deadline > now_ms())
      continue;
    probe_close(&probes[i]);
    link_probe_result(probes[i].request, ETIMEDOUT);
  }
}

void probes_cancel(void) {
  for (size_t i = 0; i < PROBES_MAX; i++)
    if (probes[i].fd != 0)
      probe_close(&probes[i]);
}

int probes_wait_ms(void) {
  int wait = -1;
  for (size_t i = 0; i < PROBES_MAX; i++) {
    if (probes[i].fd == 0)
      continue;
    uint64_t now = now_ms(), deadline = probes[i].deadline;
    int left = deadline > now ? (int)(deadline - now) : 0;
    wait = wait < 0 || left < wait ? left : wait;
  }
  return wait;
}
