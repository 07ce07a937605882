/* Files, mounts and devices that are not the sandbox's. */
#define _GNU_SOURCE
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { CLIMBS = 64, ROOT_INODE = 2, FILEID_INO32_GEN = 1 };

static int mount_tmpfs(char **arguments) {
  (void)arguments;
  return mount("none", "/mnt", "tmpfs", 0, NULL);
}

static int mount_proc(char **arguments) {
  (void)arguments;
  return mount("proc", "/mnt", "proc", 0, NULL);
}

static int mount_cgroup(char **arguments) {
  (void)arguments;
  return mount("none", "/mnt", "cgroup", 0, "memory");
}

static int mount_cgroup2(char **arguments) {
  (void)arguments;
  return mount("none", "/mnt", "cgroup2", 0, NULL);
}

/* arguments: major, minor, type of the file system */
static int mount_disk(char **arguments) {
  dev_t device = makedev((unsigned)atoi(arguments[0]), (unsigned)atoi(arguments[1]));
  unlink("/tmp/disk-to-mount");
  if (mknod("/tmp/disk-to-mount", S_IFBLK | 0600, device) != 0)
    return -1;
  return mount("/tmp/disk-to-mount", "/mnt", arguments[2], MS_RDONLY, NULL);
}

static int bind(char **arguments) {
  return mount(arguments[0], "/mnt", NULL, MS_BIND, NULL);
}

static int remount_writable(char **arguments) {
  return mount(NULL, arguments[0], NULL, MS_REMOUNT | MS_BIND, NULL);
}

static int unmount(char **arguments) {
  return umount2(arguments[0], MNT_DETACH);
}

static int new_mount_interface(char **arguments) {
  (void)arguments;
  return (int)syscall(SYS_fsopen, "tmpfs", 0);
}

static int clone_tree(char **arguments) {
  return (int)syscall(SYS_open_tree, AT_FDCWD, arguments[0], 1);
}

static int pivot(char **arguments) {
  (void)arguments;
  return (int)syscall(SYS_pivot_root, ".", ".");
}

/* The classic: a directory that was opened outside of the new root leads out of it. arguments: a path that exists only outside */
static int leave_chroot(char **arguments) {
  char inside[] = "/tmp/inside-XXXXXX";
  int outside = open("/", O_RDONLY | O_DIRECTORY);
  if (!mkdtemp(inside) || outside < 0 || chroot(inside) != 0 || fchdir(outside) != 0)
    return -1;
  for (int i = 0; i < CLIMBS; i++)
    if (chdir("..") != 0)
      return -1;
  return chroot(".") == 0 ? access(arguments[0], F_OK) : -1;
}

/* Through every link that /proc has to what other processes hold. arguments: a path that exists only outside */
static int look_through_proc(char **arguments) {
  static const char *const links[] = {"root", "cwd", "fd/0", "fd/1", "fd/2", "fd/3", "fd/4", "fd/5", "fd/6", "fd/7", "fd/8", "fd/9"};
  char path[4200];
  for (int pid = 1; pid < 4096; pid++)
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
      snprintf(path, sizeof path, "/proc/%d/%s/%s", pid, links[i], arguments[0]);
      if (access(path, F_OK) == 0)
        return 0;
      snprintf(path, sizeof path, "/proc/%d/%s/../../../../../../../../%s", pid, links[i], arguments[0]);
      if (access(path, F_OK) == 0)
        return 0;
    }
  errno = ENOENT;
  return -1;
}

/* A handle of the root directory of the file system that holds the given file, which may be a bind from the host. arguments: file, name
 * in the root directory of that file system */
static int open_by_handle(char **arguments) {
  struct {
    struct file_handle header;
    unsigned char bytes[8];
  } handle = {.header = {.handle_bytes = 8, .handle_type = FILEID_INO32_GEN}};
  unsigned inode = ROOT_INODE;
  memcpy(handle.header.f_handle, &inode, sizeof inode);
  int mount = open(arguments[0], O_RDONLY);
  if (mount < 0)
    return -1;
  int root = (int)syscall(SYS_open_by_handle_at, mount, &handle, O_RDONLY);
  return root < 0 ? -1 : faccessat(root, arguments[1], F_OK, 0);
}

/* arguments: c or b, major, minor */
static int open_device(char **arguments) {
  char byte;
  mode_t type = arguments[0][0] == 'b' ? S_IFBLK : S_IFCHR;
  dev_t device = makedev((unsigned)atoi(arguments[1]), (unsigned)atoi(arguments[2]));
  unlink("/tmp/device");
  if (mknod("/tmp/device", type | 0600, device) != 0)
    return -1;
  int fd = open("/tmp/device", O_RDONLY | O_NONBLOCK);
  int error = errno;
  unlink("/tmp/device");
  errno = error;
  if (fd < 0)
    return -1;
  return type == S_IFCHR || read(fd, &byte, 1) == 1 ? 0 : -1;
}

static int open_for_writing(char **arguments) {
  return open(arguments[0], O_WRONLY);
}

static int change_mode(char **arguments) {
  return chmod(arguments[0], 0777);
}

static int create(char **arguments) {
  return open(arguments[0], O_WRONLY | O_CREAT | O_EXCL, 0600);
}

static int remove_file(char **arguments) {
  return unlink(arguments[0]);
}

static int truncate_file(char **arguments) {
  return truncate(arguments[0], 0);
}

static int read_file(char **arguments) {
  char bytes[16];
  int fd = open(arguments[0], O_RDONLY | O_NONBLOCK);
  if (fd < 0)
    return -1;
  ssize_t count = read(fd, bytes, sizeof bytes);
  if (count == 0)
    errno = ENODATA;
  return count > 0 ? 0 : -1;
}

/* arguments: file, text */
static int write_file(char **arguments) {
  int fd = open(arguments[0], O_WRONLY);
  ssize_t length = (ssize_t)strlen(arguments[1]);
  return fd >= 0 && write(fd, arguments[1], (size_t)length) == length ? 0 : -1;
}

const struct attempt file_attempts[] = {
    {"mount-tmpfs", 0, mount_tmpfs},
    {"mount-proc", 0, mount_proc},
    {"mount-cgroup", 0, mount_cgroup},
    {"mount-cgroup2", 0, mount_cgroup2},
    {"mount-disk", 3, mount_disk},
    {"bind", 1, bind},
    {"remount-writable", 1, remount_writable},
    {"unmount", 1, unmount},
    {"fsopen", 0, new_mount_interface},
    {"open-tree", 1, clone_tree},
    {"pivot-root", 0, pivot},
    {"leave-chroot", 1, leave_chroot},
    {"look-through-proc", 1, look_through_proc},
    {"open-by-handle", 2, open_by_handle},
    {"open-device", 3, open_device},
    {"open-for-writing", 1, open_for_writing},
    {"change-mode", 1, change_mode},
    {"create", 1, create},
    {"remove", 1, remove_file},
    {"truncate", 1, truncate_file},
    {"read", 1, read_file},
    {"write", 2, write_file},
    {0},
};
