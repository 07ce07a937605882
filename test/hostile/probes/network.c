/* Sockets that reach beyond the sandbox's own network, or change it. */
#define _GNU_SOURCE
#include "escape.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_WAIT_MS = 1500 };

/* arguments: family, type, protocol */
static int open_socket(char **arguments) {
  return socket(atoi(arguments[0]), atoi(arguments[1]), atoi(arguments[2]));
}

static int wait_for(int fd, short events) {
  struct pollfd poll_fd = {.fd = fd, .events = events};
  int ready = poll(&poll_fd, 1, ANSWER_WAIT_MS);
  if (ready == 0)
    errno = ETIMEDOUT;
  return ready > 0 ? 0 : -1;
}

/* Whether something that expects "?" answers it: an accepted connection alone could be a stranger's between here and there. */
static int ask(int fd) {
  char answer[16];
  if (send(fd, "?", 1, MSG_NOSIGNAL) != 1 || wait_for(fd, POLLIN) != 0)
    return -1;
  ssize_t count = recv(fd, answer, sizeof answer, 0);
  if (count == 0)
    errno = ECONNRESET;
  return count > 0 ? 0 : -1;
}

static int connect_within(int fd, const struct sockaddr *address, socklen_t length) {
  int error = 0;
  socklen_t size = sizeof error;
  if (connect(fd, address, length) == 0)
    return 0;
  if (errno != EINPROGRESS || wait_for(fd, POLLOUT) != 0)
    return -1;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  errno = error;
  return error == 0 ? 0 : -1;
}

static int reach(int type, char **arguments) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1]))};
  if (inet_pton(AF_INET, arguments[0], &address.sin_addr) != 1)
    return -1;
  int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0);
  if (fd < 0 || connect_within(fd, (struct sockaddr *)&address, sizeof address) != 0)
    return -1;
  return ask(fd);
}

/* arguments: address, port */
static int reach_tcp(char **arguments) {
  return reach(SOCK_STREAM, arguments);
}

static int reach_udp(char **arguments) {
  return reach(SOCK_DGRAM, arguments);
}

/* arguments: address, port, link. An address of scope link needs to know which. */
static int reach_ipv6(char **arguments) {
  struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(arguments[1]))};
  address.sin6_scope_id = if_nametoindex(arguments[2]);
  if (inet_pton(AF_INET6, arguments[0], &address.sin6_addr) != 1)
    return -1;
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (fd < 0 || connect_within(fd, (struct sockaddr *)&address, sizeof address) != 0)
    return -1;
  return ask(fd);
}

/* From an address that is not the sandbox's own. arguments: address, port, source address */
static int reach_as_another(char **arguments) {
  struct sockaddr_in source = {.sin_family = AF_INET}, address = {.sin_family = AF_INET};
  int yes = 1;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  address.sin_port = htons((uint16_t)atoi(arguments[1]));
  if (inet_pton(AF_INET, arguments[0], &address.sin_addr) != 1 || inet_pton(AF_INET, arguments[2], &source.sin_addr) != 1)
    return -1;
  if (setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &yes, sizeof yes) != 0)
    setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &yes, sizeof yes);
  if (bind(fd, (struct sockaddr *)&source, sizeof source) != 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
    return -1;
  return send(fd, "?", 1, 0) == 1 ? 0 : -1;
}

/* A bare packet of an IP protocol. arguments: protocol, address */
static int send_protocol(char **arguments) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  char payload[16] = {8};
  int yes = 1;
  int fd = socket(AF_INET, SOCK_RAW, atoi(arguments[0]));
  if (fd < 0 || inet_pton(AF_INET, arguments[1], &address.sin_addr) != 1)
    return -1;
  setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes);
  return sendto(fd, payload, sizeof payload, 0, (struct sockaddr *)&address, sizeof address) < 0 ? -1 : 0;
}

/* An IPv6 packet of UDP as a frame to whoever is at the other end. arguments: link, address */
static int send_ipv6_frame(char **arguments) {
  struct {
    struct ethhdr ethernet;
    unsigned char version[4], length[2], next, hops, source[16], destination[16], udp[8];
  } frame = {
      .ethernet = {.h_proto = htons(ETH_P_IPV6)},
      .version = {0x60},
      .length = {0, 8},
      .next = IPPROTO_UDP,
      .hops = 64,
      .source = {0xfd, [15] = 2},
      .udp = {0, 53, 0, 53, 0, 8},
  };
  struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(arguments[0]), .sll_halen = ETH_ALEN};
  memset(frame.ethernet.h_dest, 0xff, ETH_ALEN);
  memset(link.sll_addr, 0xff, ETH_ALEN);
  int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IPV6));
  if (fd < 0 || inet_pton(AF_INET6, arguments[1], frame.destination) != 1)
    return -1;
  return sendto(fd, &frame, sizeof frame, 0, (struct sockaddr *)&link, sizeof link) < 0 ? -1 : 0;
}

/* A unix socket without a file. arguments: name */
static int reach_abstract(char **arguments) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(arguments[0]);
  memcpy(address.sun_path + 1, arguments[0], length);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
  return connect(fd, (struct sockaddr *)&address, size) == 0 ? ask(fd) : -1;
}

/* arguments: link. Asks the kernel to give it one more address, and reads what the kernel says. */
static int add_address(char **arguments) {
  struct {
    struct nlmsghdr header;
    struct ifaddrmsg message;
    struct rtattr attribute;
    unsigned char address[4];
  } request = {
      .header = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_NEWADDR, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE},
      .message = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = if_nametoindex(arguments[0])},
      .attribute = {.rta_len = RTA_LENGTH(4), .rta_type = IFA_LOCAL},
      .address = {192, 0, 2, 77},
  };
  struct {
    struct nlmsghdr header;
    struct nlmsgerr error;
  } answer;
  int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  if (fd < 0 || send(fd, &request, sizeof request, 0) < 0 || wait_for(fd, POLLIN) != 0)
    return -1;
  if (recv(fd, &answer, sizeof answer, 0) < (ssize_t)sizeof answer.header)
    return -1;
  errno = -answer.error.error;
  return answer.header.nlmsg_type == NLMSG_ERROR && answer.error.error == 0 ? 0 : -1;
}

/* arguments: link, address; the old way */
static int set_address(char **arguments) {
  struct ifreq request = {0};
  struct sockaddr_in *address = (struct sockaddr_in *)&request.ifr_addr;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  strncpy(request.ifr_name, arguments[0], IFNAMSIZ - 1);
  address->sin_family = AF_INET;
  inet_pton(AF_INET, arguments[1], &address->sin_addr);
  return ioctl(fd, SIOCSIFADDR, &request);
}

const struct attempt network_attempts[] = {
    {"socket", 3, open_socket},
    {"tcp", 2, reach_tcp},
    {"udp", 2, reach_udp},
    {"tcp6", 3, reach_ipv6},
    {"spoof", 3, reach_as_another},
    {"protocol", 2, send_protocol},
    {"frame6", 2, send_ipv6_frame},
    {"abstract", 1, reach_abstract},
    {"add-address", 1, add_address},
    {"set-address", 2, set_address},
    {0},
};
