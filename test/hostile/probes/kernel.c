/* Calls into parts of the kernel that belong to the whole machine. Each is harmless where it succeeds. */
#define _GNU_SOURCE
#include "escape.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <stdint.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define X32_BIT 0x40000000

/* Loading from a descriptor that is none: whoever may load modules is told EBADF, everybody else EPERM before that. */
static int load_module(char **arguments) {
  (void)arguments;
  if (syscall(SYS_finit_module, -1, "", 0) < 0 && errno == EBADF)
    return 0;
  return -1;
}

static int unload_module(char **arguments) {
  (void)arguments;
  return syscall(SYS_delete_module, "no_such_module", 0) < 0 && errno == ENOENT ? 0 : -1;
}

/* An impossible number of segments is EINVAL for whoever may load a kernel. */
static int kexec(char **arguments) {
  (void)arguments;
  return syscall(SYS_kexec_load, 0, 1000000, NULL, 0) < 0 && errno == EINVAL ? 0 : -1;
}

/* What Ctrl-Alt-Del does is set to what it already does on a machine without a keyboard. */
static int reboot_switch(char **arguments) {
  (void)arguments;
  return (int)syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_CAD_OFF, NULL);
}

static int bpf_map(char **arguments) {
  union bpf_attr attr;
  (void)arguments;
  memset(&attr, 0, sizeof attr);
  attr.map_type = BPF_MAP_TYPE_ARRAY;
  attr.key_size = attr.value_size = 4;
  attr.max_entries = 1;
  return (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr);
}

static int perf(char **arguments) {
  struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attr, .config = PERF_COUNT_SW_CPU_CLOCK};
  (void)arguments;
  return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static int fault_handler(char **arguments) {
  (void)arguments;
  return (int)syscall(SYS_userfaultfd, 0);
}

static int io_ring(char **arguments) {
  struct io_uring_params params = {0};
  (void)arguments;
  return (int)syscall(SYS_io_uring_setup, 4, &params);
}

static int add_key(char **arguments) {
  (void)arguments;
  return (int)syscall(SYS_add_key, "user", "atoll-probe", "x", 1, KEY_SPEC_PROCESS_KEYRING);
}

static int session_keyring(char **arguments) {
  (void)arguments;
  return (int)syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
}

static int request_key(char **arguments) {
  (void)arguments;
  return syscall(SYS_request_key, "user", "no-such-key", NULL, 0) < 0 && errno == ENOKEY ? 0 : -1;
}

/* The time it is: right within microseconds. */
static int set_clock(char **arguments) {
  struct timespec now;
  (void)arguments;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int)syscall(SYS_clock_settime, CLOCK_REALTIME, &now);
}

static int steer_clock(char **arguments) {
  struct timex timex = {.modes = ADJ_OFFSET_SINGLESHOT};
  (void)arguments;
  return adjtimex(&timex) < 0 ? -1 : 0;
}

static int read_log(char **arguments) {
  char text[64];
  (void)arguments;
  return klogctl(3, text, sizeof text);
}

static int swap(char **arguments) {
  (void)arguments;
  return swapoff("/") < 0 && errno == EINVAL ? 0 : -1;
}

static int io_ports(char **arguments) {
  (void)arguments;
#ifdef SYS_iopl
  return (int)syscall(SYS_iopl, 3);
#else
  errno = ENOSYS;
  return -1;
#endif
}

static int read_other_memory_policy(char **arguments) {
  (void)arguments;
  return (int)syscall(SYS_move_pages, 1, 0, NULL, NULL, NULL, 0);
}

static int process_accounting(char **arguments) {
  (void)arguments;
  return syscall(SYS_acct, "/no/such/file") < 0 && errno == ENOENT ? 0 : -1;
}

#ifdef __x86_64__
/* The same kernel through its two other tables of calls. */
static long compat_call(long number, long first, long second, long third, long fourth) {
  long result;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "a"(number), "b"(first), "c"(second), "d"(third), "S"(fourth)
                   : "memory", "r8", "r9", "r10", "r11");
  if (result < 0)
    errno = (int)-result;
  return result < 0 ? -1 : result;
}

/* keyctl is 288 of the 32-bit table. */
static int compat_keyring(char **arguments) {
  (void)arguments;
  return (int)compat_call(288, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0);
}

/* unshare is 310 of the 32-bit table; CLONE_NEWUSER. */
static int compat_unshare(char **arguments) {
  (void)arguments;
  return (int)compat_call(310, 0x10000000, 0, 0, 0);
}

/* socketcall is 102: SYS_SOCKET with AF_VSOCK, whose family is behind a pointer. */
static int compat_socket(char **arguments) {
  (void)arguments;
  uint32_t *call = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  if (call == MAP_FAILED)
    return -1;
  call[0] = 40;
  call[1] = 1;
  call[2] = 0;
  return (int)compat_call(102, 1, (long)call, 0, 0);
}

static int x32_keyring(char **arguments) {
  (void)arguments;
  return (int)syscall(X32_BIT | SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
}

static int x32_mount(char **arguments) {
  (void)arguments;
  return (int)syscall(X32_BIT | SYS_mount, "none", "/tmp", "tmpfs", 0, NULL);
}
#endif

const struct attempt kernel_attempts[] = {
    {"load-module", 0, load_module},
    {"unload-module", 0, unload_module},
    {"kexec", 0, kexec},
    {"reboot-switch", 0, reboot_switch},
    {"bpf", 0, bpf_map},
    {"perf", 0, perf},
    {"userfaultfd", 0, fault_handler},
    {"io-uring", 0, io_ring},
    {"add-key", 0, add_key},
    {"session-keyring", 0, session_keyring},
    {"request-key", 0, request_key},
    {"set-clock", 0, set_clock},
    {"steer-clock", 0, steer_clock},
    {"kernel-log", 0, read_log},
    {"swapoff", 0, swap},
    {"io-ports", 0, io_ports},
    {"move-pages", 0, read_other_memory_policy},
    {"accounting", 0, process_accounting},
#ifdef __x86_64__
    {"compat-keyring", 0, compat_keyring},
    {"compat-unshare", 0, compat_unshare},
    {"compat-vsock", 0, compat_socket},
    {"x32-keyring", 0, x32_keyring},
    {"x32-mount", 0, x32_mount},
#endif
    {0},
};
